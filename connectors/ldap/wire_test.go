package ldap

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// encoded returns a message with a SearchResultEntry.
func encoded(id int64, dn string, attributes map[string][]string) []byte {
	m := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationSearchResultEntry, nil, "")
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, dn, ""))
	list := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	for _, name := range sortedKeys(attributes) {
		one := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
		one.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, name, ""))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range attributes[name] {
			set.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, v, ""))
		}
		one.AppendChild(set)
		list.AppendChild(one)
	}
	op.AppendChild(list)
	m.AppendChild(op)
	return m.Bytes()
}

// stream is a connection on which a server has sent everything.
type stream struct {
	net.Conn
	in io.Reader
}

func (s stream) Read(b []byte) (int, error)  { return s.in.Read(b) }
func (s stream) Write(b []byte) (int, error) { return len(b), nil }

// TestWireTakesEntriesAndNothingElse checks that wire takes the entries of a
// paged search out of the stream complete and unchanged, and passes on everything
// else.
func TestWireTakesEntriesAndNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Int64Range(1, 1<<31-1).Draw(t, "id")
		var sent, passed bytes.Buffer
		var want []*goldap.Entry
		for range rapid.IntRange(0, 6).Draw(t, "messages") {
			dn := rapid.String().Draw(t, "dn")
			attributes := rapid.MapOfN(rapid.StringN(1, 10, 20), rapid.SliceOfN(rapid.StringN(0, 400, 2000), 1, 4), 0, 4).Draw(t, "attributes")
			ours := rapid.Bool().Draw(t, "ours")
			number := id
			if !ours {
				number = id%(1<<31-1) + 1
			}
			b := encoded(number, dn, attributes)
			sent.Write(b)
			if !ours {
				passed.Write(b)
				continue
			}
			e := &goldap.Entry{DN: dn}
			for _, name := range sortedKeys(attributes) {
				e.Attributes = append(e.Attributes, &goldap.EntryAttribute{Name: name, Values: attributes[name]})
			}
			want = append(want, e)
		}
		w := newWire(stream{in: &sent})
		w.pagedSearchID = id
		got, err := io.ReadAll(w)
		if err != nil || !bytes.Equal(got, passed.Bytes()) {
			t.Fatalf("%v, passed on %d octets, want %d", err, len(got), passed.Len())
		}
		if diff := cmp.Diff(want, w.takeEntries()); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestWireSurvivesAnything checks, for arbitrary input, that wire returns entries
// or an error, and never accepts a truncated message.
func TestWireSurvivesAnything(t *testing.T) {
	good := encoded(7, "uid=anna", map[string][]string{"cn": {"Anna", "A"}, "sn": {"Ek"}})
	rapid.Check(t, func(t *rapid.T) {
		b := bytes.Clone(good)
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "where")] = rapid.Byte().Draw(t, "what")
		}
		b = b[:rapid.IntRange(0, len(b)).Draw(t, "length")]
		w := newWire(stream{in: bytes.NewReader(b)})
		w.pagedSearchID = 7
		_, err := io.ReadAll(w)
		if len(b) < len(good) && bytes.Equal(b, good[:len(b)]) && len(b) > 0 && err == nil {
			t.Fatalf("%d of %d octets, and no error", len(b), len(good))
		}
	})
}

func TestWireIsBounded(t *testing.T) {
	w := newWire(stream{in: io.MultiReader(bytes.NewReader([]byte{tagSequence, 0x84, 0xff, 0xff, 0xff, 0xff}), neverEnding{})})
	begin := time.Now()
	if _, err := w.Read(make([]byte, 10)); err == nil || time.Since(begin) > 5*time.Second {
		t.Errorf("a message of 4 GB: %v", err)
	}
}

type neverEnding struct{}

func (neverEnding) Read(b []byte) (int, error) { return len(b), nil }
