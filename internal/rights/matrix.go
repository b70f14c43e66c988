package rights

import (
	"slices"

	"github.com/behov/behov/internal/identity"
)

// Scope is the set of objects on which a role may take an action.
type Scope string

// The scopes.
const (
	Any  Scope = "any" // every object but themselves
	Own  Scope = "own" // their own system, staff, account or question
	None Scope = "-"   // never
)

// Row is an action with the scope of each role.
type Row struct {
	Action Action         `json:"action"`
	Scopes map[Role]Scope `json:"scopes"`
}

// Columns returns the roles of the matrix, in its order.
func (r *Rights) Columns() []Role {
	columns := slices.Concat([]Role{Owner, Reviewer, Assignee, Manager, AccountOwner, HR, DataProtectionOfficer, Operator, Administrator, Auditor})
	for _, l := range r.lines {
		if l.Member == "" && !slices.Contains(columns, l.Role) && !slices.Contains(derived, l.Role) {
			columns = append(columns, l.Role)
		}
	}
	return columns
}

// Matrix returns who may do what, as Casbin answers for a person who has one role
// and decides about another person. No person decides about themselves or about
// what they caused. What a person may see of themselves is not in it.
func (r *Rights) Matrix() ([]Row, error) {
	const who, other = "who", "other"
	var rows []Row
	for _, a := range slices.Concat(Actions, Reads) {
		row := Row{Action: a, Scopes: map[Role]Scope{}}
		for _, role := range r.Columns() {
			near, far := Object{About: []identity.PersonID{other}}, Object{About: []identity.PersonID{other}}
			switch role {
			case Owner:
				near.Owners = []identity.PersonID{who}
			case Reviewer:
				near.Reviewer = who
			case Assignee:
				near.Assignees = []identity.PersonID{who}
			case AccountOwner:
				near.AccountOwners = []identity.PersonID{who}
			case Manager:
				near.Managers = []identity.PersonID{who}
			}
			s := request{Known: Known{Subject: Subject{Person: who}, Works: true}, roles: []Role{role}}
			if slices.Contains(derived, role) {
				s.roles = nil
			}
			scope := None
			for _, try := range []struct {
				o Object
				s Scope
			}{{near, Own}, {far, Any}} {
				allowed, err := r.enforcer.Enforce(&s, string(a), &try.o)
				if err != nil {
					return nil, err
				}
				if allowed {
					scope = try.s
				}
			}
			row.Scopes[role] = scope
		}
		rows = append(rows, row)
	}
	return rows, nil
}
