package service

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/notice"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

// notify records the notices that are due, and has them sent: to each person all in one mail.
func (s *Service) notify(ctx context.Context, c *config.Config) error {
	now := s.Now()
	due, err := notice.Due(ctx, s.DB, c, now)
	if err != nil || len(due) == 0 {
		return err
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		var told store.NoticeKey // of the last job
		for _, n := range due {
			added, err := tx.RecordNotice(ctx, n, now)
			if err != nil {
				return err
			}
			if to := (store.NoticeKey{Person: n.Person, Mailbox: n.Mailbox}); added && to != told {
				told = to
				tx.Enqueue(queue.Notice{Person: string(n.Person), Mailbox: n.Mailbox, At: now.UnixMicro()})
			}
		}
		return nil
	})
}

// SendNotice implements queue.Handler. Who does not work here any more is told nothing.
func (s handler) SendNotice(ctx context.Context, job queue.Notice) error {
	g, done := s.acquireGeneration()
	defer done()
	c := g.config
	person := identity.PersonID(job.Person)
	notices, err := s.DB.NoticesTo(ctx, person, job.Mailbox, store.Micros(job.At))
	if err != nil || len(notices) == 0 || c.Notices == nil || c.Alerts.Email == nil {
		return err
	}
	address := job.Mailbox
	if person != "" {
		if address, err = s.addressOf(ctx, c, person); err != nil || address == "" {
			return err
		}
	}
	subject, text, err := noticeMail(c, notices)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sending)
	defer cancel()
	if err := sendMail(ctx, c, fmt.Sprintf("%s-%d", cmp.Or(string(person), hex.EncodeToString([]byte(job.Mailbox))), job.At), []string{address}, subject, text); err != nil {
		return err
	}
	s.Log.Info("told", "person", person, "notices", len(notices), "by", byEmail)
	return nil
}

// addressOf returns the address to which a person is written; empty for one who does not work
// here any more, or has none.
func (s handler) addressOf(ctx context.Context, c *config.Config, person identity.PersonID) (string, error) {
	people, err := s.DB.PeopleByID(ctx, []identity.PersonID{person})
	if err != nil || len(people) == 0 || !notice.HasAddress(people[0]) {
		return "", err
	}
	works, err := access.WhoWorks(ctx, s.DB, c, people, identity.DateOf(s.Now(), c.Zone))
	if err != nil || !works[person] {
		return "", err
	}
	return people[0].Email, nil
}

// noticeMail writes a mail: each notice with the address of the page that shows what it is
// about.
func noticeMail(c *config.Config, notices []store.Notice) (subject, text string, err error) {
	words, err := wording.New(wording.Reader{Language: wording.Language(c.Notices.Language), Place: wording.Mail, Zone: c.Zone})
	if err != nil {
		return "", "", err
	}
	subject = words.Title(notices[0].Reason)
	if len(notices) > 1 {
		subject = words.Title(reason.Of(reason.ThingsWait{Count: len(notices)}))
	}
	var b strings.Builder
	for _, n := range notices {
		fmt.Fprintf(&b, "%s\n", wording.Sentence(words.Reason(n.Reason)))
		if c.SignIn.URL != nil {
			fmt.Fprintf(&b, "%s\n", c.SignIn.URL.JoinPath(notice.Path(n)))
		}
		b.WriteString("\n")
	}
	return subject, b.String(), nil
}
