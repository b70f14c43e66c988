package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/wneessen/go-mail"

	"github.com/behov/behov/internal/config"
)

// sendMail sends a mail through the mail server of alerts. The same alert or notice has the same
// Message-ID, however often it is sent.
func sendMail(ctx context.Context, c *config.Config, id string, to []string, subject, text string) error {
	e := c.Alerts.Email
	m := mail.NewMsg()
	if err := errors.Join(m.From(e.From), m.To(to...)); err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	m.Subject("behov: " + subject)
	m.SetMessageIDWithValue(id + "@behov")
	m.SetBodyString(mail.TypeTextPlain, text)
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
