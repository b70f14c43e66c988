package api

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"unicode/utf8"

	"github.com/behov/behov/internal/access"
)

// Paged is how a part of a list is asked for.
type Paged struct {
	Cursor string `query:"cursor" doc:"next of the part before; empty for the first." maxLength:"2048"`
	Limit  int    `query:"limit" doc:"How many items at most." default:"100" minimum:"1" maximum:"1000"`
}

func (p Paged) page() (access.Page, error) {
	after, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err != nil || !utf8.Valid(after) || bytes.IndexByte(after, 0) >= 0 { // no database's text
		return access.Page{}, newProblem(http.StatusBadRequest, "cursor", "the cursor is none that was given: begin with the first part")
	}
	return access.Page{After: string(after), Limit: p.Limit}, nil
}

// List is a part of a list.
type List[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next,omitempty" doc:"The cursor of the next part; left out at the end."`
}

// answer is an answer with a body.
type answer[T any] struct {
	Body T
}

func one[T any](body T, err error) (*answer[T], error) {
	if err != nil {
		return nil, err
	}
	return &answer[T]{body}, nil
}

func items[T any](all []T, next string, err error) (*answer[List[T]], error) {
	return one(List[T]{append([]T{}, all...), encodeCursor(next)}, err)
}

func encodeCursor(next string) string { return base64.RawURLEncoding.EncodeToString([]byte(next)) }

// cut returns a part of a list that is whole in memory, by the keys of its items, which are
// sorted.
func cut[T any](all []T, p access.Page, key func(T) string) ([]T, string) {
	first := 0
	for first < len(all) && p.After != "" && key(all[first]) <= p.After {
		first++
	}
	all = all[first:]
	if len(all) <= p.Limit {
		return all, ""
	}
	return all[:p.Limit], key(all[p.Limit-1])
}
