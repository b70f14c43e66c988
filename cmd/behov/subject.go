package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

const byHelp = "the person who decides: a person_id, SOURCE/person_id, login or e-mail address (default $BEHOV_BY, or the person whom operators in behov.yaml names for the user)"

// osUser is a user of the operating system, and who called it with sudo.
type osUser struct {
	uid  int
	sudo int // the number, as sudo says; -1 without it
}

func currentUser() osUser {
	u := osUser{uid: os.Getuid(), sudo: -1}
	if n, err := strconv.ParseUint(os.Getenv("SUDO_UID"), 10, 31); err == nil {
		u.sudo = int(n)
	}
	return u
}

// operator returns the user as the operator of audit records.
func (u osUser) operator() identity.Actor {
	if u.sudo >= 0 {
		return identity.SudoUser(u.uid, u.sudo)
	}
	return identity.OSUser(u.uid)
}

func (u osUser) String() string { return string(u.operator()) }

// person returns which person the operators in behov.yaml name for the user. What
// sudo says counts for root and for the owner of the configuration alone: any other
// user can set the variable.
func (u osUser) person(c *config.Config) (identity.SourceKey, bool) {
	if u.sudo >= 0 && (u.uid == 0 || ownsFile(u.uid, filepath.Join(c.Dir, config.File))) {
		return mapped(c, strconv.Itoa(u.sudo))
	}
	return mapped(c, strconv.Itoa(u.uid))
}

func mapped(c *config.Config, uid string) (identity.SourceKey, bool) {
	if key, ok := c.Operators[uid]; ok {
		return key, true
	}
	u, err := user.LookupId(uid)
	if err != nil {
		return identity.SourceKey{}, false
	}
	key, ok := c.Operators[u.Username]
	return key, ok
}

// subject returns the person who decides. When behov.yaml has operators, it is the person
// that they name for the operating system's user; otherwise a name on the command line,
// or in BEHOV_BY, is taken as a claim.
func (a *app) subject(ctx context.Context, i *installation, by string) (rights.Subject, error) {
	place := "--by"
	if by == "" {
		by, place = os.Getenv("BEHOV_BY"), "the environment variable BEHOV_BY"
	}
	var claimed identity.Person
	if by != "" {
		var err error
		if claimed, err = i.db.FindPerson(ctx, by, i.config.First); err != nil {
			return rights.Subject{}, fmt.Errorf("the person who decides, by %s: %w", place, err)
		}
	}
	if i.config.Operators == nil {
		if by == "" {
			return rights.Subject{}, errors.New("say which person decides: --by with a person_id, login or e-mail address, or the environment variable BEHOV_BY")
		}
		return rights.Subject{Person: claimed.ID, How: rights.Claimed}, nil
	}
	u := currentUser()
	key, ok := u.person(i.config)
	if !ok {
		return rights.Subject{}, notOperator(u)
	}
	p, known, err := i.db.PersonByKey(ctx, key)
	switch {
	case err != nil:
		return rights.Subject{}, err
	case !known:
		return rights.Subject{}, fmt.Errorf("operators in behov.yaml names a person for the operating system's user (%s) whom HR does not have", u)
	case by != "" && claimed.ID != p.ID:
		return rights.Subject{}, fmt.Errorf("the operating system's user (%s) decides as the person whom operators in behov.yaml names, and for no other: leave %s out", u, place)
	}
	return rights.Subject{Person: p.ID, How: rights.OperatingSystem}, nil
}

// firstSubject is subject, but for the first import and the first token: before them no
// person is known, and the user of the operating system acts, whom operators must name
// where behov.yaml has them.
func (a *app) firstSubject(ctx context.Context, i *installation, by string) (rights.Subject, error) {
	n, err := i.db.CountPeople(ctx)
	switch {
	case err != nil:
		return rights.Subject{}, err
	case n > 0:
		return a.subject(ctx, i, by)
	}
	if u := currentUser(); i.config.Operators != nil {
		if _, ok := u.person(i.config); !ok {
			return rights.Subject{}, notOperator(u)
		}
	}
	return rights.Subject{}, nil
}

func notOperator(u osUser) error {
	return fmt.Errorf("the operating system's user (%s) is not under operators in behov.yaml: only those who are decide here", u)
}

// actor returns who runs a command that is no decision: the person
// of the subject, or the operating system's user when there is none. The first import
// comes before HR has named anyone.
func (a *app) actor(ctx context.Context, i *installation) (identity.Actor, error) {
	if i.config.Operators == nil && os.Getenv("BEHOV_BY") == "" {
		return identity.OSUser(os.Getuid()), nil
	}
	s, err := a.subject(ctx, i, "")
	switch {
	case err == nil:
		return identity.PersonActor(s.Person), nil
	case i.config.Operators != nil || errors.Is(err, store.ErrNoPerson):
		return identity.OSUser(os.Getuid()), nil
	}
	return "", err
}
