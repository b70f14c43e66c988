package outbound

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/behov/behov/internal/store"
)

const (
	// mostTokens is how many tokens an answer has at most, and maxAcknowledged how many
	// of them may be acknowledged before an earlier one.
	mostTokens      = 100
	maxAcknowledged = 10 * mostTokens
	// longPoll is for how long an answer waits for a token.
	longPoll = 25 * time.Second
)

// pollRequest is a request for tokens (RFC 8936 §2.2).
type pollRequest struct {
	MaxEvents         *int                       `json:"maxEvents"`
	ReturnImmediately bool                       `json:"returnImmediately"`
	Ack               []string                   `json:"ack"`
	SetErrs           map[string]json.RawMessage `json:"setErrs"`
}

// poll answers a receiver that polls (RFC 8936 §2): it takes what the receiver
// acknowledges, and returns the next tokens that are not acknowledged, the oldest first.
func (h *handler) poll(w http.ResponseWriter, r *http.Request) {
	receiver, ok := h.authenticate(w, r)
	if !ok {
		return
	}
	if receiver.Name != r.PathValue("receiver") || receiver.Push != nil {
		http.NotFound(w, r)
		return
	}
	var request pollRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&request); err != nil {
		answerJSON(w, http.StatusBadRequest, map[string]string{"err": "invalid_request", "description": "the body is no JSON of RFC 8936"})
		return
	}
	s := &signals{transmitter: h.transmitter, receiver: receiver}
	most := mostTokens
	if request.MaxEvents != nil {
		most = min(max(*request.MaxEvents, 0), mostTokens)
	}
	for id, said := range request.SetErrs {
		h.log.Error("a receiver did not accept a security event token", "receiver", receiver.Name, "token", id, "error", errorCode(said))
	}
	taken := slices.Concat(request.Ack, slices.Collect(maps.Keys(request.SetErrs)))
	if err := h.acknowledge(r.Context(), s, taken); err != nil {
		h.failed(w, err)
		return
	}
	tokens, more, err := h.awaitTokens(r.Context(), s, most, request.ReturnImmediately || most == 0)
	if err != nil {
		h.failed(w, err)
		return
	}
	body, err := encodeTokens(tokens, more)
	if err != nil {
		h.failed(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body)
}

// encodeTokens returns the answer (RFC 8936 §2.3), the tokens in their order.
func encodeTokens(tokens []message, more bool) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`{"sets":{`)
	for i, m := range tokens {
		if i > 0 {
			b.WriteByte(',')
		}
		id, err := json.Marshal(m.id)
		if err != nil {
			return nil, err
		}
		token, err := json.Marshal(string(m.body))
		if err != nil {
			return nil, err
		}
		b.Write(id)
		b.WriteByte(':')
		b.Write(token)
	}
	b.WriteByte('}')
	if more {
		b.WriteString(`,"moreAvailable":true`)
	}
	b.WriteString("}\n")
	return b.Bytes(), nil
}

// acknowledge notes which tokens the receiver took.
func (h *handler) acknowledge(ctx context.Context, s *signals, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return h.change(ctx, s, func(c *store.OutboundCursor, p *pending) {
		for _, id := range ids {
			p.Verify = slices.DeleteFunc(p.Verify, func(v verify) bool { return v.ID == id })
			if recordOf(id) > c.Index && !slices.Contains(p.Acknowledged, id) && len(p.Acknowledged) < maxAcknowledged {
				p.Acknowledged = append(p.Acknowledged, id)
			}
		}
	})
}

// change changes the cursor of a receiver.
func (h *handler) change(ctx context.Context, s *signals, f func(*store.OutboundCursor, *pending)) error {
	name := CursorName(h.stream, s.receiver.Name)
	if _, err := h.db.OutboundCursor(ctx, name, false, h.now()); err != nil {
		return err
	}
	return h.db.Write(ctx, func(tx *store.Tx) error {
		return tx.ChangeOutboundCursor(ctx, name, h.now(), func(c *store.OutboundCursor) error {
			p, err := parsePending(c.Pending)
			if err != nil {
				return err
			}
			f(c, &p)
			c.Pending, err = p.text()
			return err
		})
	})
}

// awaitTokens returns the tokens that the receiver has not acknowledged; when there are
// none it waits for some unless it is to answer at once.
func (h *handler) awaitTokens(ctx context.Context, s *signals, most int, atOnce bool) (tokens []message, more bool, err error) {
	deadline := time.NewTimer(longPoll)
	defer deadline.Stop()
	tick := time.NewTicker(othersPoll)
	defer tick.Stop()
	var last int64 = -1
	for {
		appended := h.db.AuditAppended()
		now, err := h.db.OutboundCursor(ctx, CursorName(h.stream, s.receiver.Name), false, h.now())
		if err != nil {
			return nil, false, err
		}
		head, err := h.db.Sequences(ctx)
		if err != nil {
			return nil, false, err
		}
		if head.Audit != last || now.Pending != "" {
			last = head.Audit
			if tokens, more, err = h.tokens(ctx, s, most, now); err != nil || len(tokens) > 0 {
				return tokens, more, err
			}
		}
		if atOnce {
			return nil, more, nil
		}
		select {
		case <-ctx.Done():
			return nil, false, nil
		case <-deadline.C:
			return nil, false, nil
		case <-appended:
		case <-tick.C:
		}
	}
}

// tokens returns the first tokens that are not acknowledged, and moves the cursor behind
// the records before them.
func (h *handler) tokens(ctx context.Context, s *signals, most int, cursor store.OutboundCursor) (tokens []message, more bool, err error) {
	p, err := parsePending(cursor.Pending)
	if err != nil {
		return nil, false, err
	}
	all, err := s.verifications(p.Verify)
	if err != nil {
		return nil, false, err
	}
	to := cursor.Index // behind which everything is acknowledged
	read := cursor.Index
	for behind := true; len(all) <= most; {
		records, err := h.db.AuditRecordsAfter(ctx, read, chunk)
		if err != nil {
			return nil, false, err
		}
		for _, r := range records {
			messages, err := s.messages(ctx, r)
			if err != nil {
				return nil, false, err
			}
			messages = slices.DeleteFunc(messages, func(m message) bool { return slices.Contains(p.Acknowledged, m.id) })
			if behind = behind && len(messages) == 0; behind {
				to = r.Index
			}
			all = append(all, messages...)
			read = r.Index
		}
		if len(records) < chunk {
			break
		}
	}
	if to > cursor.Index {
		err = h.change(ctx, s, func(c *store.OutboundCursor, p *pending) {
			c.Index = max(c.Index, to)
			p.forget(c.Index)
		})
	}
	if len(all) > most {
		return all[:most], true, err
	}
	return all, false, err
}
