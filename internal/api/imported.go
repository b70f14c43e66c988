package api

import (
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// Import is what an import did, as the API and the command line say it.
type Import struct {
	Source   string                `json:"source"`
	Name     string                `json:"name"`              // of the file
	Refused  *diagnostic.Problem   `json:"refused,omitempty"` // why nothing of it was read
	Rows     int                   `json:"rows"`
	Problems []diagnostic.Problem  `json:"problems"`
	Counts   map[identity.Kind]int `json:"counts"` // events by kind
	Events   int                   `json:"events"`
	Late     int                   `json:"late"`   // events that had effect before they were learnt
	Joined   int                   `json:"joined"` // records of people known already
	// LeftOut are rows that were not taken; LeftOutNamed those of them with a problem of
	// their own.
	LeftOut      int `json:"left_out"`
	LeftOutNamed int `json:"left_out_named"`
	Questions    int `json:"questions"` // about whose record it is
	Warnings     int `json:"warnings"`
	Postponed    int `json:"postponed"` // rows that wait
	Erased       int `json:"erased"`    // rows of erased people
	// EndingsWait: as some rows could be anyone's, no employment was ended.
	EndingsWait bool          `json:"endings_wait"`
	Held        *access.Hold  `json:"held,omitempty"` // the whole import
	EndingsHeld *access.Hold  `json:"endings_held,omitempty"`
	StartsHeld  []access.Hold `json:"starts_held"`
}

// ImportOf returns what an import did, with sentences.
func ImportOf(v *access.View, r *hr.Report) Import {
	held := func(h *store.HoldState) *access.Hold {
		if h == nil {
			return nil
		}
		shown := v.Hold(*h)
		return &shown
	}
	x := Import{Source: r.Source, Name: r.Name, Rows: r.Rows, Problems: v.Problems(r.Problems), Counts: r.Counts, Events: r.Events,
		Late: r.Late, Joined: r.Joined, LeftOut: r.LeftOut, LeftOutNamed: r.LeftOutNamed, Questions: r.Questions, Warnings: r.Warnings, Postponed: r.Postponed, Erased: r.Erased,
		EndingsWait: r.EndingsWait, Held: held(r.Held), EndingsHeld: held(r.EndingsHeld), StartsHeld: []access.Hold{}}
	if r.Refused != nil {
		x.Refused = &v.Problems([]diagnostic.Problem{*r.Refused})[0]
	}
	for i := range r.StartsHeld {
		x.StartsHeld = append(x.StartsHeld, v.Hold(r.StartsHeld[i]))
	}
	return x
}
