package sheet

import (
	"bytes"
	"maps"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/reason"
)

// encodings are those that a configuration can name.
var encodings = map[string]encoding.Encoding{
	"iso-8859-1": charmap.ISO8859_1, "windows-1252": charmap.Windows1252,
	"cp850": charmap.CodePage850, "macintosh": charmap.Macintosh,
	"utf-16": unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), "utf-16le": unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), "utf-16be": unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
}

// Encodings are the valid encodings of a Layout.
func Encodings() []string { return append([]string{"utf-8"}, slices.Sorted(maps.Keys(encodings))...) }

// decode converts a file to UTF-8 without a byte order mark. Without a name it
// detects the encoding: by a byte order mark, or as UTF-8 when it is valid, and
// otherwise as windows-1252, with a warning. A file that is UTF-8 except for a
// few bytes is UTF-8: these bytes, and single NUL bytes, are kept for the reader
// of the fields to refuse.
func (l Layout) decode(file string, content []byte) ([]byte, *diagnostic.Problem, error) {
	name := l.Encoding
	if e := encodings[name]; e != nil {
		text, err := e.NewDecoder().Bytes(content)
		if err != nil {
			return nil, nil, diagnostic.Problem{File: file, Reason: reason.Of(reason.NotEncoding{Encoding: name, Setting: l.Setting})}
		}
		return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), nil, nil
	}
	if bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff")) {
		l.Encoding = "utf-16"
		return l.decode(file, content)
	}
	content, marked := bytes.CutPrefix(content, []byte("\xef\xbb\xbf"))
	line, ok := firstNotUTF8(content)
	switch {
	case bytes.IndexByte(content, 0) >= 0 && !isText(content):
		return nil, nil, diagnostic.Problem{File: file, Reason: reason.Of(reason.NoText{Setting: l.Setting})}
	case ok:
		return content, nil, nil
	case name == "utf-8" && l.Setting == "":
		return nil, nil, diagnostic.Problem{File: file, Line: line, Reason: reason.Of(reason.NotUTF8{})}
	}
	letters, broken := tally(content)
	switch {
	case marked || broken <= letters || letters == 0 && onlyCut(content):
		return content, &diagnostic.Problem{File: file, Line: line, Warning: true, Reason: reason.Of(reason.AlmostUTF8{Count: broken})}, nil
	case name == "utf-8":
		return nil, nil, diagnostic.Problem{File: file, Line: line, Reason: reason.Of(reason.NotUTF8{Setting: l.Setting})}
	case letters*20 > broken:
		return nil, nil, diagnostic.Problem{File: file, Line: line, Reason: reason.Of(reason.PartlyUTF8{Setting: l.Setting})}
	}
	text, err := charmap.Windows1252.NewDecoder().Bytes(content)
	if err != nil || bytes.ContainsRune(text, utf8.RuneError) {
		return nil, nil, diagnostic.Problem{File: file, Line: line, Reason: reason.Of(reason.NoKnownEncoding{Setting: l.Setting})}
	}
	return text, &diagnostic.Problem{File: file, Line: line, Warning: true, Reason: reason.Of(reason.ReadAsWindows1252{Setting: l.Setting})}, nil
}

// isText reports whether at most one byte in 20 is a control character other
// than white space: half of UTF-16 is NUL bytes, and of a packed or another
// binary file a tenth are control characters.
func isText(content []byte) bool {
	n := 0
	for _, c := range content {
		if c < ' ' && (c < '\t' || c > '\r') {
			n++
		}
	}
	return n*20 <= len(content)
}

// tally counts the multi-byte characters of a text that should be UTF-8, and the
// bytes that belong to no character.
func tally(content []byte) (letters, broken int) {
	for len(content) > 0 {
		r, size := utf8.DecodeRune(content)
		switch {
		case r == utf8.RuneError && size <= 1:
			broken++
		case size > 1:
			letters++
		}
		content = content[size:]
	}
	return letters, broken
}

// onlyCut reports whether each invalid byte is the first half of a letter such as
// å, whose meaning in windows-1252 is no Nordic letter.
func onlyCut(content []byte) bool {
	for len(content) > 0 {
		r, size := utf8.DecodeRune(content)
		if r == utf8.RuneError && size <= 1 && content[0] != 0xc3 {
			return false
		}
		content = content[size:]
	}
	return true
}

// firstNotUTF8 returns the line of the first invalid byte.
func firstNotUTF8(content []byte) (line int, ok bool) {
	if utf8.Valid(content) {
		return 0, true
	}
	line = 1
	for rest := content; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size <= 1 {
			break
		}
		if r == '\n' {
			line++
		}
		rest = rest[size:]
	}
	return line, false
}
