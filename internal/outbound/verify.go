package outbound

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/behov/behov/internal/config"
)

// pending is what the cursor of a receiver keeps beside its index, as JSON.
type pending struct {
	// Verify are the verification events that the receiver asked for.
	Verify []verify `json:"verify,omitempty"`
	// Acknowledged are the IDs of tokens behind the cursor that a receiver which polls has
	// acknowledged before others.
	Acknowledged []string `json:"acknowledged,omitempty"`
}

// verify is a verification event that a receiver asked for.
type verify struct {
	ID    string    `json:"id"`
	State string    `json:"state,omitempty"`
	At    time.Time `json:"at"`
}

func parsePending(text string) (p pending, err error) {
	if text == "" {
		return p, nil
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return p, fmt.Errorf("what a receiver asked for: %w", err)
	}
	return p, nil
}

func (p pending) text() (string, error) {
	if len(p.Verify)+len(p.Acknowledged) == 0 {
		return "", nil
	}
	text, err := json.Marshal(p)
	return string(text), err
}

// forget drops what is acknowledged up to a record.
func (p *pending) forget(index int64) {
	p.Acknowledged = slices.DeleteFunc(p.Acknowledged, func(id string) bool { return recordOf(id) <= index })
}

// recordOf returns the index of the record that a token of tokenID is of; 0 for another ID.
func recordOf(id string) int64 {
	_, rest, _ := strings.Cut(id, ".")
	index, _, _ := strings.Cut(rest, "-")
	n, err := strconv.ParseInt(index, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// verifications returns the verification events as messages (SSF 1.0 §8.1.4.1).
func (s *signals) verifications(all []verify) ([]message, error) {
	var messages []message
	for _, v := range all {
		about := map[string]any{}
		if v.State != "" {
			about["state"] = v.State
		}
		body, err := s.sign(claims{Issuer: s.config.Issuer, ID: v.ID, IssuedAt: v.At.Unix(), Audience: audience(s.receiver),
			Subject: subjectID{Format: config.SubjectOpaque, ID: s.receiver.Name}, Events: map[string]any{verification: about}})
		if err != nil {
			return nil, err
		}
		messages = append(messages, message{id: v.ID, kind: "verification", at: v.At, body: body})
	}
	return messages, nil
}

func (s *signals) pending(cursor string) (messages []message, after string, err error) {
	p, err := parsePending(cursor)
	if err != nil {
		return nil, "", err
	}
	if messages, err = s.verifications(p.Verify); err != nil {
		return nil, "", err
	}
	p.Verify = nil
	after, err = p.text()
	return messages, after, err
}
