package ldap

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/go-ldap/ldap/v3"
)

// wire is a connection below the library. On a connection that reads whole
// directories it takes the entries of paged searches out of the stream and
// decodes them itself, as the library takes several times as long as the server
// needs to send them. It passes on everything else unchanged.
//
// It must never guess: a malformed message ends the connection.
type wire struct {
	net.Conn
	in    *bufio.Reader
	frame []byte // the current message
	rest  []byte // the part of a message that the library has not read yet

	mu            sync.Mutex
	pagedSearchID int64 // the message ID of the last paged search; 0 before
	page          []*ldap.Entry
}

func newWire(conn net.Conn) *wire { return &wire{Conn: conn, in: bufio.NewReaderSize(conn, 1<<16)} }

// The tags of RFC 4511 that wire distinguishes.
const (
	tagSequence    = 0x30
	tagSet         = 0x31
	tagInteger     = 0x02
	tagOctets      = 0x04
	tagSearch      = 0x63 // SearchRequest
	tagSearchEntry = 0x64 // SearchResultEntry
)

// maxMessage is in octets. A group of a million members has about 100 MB.
const maxMessage = 1 << 28

var errMessage = errors.New("the server sent data that is no LDAP message")

// Write sends a message, which the library passes as a whole.
func (w *wire) Write(b []byte) (int, error) {
	if id, op, _, err := message(b); err == nil && op == tagSearch && bytes.Contains(b, []byte(ldap.ControlTypePaging)) {
		w.mu.Lock()
		w.pagedSearchID, w.page = id, nil
		w.mu.Unlock()
	}
	return w.Conn.Write(b)
}

// Read returns the stream without the entries that wire takes out.
func (w *wire) Read(b []byte) (int, error) {
	for len(w.rest) == 0 {
		if err := w.next(); err != nil {
			return 0, err
		}
		id, op, content, err := message(w.frame)
		if err != nil {
			return 0, err
		}
		w.mu.Lock()
		ours := op == tagSearchEntry && id == w.pagedSearchID
		w.mu.Unlock()
		if !ours {
			w.rest = w.frame
			break
		}
		e, err := entry(string(content))
		if err != nil {
			return 0, err
		}
		w.mu.Lock()
		w.page = append(w.page, e)
		w.mu.Unlock()
	}
	n := copy(b, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

// takeEntries returns the entries of the last paged search after its end.
func (w *wire) takeEntries() []*ldap.Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	page := w.page
	w.page = nil
	return page
}

// next reads a whole message into frame.
func (w *wire) next() error {
	head, err := w.peek(2)
	if err != nil {
		return err
	}
	size := 2
	if head[1] >= 0x80 {
		size += int(head[1] & 0x7f)
	}
	if size > 2+4 {
		return errMessage
	}
	if head, err = w.peek(size); err != nil {
		return err
	}
	length, headed, err := parseHeader(head)
	if err != nil || head[0] != tagSequence || length > maxMessage {
		return errMessage
	}
	if total := headed + length; cap(w.frame) < total {
		w.frame = make([]byte, total)
	} else {
		w.frame = w.frame[:total]
	}
	if _, err := io.ReadFull(w.in, w.frame); err != nil {
		return fmt.Errorf("in the middle of a message: %w", err)
	}
	return nil
}

// peek returns the beginning of a message. io.EOF is valid only between two
// messages.
func (w *wire) peek(n int) ([]byte, error) {
	head, err := w.in.Peek(n)
	if err == io.EOF && len(head) > 0 {
		err = io.ErrUnexpectedEOF
	}
	return head, err
}

// parseHeader parses the tag and length at the beginning of b (X.690 §8.1), and
// returns the length of the content, and where it begins.
func parseHeader[T []byte | string](b T) (length, headed int, err error) {
	if len(b) < 2 {
		return 0, 0, errMessage
	}
	if b[1] < 0x80 {
		return int(b[1]), 2, nil
	}
	octets := int(b[1] & 0x7f)
	if octets == 0 || octets > 4 || len(b) < 2+octets {
		return 0, 0, errMessage // LDAP has no indefinite lengths (RFC 4511 §5.1)
	}
	for _, octet := range []byte(b[2 : 2+octets]) {
		length = length<<8 | int(octet)
	}
	return length, 2 + octets, nil
}

// takeElement takes an element with the tag off the beginning of b.
func takeElement[T []byte | string](b T, tag byte) (content, rest T, err error) {
	length, headed, err := parseHeader(b)
	if err != nil || b[0] != tag || len(b)-headed < length {
		return content, rest, errMessage
	}
	return b[headed : headed+length], b[headed+length:], nil
}

// message parses an LDAPMessage (RFC 4511 §4.1.1).
func message(b []byte) (id int64, op byte, content []byte, err error) {
	whole, _, err := takeElement(b, tagSequence)
	if err != nil {
		return 0, 0, nil, err
	}
	number, rest, err := takeElement(whole, tagInteger)
	if err != nil || len(rest) == 0 {
		return 0, 0, nil, errMessage
	}
	for _, octet := range number {
		id = id<<8 | int64(octet)
	}
	content, _, err = takeElement(rest, rest[0])
	return id, rest[0], content, err
}

// entry decodes a SearchResultEntry (RFC 4511 §4.5.2). All its strings share the
// memory of the message.
func entry(text string) (*ldap.Entry, error) {
	dn, rest, err := takeElement(text, tagOctets)
	if err != nil {
		return nil, err
	}
	list, _, err := takeElement(rest, tagSequence)
	if err != nil {
		return nil, err
	}
	e := &ldap.Entry{DN: dn}
	for len(list) > 0 {
		var one, name, set string
		if one, list, err = takeElement(list, tagSequence); err != nil {
			return nil, err
		}
		if name, one, err = takeElement(one, tagOctets); err != nil {
			return nil, err
		}
		if set, _, err = takeElement(one, tagSet); err != nil {
			return nil, err
		}
		a := &ldap.EntryAttribute{Name: name}
		for len(set) > 0 {
			var value string
			if value, set, err = takeElement(set, tagOctets); err != nil {
				return nil, err
			}
			a.Values = append(a.Values, value)
		}
		e.Attributes = append(e.Attributes, a)
	}
	return e, nil
}
