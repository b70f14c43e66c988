package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/behov/behov/connectors/transport"
	"github.com/behov/behov/internal/config"
)

// syslogSink sends messages of RFC 5424 over TLS (RFC 5425). Syslog has no acknowledgement: to
// know what the collector took, each delivery has a connection of its own and ends only
// when the collector, having read all of it, ends the connection in order.
type syslogSink struct {
	address string
	tls     *tls.Config
	host    string
}

func newSyslog(s *config.Syslog) (sink, error) {
	t, err := transport.TLS(s.CAFile)
	if err == nil {
		err = transport.ClientCertificate(t, s.CertificateFile, s.CertificateKeyFile)
	}
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil || !printable(host, 255) {
		host = "-"
	}
	return &syslogSink{address: s.Address, tls: t, host: host}, nil
}

func (s *syslogSink) deliver(ctx context.Context, all []message) (taken int, err error) {
	ctx, cancel := context.WithTimeout(ctx, answering)
	defer cancel()
	conn, err := (&tls.Dialer{Config: s.tls}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return 0, fmt.Errorf("the collector did not answer: %w", err)
	}
	defer conn.Close() //nolint:errcheck // it is ended in order before
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var frames bytes.Buffer
	for _, m := range all {
		text := s.format(m)
		fmt.Fprintf(&frames, "%d %s", len(text), text) // RFC 5425 §4.3
	}
	if _, err := conn.Write(frames.Bytes()); err != nil {
		return 0, fmt.Errorf("the collector did not take the events: %w", err)
	}
	if err := ended(conn.(*tls.Conn)); err != nil {
		return 0, fmt.Errorf("the collector did not say that it took the events: %w", err)
	}
	return len(all), nil
}

// ended ends the connection in order and waits until the collector has (RFC 5425 §4.4): it
// does so when it has read what was sent before.
func ended(conn *tls.Conn) error {
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, conn)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return errors.New("it did not end the connection")
	}
	return err
}

// The priority of messages: facility 13, log audit, and severity 5, notice (RFC 5424
// §6.2.1).
const priority = 13*8 + 5

// format returns a message (RFC 5424 §6). Its text is the event as JSON.
func (s *syslogSink) format(m message) []byte {
	kind := m.kind
	if !printable(kind, 32) {
		kind = "-"
	}
	head := fmt.Sprintf("<%d>1 %s %s behov - %s - ", priority, m.at.UTC().Format("2006-01-02T15:04:05.000000Z07:00"), s.host, kind)
	return append([]byte(head), m.body...)
}

// printable reports whether text may stand in a header: PRINTUSASCII of RFC 5424 §6.
func printable(text string, most int) bool {
	for _, c := range []byte(text) {
		if c < 33 || c > 126 {
			return false
		}
	}
	return text != "" && len(text) <= most
}
