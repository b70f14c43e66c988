package main

import (
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// shape is what a command prints with --json.
type shape struct {
	command string
	prints  any
}

// shapes are the shapes of all commands that have --json.
var shapes = []shape{
	{"account bind", proposalJSON{}},
	{"account list", accountListJSON{}},
	{"apply", resultJSON{}},
	{"audit access", list[access.Access]{}},
	{"audit changes", list[access.Change]{}},
	{"audit log", recordJSON{}},
	{"audit verify", verifyJSON{}},
	{"audit who-had", list[access.Access]{}},
	{"backup", store.CopyResult{}},
	{"check", checkJSON{}},
	{"conflicts", list[access.ConflictState]{}},
	{"conflicts allow", access.Decision{}},
	{"connectors", connectorsJSON{}},
	{"db copy", store.CopyResult{}},
	{"db migrate", migrateJSON{}},
	{"enable", access.Decision{}},
	{"explain PERSON", access.PersonGrants{}},
	{"explain PERSON ENTITLEMENT", access.Explanation{}},
	{"hold list", list[access.Hold]{}},
	{"hold release", holdDecisionJSON{}},
	{"hold reject", holdDecisionJSON{}},
	{"hold show", holdShowJSON{}},
	{"hr import", api.Import{}},
	{"hr imports", list[access.ImportEntry]{}},
	{"hr pull", list[api.Import]{}},
	{"hr report end", access.Decision{}},
	{"hr report hire", api.ReportedHire{}},
	{"hr report list", access.Reports{}},
	{"hr report take-back", access.Decision{}},
	{"init", initJSON{}},
	{"login", api.Me{}},
	{"logout", loggedOutJSON{}},
	{"mfa exempt", access.Decision{}},
	{"mfa pass", passJSON{}},
	{"mfa withdraw", withdrawJSON{}},
	{"pause", access.Decision{}},
	{"people apart", access.Decision{}},
	{"people duplicates", list[access.Duplicate]{}},
	{"people erase", proposalJSON{}},
	{"people extract", access.Extract{}},
	{"people legal-hold", access.Decision{}},
	{"people list", list[access.PersonState]{}},
	{"people main", access.Decision{}},
	{"people managers", list[access.Manager]{}},
	{"people merge", access.Decision{}},
	{"people protect", access.Decision{}},
	{"people readmit", access.Decision{}},
	{"people screened", access.Decision{}},
	{"people sessions", list[api.Session]{}},
	{"people sessions --end", access.Decision{}},
	{"people show", access.Person{}},
	{"people split", access.Decision{}},
	{"plan", planJSON{}},
	{"restore", store.CopyResult{}},
	{"resume", access.Decision{}},
	{"review decide", access.Decision{}},
	{"review list", list[access.ReviewItem]{}},
	{"review start", reviewStartJSON{}},
	{"rights", list[rights.Row]{}},
	{"rights PERSON", access.Roles{}},
	{"simulate", simulationJSON{}},
	{"systems", list[access.SystemState]{}},
	{"systems SYSTEM", access.SystemState{}},
	{"systems revise", access.Decision{}},
	{"systems revisions", list[access.Revision]{}},
	{"status", access.Status{}},
	{"steps", list[access.FailingStep]{}},
	{"steps give-up", list[access.FailingStep]{}},
	{"steps retry", list[access.FailingStep]{}},
	{"suspend", suspendJSON{}},
	{"target retire", retireJSON{}},
	{"token list", list[api.Token]{}},
	{"token make", api.MadeToken{}},
	{"token revoke", revokedTokenJSON{}},
	{"version", versionJSON{}},
	{"whoami", api.Me{}},
}
