package access

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/store"
)

// ImportEntry is an import that was recorded.
type ImportEntry struct {
	ID       string               `json:"id"`
	Source   string               `json:"source"`
	FileHash string               `json:"file_hash"` // SHA-256, in hexadecimal
	Status   store.ImportStatus   `json:"status"`
	Rows     int                  `json:"rows"`
	BadRows  int                  `json:"bad_rows"`
	Events   int                  `json:"events"`
	Actor    Actor                `json:"actor"`
	At       time.Time            `json:"at"`
	Made     *time.Time           `json:"made,omitempty"` // when the source made the file
	Problems []diagnostic.Problem `json:"problems"`
}

// Problems returns problems with the sentence of each as its text.
func (v *View) Problems(problems []diagnostic.Problem) []diagnostic.Problem {
	worded := append([]diagnostic.Problem{}, problems...)
	for i, p := range worded {
		if p.Text == "" {
			worded[i].Text = v.Text(p.Reason)
		}
	}
	return worded
}

// Imports returns the newest imports, of a source or of all when it is empty, and what came
// of them.
func (v *View) Imports(source string, most int) ([]ImportEntry, error) {
	all, err := v.DB.Imports(v.ctx, source, most)
	if err != nil {
		return nil, err
	}
	entries := make([]ImportEntry, len(all))
	for k, x := range all {
		entries[k] = ImportEntry{x.ID, x.Source, x.FileHash, x.Status, x.Rows, x.BadRows, x.Events, v.ActorOf(x.Actor), x.At(), instant(x.ExportedAt()), []diagnostic.Problem{}}
		if x.Problems == "" {
			continue
		}
		if err := json.Unmarshal([]byte(x.Problems), &entries[k].Problems); err != nil {
			return nil, fmt.Errorf("problems of import %s: %w", x.ID, err)
		}
		entries[k].Problems = v.Problems(entries[k].Problems)
	}
	return entries, nil
}
