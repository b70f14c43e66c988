package identity

import (
	"strconv"
	"strings"
)

// Actor is who caused a record or made a decision: behov itself, a person, a service
// account, or a user of the operating system. Its text is stored and is part of a record's hash. This file is
// the only place that composes or parses it. The zero value is no actor.
type Actor string

// System is behov itself.
const System Actor = "behov"

const (
	personPrefix  = "person:"
	servicePrefix = "service:"
	osPrefix      = "os-uid:"
	sudoPrefix    = " sudo-uid:"
)

// PersonActor returns the person as an actor; no actor for the empty ID.
func PersonActor(id PersonID) Actor {
	if id == "" {
		return ""
	}
	return Actor(personPrefix + string(id))
}

// ServiceActor returns the service account as an actor; no actor for the empty name.
func ServiceActor(name string) Actor {
	if name == "" {
		return ""
	}
	return Actor(servicePrefix + name)
}

// OSUser returns a user of the operating system as an actor.
func OSUser(uid int) Actor { return Actor(osPrefix + strconv.Itoa(uid)) }

// SudoUser returns a user of the operating system, and the user who called it with
// sudo, as an actor.
func SudoUser(uid, caller int) Actor {
	return OSUser(uid) + Actor(sudoPrefix+strconv.Itoa(caller))
}

// Person returns which person the actor is; the empty ID and false when it is none.
func (a Actor) Person() (PersonID, bool) {
	id, ok := strings.CutPrefix(string(a), personPrefix)
	if !ok || id == "" {
		return "", false
	}
	return PersonID(id), true
}
