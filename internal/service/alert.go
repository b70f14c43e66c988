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
	"strings"
	"time"

	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/wneessen/go-mail"

	"github.com/behov/behov/internal/alert"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/store"
)

const (
	byEmail   = "email"
	byWebhook = "webhook"
	// sending is for how long a server may take to accept an alert.
	sending = 30 * time.Second
)

// message is the text of an alert. It names people by opaque ID only.
type message struct {
	About    alert.About `json:"about"`
	Subject  string      `json:"subject"`
	Title    string      `json:"title"`
	Text     string      `json:"text"`
	WhatToDo string      `json:"what_to_do"`
	At       time.Time   `json:"at"`
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
		err = sendEmail(ctx, g.config, job.ID, *a)
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
	case alert.HoldRaised, alert.TokenExpiring: // the subject is another at each stage
		return 0
	case alert.SourceSilent, alert.EvaluatorDifference:
		return 24 * time.Hour
	case alert.TargetUnreachable:
		return 6 * time.Hour
	}
	return time.Hour
}

// alert finds out what there is to say; nil when it is over.
func (s *Service) alert(ctx context.Context, c *config.Config, of queue.Alert) (*message, error) {
	a := &message{About: alert.About(of.About), Subject: of.Subject, At: s.Now().UTC()}
	switch a.About {
	case alert.HoldRaised:
		holds, err := s.DB.Holds(ctx)
		i := slices.IndexFunc(holds, func(h store.HoldState) bool { return h.Digest == audit.HoldDigest(of.Subject) })
		if err != nil || i < 0 || holds[i].Decision != nil {
			return nil, err
		}
		a.Title = "Held: " + holds[i].Subject
		a.Text = holds[i].Why
		if holds[i].Kind == store.HREndingsHold {
			a.Text = strings.Join(hr.HoldReasons(holds[i].Why), "\n\n")
		}
		a.WhatToDo = fmt.Sprintf("Look at it with \"behov hold show %s\", and release or reject it.", of.Subject)
	case alert.StepsParked:
		figures, err := s.DB.Stats(ctx)
		if err != nil || figures.Parked[of.Subject] == 0 {
			return nil, err
		}
		a.Title = "Steps failed: " + of.Subject
		a.Text = fmt.Sprintf("In target %s %d steps failed so often that they are not tried any more.", of.Subject, figures.Parked[of.Subject])
		a.WhatToDo = "See why with \"behov steps\", and try them again or give them up."
	case alert.SourceSilent:
		figures, err := s.DB.Stats(ctx)
		heard := figures.Heard[of.Subject]
		if err != nil || s.Now().Sub(heard) < c.Alerts.Silent {
			return nil, err
		}
		a.Title = "HR is silent: " + of.Subject
		a.Text = fmt.Sprintf("Nothing new has come from HR source %s since %s: who began or left since then behov does not know.", of.Subject, heard.In(c.Zone).Format("2006-01-02 15:04"))
		a.WhatToDo = "See with \"behov hr imports\" what came last, and ask the people who make the export."
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
		last = last[i:]
		a.Title = "HR refused: " + of.Subject
		a.Text = fmt.Sprintf("Nothing of what HR source %s gave at %s was read.", of.Subject, last[0].At().In(c.Zone).Format("2006-01-02 15:04"))
		a.WhatToDo = "See why with \"behov hr imports --problems\", and ask the people who make the export."
	case alert.RowsLeftOut:
		last, err := s.DB.Imports(ctx, of.Subject, 1)
		if err != nil || len(last) == 0 || last[0].BadRows == 0 {
			return nil, err
		}
		a.Title = "HR rows left out: " + of.Subject
		a.Text = fmt.Sprintf("%d of the %d rows that HR source %s gave at %s could not be used. Whoever they are about keeps the access they have, also who has left.",
			last[0].BadRows, last[0].Rows, of.Subject, last[0].At().In(c.Zone).Format("2006-01-02 15:04"))
		a.WhatToDo = "See why with \"behov hr imports --problems -n 1\", and ask the people who make the export."
	case alert.TargetUnreachable:
		states, err := s.DB.TargetStates(ctx)
		state := states[of.Subject]
		// Perhaps somebody else than us found out, and it answers again.
		if _, configured := c.Target(of.Subject); err != nil || !configured || state.Missed == "" && s.Now().Sub(state.Read()) < c.Alerts.Unavailable {
			return nil, err
		}
		a.Title = "Does not answer: " + of.Subject
		a.Text = fmt.Sprintf("Target %s has not answered, or not done what it was asked for, for %s or longer; it was read last at %s. Leavers keep their accounts there, and joiners have none.",
			of.Subject, c.Alerts.Unavailable, state.Read().In(c.Zone).Format("2006-01-02 15:04"))
		a.WhatToDo = "See with \"behov check\" what it says. It is asked again all the time."
	case alert.EvaluatorDifference:
		return s.evaluatorAlert(ctx, c, a)
	case alert.TokenExpiring:
		return s.tokenAlert(ctx, c, a)
	default:
		return nil, nil
	}
	return a, nil
}

// sendEmail sends a mail. The same alert has the same Message-ID, however often
// it is sent.
func sendEmail(ctx context.Context, c *config.Config, id string, a message) error {
	e := c.Alerts.Email
	m := mail.NewMsg()
	if err := errors.Join(m.From(e.From), m.To(e.To...)); err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	m.Subject("behov: " + a.Title)
	m.SetMessageIDWithValue(id + "@behov")
	m.SetBodyString(mail.TypeTextPlain, a.Text+"\n\n"+a.WhatToDo+"\n")
	options := []mail.Option{mail.WithPort(e.Port), mail.WithTimeout(sending), mail.WithTLSPortPolicy(mail.TLSMandatory)}
	if config.Loopback(e.Host) {
		options = append(options, mail.WithTLSPortPolicy(mail.TLSOpportunistic))
	}
	options = append(options, mail.WithPort(e.Port)) // which a policy changes
	if e.User != "" {
		password, err := config.Resolve(c.Dir, e.Secret)
		if err != nil {
			return fmt.Errorf("mail: %w", err)
		}
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(e.User), mail.WithPassword(password))
	}
	client, err := mail.NewClient(e.Host, options...)
	if err == nil {
		err = client.DialAndSendWithContext(ctx, m)
	}
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	return nil
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

// sign signs a body as Standard Webhooks 1.0.0 has it, where there is a key.
func sign(h http.Header, key []byte, id string, at time.Time, body []byte) error {
	if key == nil {
		return nil
	}
	signer, err := standardwebhooks.NewWebhookRaw(key)
	if err != nil {
		return err
	}
	signature, err := signer.Sign(id, at, body)
	if err != nil {
		return err
	}
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return nil
}

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
	if err := sign(r.Header, key, id, now, body); err != nil {
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

// Watch implements queue.Handler: it checks whether HR is silent, and whether tokens
// expire. A source from which nothing ever came has not begun yet; one that is pushed to
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
	if len(jobs) == 0 {
		return nil
	}
	slices.SortFunc(jobs, func(a, b queue.Job) int {
		return cmp.Compare(a.(queue.Alert).Subject, b.(queue.Alert).Subject)
	})
	return s.enqueue(ctx, jobs...)
}
