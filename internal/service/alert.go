package service

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/behov/behov/internal/alert"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/outbound"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

const (
	byEmail   = "email"
	byWebhook = "webhook"
	// sending is for how long a server may take to accept an alert.
	sending = 30 * time.Second
)

// message is the text of an alert. It names people by opaque ID only.
type message struct {
	About   alert.About   `json:"about"`
	Subject string        `json:"subject"`
	Reason  reason.Reason `json:"reason"`
	// Title, Text and WhatToDo are the reason in words, in the language of alerts.
	Title    string    `json:"title"`
	Text     string    `json:"text"`
	WhatToDo string    `json:"what_to_do"`
	At       time.Time `json:"at"`
}

// SendAlert implements queue.Handler. One job becomes one for each way of sending, so
// that one that fails does not send the others again.
func (s handler) SendAlert(ctx context.Context, job queue.Alert) error {
	g, done := s.acquireGeneration()
	defer done()
	c := g.config.Alerts
	if job.Channel == "" {
		about := alert.About(job.About)
		told, err := s.DB.LastAlertAt(ctx, about, job.Subject)
		if err != nil {
			return err
		}
		// Postponed, not dropped: the text is worked out when it is sent.
		if wait := told.Add(repeatInterval(about)).Sub(s.Now()); wait > 0 && wait <= repeatInterval(about) {
			return queue.Later(wait)
		}
		if a, err := s.alert(ctx, g.config, job); err != nil || a == nil {
			return err
		}
		var each []queue.Job
		one := job
		one.ID = uuid.Must(uuid.NewV7()).String()
		if c.Email != nil {
			one.Channel = byEmail
			each = append(each, one)
		}
		if c.Webhook != nil {
			one.Channel = byWebhook
			each = append(each, one)
		}
		if len(each) == 0 {
			return nil
		}
		return s.DB.Write(ctx, func(tx *store.Tx) error {
			tx.Enqueue(each...)
			return tx.RecordAlertSent(ctx, about, job.Subject, s.Now())
		})
	}
	a, err := s.alert(ctx, g.config, job)
	if err != nil || a == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sending)
	defer cancel()
	switch {
	case job.Channel == byEmail && c.Email != nil:
		err = sendMail(ctx, g.config, job.ID, c.Email.To, a.Title, a.Text+"\n\n"+a.WhatToDo+"\n")
	case job.Channel == byWebhook && c.Webhook != nil:
		err = postEvent(ctx, g.config, job.ID, *a, s.Now())
	}
	if err == nil {
		s.Log.Info("told", "about", a.About, "subject", a.Subject, "by", job.Channel)
	}
	return err
}

// repeatInterval is after how long an alert about the same subject is sent again.
func repeatInterval(about alert.About) time.Duration {
	switch about {
	case alert.HoldRaised, alert.TokenExpiring, alert.EmergencyAccess: // the subject is another at each stage
		return 0
	case alert.SourceSilent, alert.EvaluatorDifference, alert.LogNotPublished:
		return 24 * time.Hour
	case alert.TargetUnreachable:
		return 6 * time.Hour
	}
	return time.Hour
}

// alert finds out what there is to say, and words it; nil when it is over.
func (s *Service) alert(ctx context.Context, c *config.Config, of queue.Alert) (*message, error) {
	kind, err := s.alertReason(ctx, c, of)
	if err != nil || kind == nil {
		return nil, err
	}
	words, err := wording.New(wording.Reader{Language: wording.Language(c.Alerts.Language), Place: wording.Mail, Zone: c.Zone})
	if err != nil {
		return nil, err
	}
	r := reason.Of(kind)
	return &message{About: alert.About(of.About), Subject: of.Subject, Reason: r, At: s.Now().UTC(),
		Title: words.Title(r), Text: wording.Sentence(words.Reason(r)), WhatToDo: words.Hint(r)}, nil
}

