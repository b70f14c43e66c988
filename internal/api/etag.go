package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// tagged is an answer with an ETag: a hash of what it says, for this caller.
type tagged[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

func tag[T any](body T, err error) (*tagged[T], error) {
	if err != nil {
		return nil, err
	}
	etag, err := etagOf(body)
	return &tagged[T]{etag, body}, err
}

func etagOf(body any) (string, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return `"` + hex.EncodeToString(sum[:16]) + `"`, nil
}

// Unchanged is what a writing request says of what was read before it.
type Unchanged struct {
	IfMatch string `header:"If-Match" doc:"The ETag of what was read: when it has changed since, nothing is done." maxLength:"1000"`
}

// check returns an error when what was read has changed. read reads it again.
func (u Unchanged) check(read func() (any, error)) error {
	if u.IfMatch == "" || u.IfMatch == "*" {
		return nil
	}
	body, err := read()
	if err != nil {
		return err
	}
	now, err := etagOf(body)
	if err != nil {
		return err
	}
	if !slices.Contains(strings.FieldsFunc(u.IfMatch, func(r rune) bool { return r == ',' || r == ' ' }), now) {
		return newProblem(http.StatusPreconditionFailed, "changed", "what you read has changed since: read it again")
	}
	return nil
}
