package outbound

import (
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// The URIs of events (CAEP 1.0 §3, RISC 1.0 §2, SSF 1.0 §8.1.4.1).
const (
	caep         = "https://schemas.openid.net/secevent/caep/event-type/"
	risc         = "https://schemas.openid.net/secevent/risc/event-type/"
	verification = "https://schemas.openid.net/secevent/ssf/event-type/verification"
)

// eventURI returns the URI of a signal.
func eventURI(signal string) string {
	if signal == config.SignalSessionRevoked || signal == config.SignalCredentialChange {
		return caep + signal
	}
	return risc + signal
}

// subjectID identifies whom an event is about (RFC 9493 §3).
type subjectID struct {
	Format string `json:"format"`
	ID     string `json:"id,omitempty"`
	Email  string `json:"email,omitempty"`
	Issuer string `json:"iss,omitempty"`
	Sub    string `json:"sub,omitempty"`
}

// claims are those of a Security Event Token (RFC 8417 §2.2). Sub and exp are none of
// them (SSF 1.0 §4.1).
type claims struct {
	Issuer   string         `json:"iss"`
	ID       string         `json:"jti"`
	IssuedAt int64          `json:"iat"` // of the record: a token that is sent again is the same
	Audience any            `json:"aud"`
	Cause    string         `json:"txn,omitempty"`
	Subject  subjectID      `json:"sub_id"`
	Events   map[string]any `json:"events"`
}

// transmitter makes Security Event Tokens.
type transmitter struct {
	config *config.Transmitter
	dir    string
	db     *store.DB
	now    func() time.Time
	signer jose.Signer
	keys   jose.JSONWebKeySet // public
}

func newTransmitter(dir string, c *config.Transmitter, db *store.DB, now func() time.Time) (*transmitter, error) {
	key, err := c.SigningKey(dir)
	if err != nil {
		return nil, err
	}
	algorithm := jose.ES256
	if _, ok := key.(*rsa.PrivateKey); ok {
		algorithm = jose.RS256
	}
	public := jose.JSONWebKey{Key: key.Public(), Algorithm: string(algorithm), Use: "sig"}
	print, err := public.Thumbprint(crypto.SHA256) // RFC 7638
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(print)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: public.KeyID}}, (&jose.SignerOptions{}).WithType("secevent+jwt"))
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return &transmitter{config: c, dir: dir, db: db, now: now, signer: signer, keys: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}}}, nil
}

// sign returns a token in the compact serialization.
func (t *transmitter) sign(c claims) ([]byte, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	signed, err := t.signer.Sign(text)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return []byte(compact), nil
}

// audience returns the claim aud: text for one, a list for several.
func audience(r config.Receiver) any {
	if len(r.Audience) == 1 {
		return r.Audience[0]
	}
	return r.Audience
}

// subject returns how a receiver is told whom an event is about. Where the person has not
// what the receiver knows people by, or may not be told by it, it is the opaque ID.
func (t *transmitter) subject(ctx context.Context, r config.Receiver, person identity.PersonID) (subjectID, error) {
	opaque := subjectID{Format: config.SubjectOpaque, ID: string(person)}
	f := r.Subject
	if f.Format == config.SubjectOpaque {
		return opaque, nil
	}
	if f.Account != "" {
		account, err := t.db.AccountOf(ctx, f.Account, person)
		if err != nil || account == "" {
			return opaque, err
		}
		return subjectID{Format: config.SubjectIssSub, Issuer: f.Issuer, Sub: account}, nil
	}
	contact, err := t.db.Contact(ctx, person)
	if err != nil {
		return opaque, err
	}
	if contact.Protected && !f.Protected {
		contact.Email = ""
	}
	if f.Format == config.SubjectEmail {
		if contact.Email == "" {
			return opaque, nil
		}
		return subjectID{Format: config.SubjectEmail, Email: contact.Email}, nil
	}
	sub := map[string]string{config.AttributeLogin: contact.Login, config.AttributeEmail: contact.Email, config.AttributePersonID: string(person)}[f.Attribute]
	if sub == "" {
		return opaque, nil
	}
	return subjectID{Format: config.SubjectIssSub, Issuer: f.Issuer, Sub: sub}, nil
}