// alertReason returns what there is to say; nil when it is over.
func (s *Service) alertReason(ctx context.Context, c *config.Config, of queue.Alert) (reason.Kind, error) {
	switch alert.About(of.About) {
	case alert.HoldRaised:
		holds, err := s.DB.Holds(ctx)
		i := slices.IndexFunc(holds, func(h store.HoldState) bool { return h.Digest == audit.HoldDigest(of.Subject) })
		if err != nil || i < 0 || holds[i].Decision != nil {
			return nil, err
		}
		return reason.HoldWaits{Hold: of.Subject, Subject: holds[i].Subject, Because: holds[i].Why}, nil
	case alert.EmergencyAccess:
		n, err := strconv.ParseInt(of.Subject, 10, 64)
		if err != nil {
			return nil, nil //nolint:nilerr // of a later version
		}
		r, err := s.DB.AccessRequest(ctx, n)
		if err != nil {
			return nil, err
		}
		return reason.EmergencyTaken{Request: r.ID, Entitlement: r.Entitlement, Person: r.Person, Until: r.Until}, nil
	case alert.StepsParked:
		figures, err := s.DB.Stats(ctx)
		if err != nil || figures.Parked[of.Subject] == 0 {
			return nil, err
		}
		return reason.StepsWait{Target: of.Subject, Count: figures.Parked[of.Subject]}, nil
	case alert.SourceSilent:
		figures, err := s.DB.Stats(ctx)
		heard := figures.Heard[of.Subject]
		if err != nil || s.Now().Sub(heard) < c.Alerts.Silent {
			return nil, err
		}
		return reason.SourceSilent{Source: of.Subject, Since: heard.UTC()}, nil
	case alert.ImportRefused:
		newest := 1
		if c.Sources[of.Subject].SCIM {
			newest = 1000 // what was pushed afterwards is of others
		}
		last, err := s.DB.Imports(ctx, of.Subject, newest)
		i := slices.IndexFunc(last, func(i store.Import) bool { return i.Status == store.ImportRefused })
		if err != nil || i < 0 {
			return nil, err
		}
		return reason.ExportRefused{Source: of.Subject, At: last[i].At()}, nil
	case alert.RowsLeftOut:
		last, err := s.DB.Imports(ctx, of.Subject, 1)
		if err != nil || len(last) == 0 || last[0].BadRows == 0 {
			return nil, err
		}
		return reason.RowsLeftOut{Source: of.Subject, Count: last[0].BadRows, Rows: last[0].Rows, At: last[0].At()}, nil
	case alert.TargetUnreachable:
		states, err := s.DB.TargetStates(ctx)
		state := states[of.Subject]
		// Another process may have found out, and the target answers again.
		if _, configured := c.Target(of.Subject); err != nil || !configured || state.Missed.IsZero() && s.Now().Sub(state.Read()) < c.Alerts.Unavailable {
			return nil, err
		}
		return reason.TargetSilent{Target: of.Subject, Hours: c.Alerts.Unavailable.String(), Read: state.Read().UTC()}, nil
	case alert.EvaluatorDifference:
		return s.evaluatorAlert(ctx, c, of.Subject)
	case alert.LogNotPublished:
		if c.Publish.Directory != of.Subject {
			return nil, nil
		}
		if _, err := audit.Publish(ctx, s.DB, of.Subject); err != nil && ctx.Err() == nil {
			return reason.LogUnpublished{Place: of.Subject, Detail: err.Error()}, nil
		}
		return nil, ctx.Err()
	case alert.TokenExpiring:
		return s.tokenAlert(ctx, of.Subject)
	}
	return nil, nil
}

// cloudEvent is an event in the structured JSON format (CloudEvents 1.0.2,
// JSON event format 1.0.2 §3.2).
type cloudEvent struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            string    `json:"type"`
	Subject         string    `json:"subject"`
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	Data            message   `json:"data"`
}

// webhookClient follows no redirect: what is sent, and the token, are for the
// configured address only.
var webhookClient = &http.Client{Timeout: sending, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// postEvent posts an event at now (HTTP 1.1 Web Hooks for Event Delivery §2).
func postEvent(ctx context.Context, c *config.Config, id string, a message, now time.Time) error {
	hook := c.Alerts.Webhook
	body, err := json.Marshal(cloudEvent{SpecVersion: "1.0", ID: id, Source: "/behov", Type: "behov." + string(a.About), Subject: a.Subject, Time: a.At, DataContentType: "application/json", Data: a})
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	address, err := hook.Address(c.Dir)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return errors.New("webhook: its address is none")
	}
	r.Header.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
	if hook.Token != "" {
		token, err := config.Resolve(c.Dir, hook.Token)
		if err != nil {
			return fmt.Errorf("webhook: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	key, err := hook.Key(c.Dir)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	if err := outbound.Sign(r.Header, key, id, now, body); err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	answer, err := webhookClient.Do(r)
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err // the address may be a secret
	}
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	if err := answer.Body.Close(); err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	switch {
	case answer.StatusCode >= http.StatusMultipleChoices && answer.StatusCode < http.StatusBadRequest:
		return fmt.Errorf("webhook: it answered %s, and redirects are not followed: write the address that it leads to under alerts.webhook.url", answer.Status)
	case answer.StatusCode >= http.StatusBadRequest:
		return fmt.Errorf("webhook: it answered %s", answer.Status)
	}
	return nil
}

// Watch implements queue.Handler: it checks whether HR is silent, whether tokens expire, and whom
// to tell what waits for them. A source from which nothing ever came has not begun yet; one that is pushed to
// is silent when there is nothing to say.
func (s handler) Watch(ctx context.Context) error {
	g, done := s.acquireGeneration()
	defer done()
	figures, err := s.DB.Stats(ctx)
	if err != nil {
		return err
	}
	var jobs []queue.Job
	for name, source := range g.config.Sources {
		heard := figures.Heard[name]
		if pullable(source) && !heard.IsZero() && s.Now().Sub(heard) >= g.config.Alerts.Silent {
			jobs = append(jobs, alert.SourceSilent.Job(name))
		}
	}
	tokens, err := s.tokensToReplace(ctx, g.config)
	if err != nil {
		return err
	}
	jobs = append(jobs, tokens...)
	if err := s.notify(ctx, g.config); err != nil {
		return err
	}
	if len(jobs) == 0 {
		return nil
	}
	slices.SortFunc(jobs, func(a, b queue.Job) int {
		return cmp.Compare(a.(queue.Alert).Subject, b.(queue.Alert).Subject)
	})
	return s.enqueue(ctx, jobs...)
}
