package sheet

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/reason"
)

// position is the position of a column in each line: characters from-to, from 1.
type position struct{ from, to int }

var positionText = regexp.MustCompile(`^([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?$`)

// parsePosition parses 1-10, or 5 for a single character.
func parsePosition(name string) (position, bool) {
	m := positionText.FindStringSubmatch(name)
	if m == nil {
		return position{}, false
	}
	from, _ := strconv.Atoi(m[1])
	to := from
	if m[2] != "" {
		to, _ = strconv.Atoi(m[2])
	}
	return position{from, to}, from <= to
}

// fixed reads lines with columns at fixed positions.
type fixed struct {
	file      string
	text      []byte
	line      int
	skip      int // lines at the top to ignore
	names     []string
	positions []position
	fields    []string
	ends      []int // of the characters of the last line, in bytes
}

func newFixed(file string, text []byte, l Layout) (*fixed, error) {
	s := &fixed{file: file, text: text, skip: l.HeaderRow}
	for _, name := range l.Columns {
		if p, ok := parsePosition(name); ok {
			s.names, s.positions = append(s.names, name), append(s.positions, p)
		}
	}
	if len(s.names) == 0 {
		return nil, diagnostic.Problem{File: file, Reason: reason.Of(reason.NoPosition{Setting: l.setting("columns")})}
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, diagnostic.Problem{File: file, Reason: reason.Of(reason.FileEmpty{})}
	}
	s.fields = make([]string, len(s.names))
	return s, nil
}

// Header implements Sheet.
func (s *fixed) Header() ([]string, error) { return s.names, nil }

// Next implements Sheet. Columns beyond the end of a line are empty, as programs
// omit trailing blanks.
func (s *fixed) Next() ([]string, int, error) {
	for len(s.text) > 0 {
		var one []byte
		one, s.text, _ = bytes.Cut(s.text, []byte("\n"))
		s.line++
		one = bytes.TrimSuffix(one, []byte("\r"))
		if s.line <= s.skip {
			continue
		}
		s.ends = s.ends[:0]
		for i := 0; i < len(one); {
			_, size := utf8.DecodeRune(one[i:])
			i += size
			s.ends = append(s.ends, i)
		}
		text := string(one)
		for i, p := range s.positions {
			s.fields[i] = ""
			if p.from > len(s.ends) {
				continue
			}
			begin := 0
			if p.from > 1 {
				begin = s.ends[p.from-2]
			}
			s.fields[i] = strings.TrimSpace(text[begin:s.ends[min(p.to, len(s.ends))-1]])
		}
		return s.fields, s.line, nil
	}
	return nil, s.line, io.EOF
}

// Column implements Sheet.
func (s *fixed) Column(field int) int { return s.positions[field].from }

// HeaderLine implements Sheet.
func (s *fixed) HeaderLine() int { return 1 }

// Tab implements Sheet.
func (s *fixed) Tab() string { return "" }

// CheckColumn returns the error in the name of a column in a format whose names
// are XPaths or positions; nil when it is valid.
func (l Layout) CheckColumn(name string) error {
	switch l.Format {
	case "fixed":
		if _, ok := parsePosition(name); !ok {
			return errors.New("it is no position: write the first and the last character, from 1, as 1-10")
		}
	case "xml":
		return checkXPath(name)
	}
	return nil
}
