package sheet

import (
	"bytes"
	"maps"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/behov/behov/internal/policy"
)

// encodings are those that a configuration can name.
var encodings = map[string]encoding.Encoding{
	"iso-8859-1": charmap.ISO8859_1, "windows-1252": charmap.Windows1252,
	"utf-16": unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), "utf-16le": unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), "utf-16be": unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
}

// Encodings are the names that a Layout can have.
func Encodings() []string { return append([]string{"utf-8"}, slices.Sorted(maps.Keys(encodings))...) }

// decode brings a file to UTF-8 without a byte order mark. Without a name the
// encoding is found out: by a byte order mark, as UTF-8 when it is, and else as
// the one that Western Windows writes, which is said as a warning.
func (l Layout) decode(file string, content []byte) ([]byte, *policy.Problem, error) {
	name := l.Encoding
	if e := encodings[name]; e != nil {
		text, err := e.NewDecoder().Bytes(content)
		if err != nil {
			return nil, nil, policy.Problem{File: file, Text: "the file is not " + name + ": correct " + l.Setting + ".encoding"}
		}
		return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), nil, nil
	}
	if bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff")) {
		l.Encoding = "utf-16"
		return l.decode(file, content)
	}
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	line, ok := firstNotUTF8(content)
	switch {
	case bytes.IndexByte(content, 0) >= 0:
		return nil, nil, policy.Problem{File: file, Text: "the file has NUL bytes in it: it is no text, or it is UTF-16 without a mark, and then set " + l.Setting + ".encoding to utf-16le or utf-16be"}
	case ok:
		return content, nil, nil
	case name == "utf-8" && l.Setting == "":
		return nil, nil, policy.Problem{File: file, Line: line, Text: "the file is not UTF-8: save it as UTF-8"}
	case name == "utf-8":
		return nil, nil, policy.Problem{File: file, Line: line, Text: "the file is not UTF-8: set " + l.Setting + ".encoding to iso-8859-1 or windows-1252, or export it as UTF-8"}
	}
	text, err := charmap.Windows1252.NewDecoder().Bytes(content)
	if err != nil || bytes.ContainsRune(text, utf8.RuneError) {
		return nil, nil, policy.Problem{File: file, Line: line, Text: "the file is neither UTF-8 nor windows-1252: set " + l.Setting + ".encoding, or export it as UTF-8"}
	}
	return text, &policy.Problem{File: file, Line: line, Warning: true, Text: "the file is not UTF-8 and was read as windows-1252: are the names right? Set " + l.Setting + ".encoding to say so, or export it as UTF-8"}, nil
}

// firstNotUTF8 returns the line on which a text ceases to be UTF-8.
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
