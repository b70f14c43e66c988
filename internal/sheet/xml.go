package sheet

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/antchfx/xmlquery"
	"github.com/antchfx/xpath"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/reason"
)

// The limits of an XML record.
const (
	mostRecordBytes = 64 << 20  // including what precedes it
	mostRecordParts = 1_000_000 // the same, in tags and attributes
)

// checkXPath returns the error in an XPath.
func checkXPath(path string) (err error) {
	defer func() {
		if recover() != nil { // the library panics on some
			err = errors.New("it is no XPath")
		}
	}()
	if _, err := xpath.Compile(path); err != nil {
		return errors.New("it is no XPath, as unit/@id or name/text()")
	}
	return nil
}

// declaration matches the XML declaration, which names the encoding.
var (
	declaration = regexp.MustCompile(`^\s*<\?xml[^>]*\?>`)
	encodingOf  = regexp.MustCompile(`encoding\s*=\s*["']([A-Za-z0-9._-]+)["']`)
)

// openXML reads the records of an XML file, one at a time. It resolves no
// entities and reads nothing outside the file.
func openXML(file string, content []byte, l Layout) (s *Records, err error) {
	problem := func(line int, k reason.Kind) error {
		return diagnostic.Problem{File: file, Line: line, Reason: reason.Of(k)}
	}
	if l.Record == "" {
		return nil, problem(0, reason.NoXPath{Setting: l.setting("record")})
	}
	if l.Encoding == "" {
		if m := encodingOf.FindSubmatch(declaration.Find(content)); m != nil {
			l.Encoding = strings.ToLower(string(m[1]))
		}
		if l.Encoding == "us-ascii" || encodings[l.Encoding] == nil && l.Encoding != "utf-8" && l.Encoding != "" {
			if l.Encoding != "us-ascii" {
				return nil, problem(1, reason.XMLEncodingUnknown{Setting: l.setting("encoding")})
			}
			l.Encoding = ""
		}
	}
	text, _, err := l.decode(file, content)
	if err != nil {
		return nil, err
	}
	if d := declaration.Find(text); d != nil { // the text is UTF-8 now; the number of lines is kept
		text = append(bytes.Repeat([]byte("\n"), bytes.Count(d, []byte("\n"))), text[len(d):]...)
	}
	if line, wrong := checkXML(text); wrong != nil {
		return nil, problem(line, wrong)
	}
	defer func() {
		if recover() != nil { // the library panics
			s, err = nil, problem(0, reason.XPathsFail{Record: l.setting("record"), Columns: l.setting("columns")})
		}
	}()
	paths := make([]*xpath.Expr, len(l.Columns))
	for i, name := range l.Columns {
		if paths[i], err = xpath.Compile(name); err != nil {
			return nil, problem(0, reason.ColumnNoXPath{Setting: l.setting("columns")})
		}
	}
	in := &lineReader{text: text}
	stream, err := xmlquery.CreateStreamParser(in, l.Record)
	if err != nil {
		return nil, problem(0, reason.RecordNoXPath{Setting: l.setting("record")})
	}
	s = NewRecords()
	for {
		in.left, in.parts = mostRecordBytes, mostRecordParts
		node, err := stream.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, problem(in.line+1, reason.XMLRecordTooLarge{MB: mostRecordBytes >> 20, Tags: mostRecordParts})
		}
		row := namedRow{line: in.line + 1 - lineBreaks(node)}
		for i, name := range l.Columns {
			if v, ok := valueAt(node, paths[i]); ok {
				s.set(&row, name, v)
			}
		}
		if err := s.add(file, row); err != nil {
			return nil, err
		}
	}
	if len(s.rows) == 0 {
		return nil, problem(0, reason.XMLNoRecord{Setting: l.setting("record")})
	}
	return s, nil
}

// checkXML parses XML and refuses what the library would read without a limit.
// The line is that of the error.
func checkXML(text []byte) (line int, wrong reason.Kind) {
	d := xml.NewDecoder(bytes.NewReader(text))
	fail := func(k reason.Kind) (int, reason.Kind) {
		line, _ := d.InputPos()
		return line, k
	}
	deep := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return 0, nil
		}
		if err != nil {
			return fail(reason.XMLBroken{})
		}
		switch token.(type) {
		case xml.StartElement:
			if deep++; deep > mostNested {
				return fail(reason.XMLNested{Most: mostNested})
			}
		case xml.EndElement:
			deep--
		case xml.Directive:
			return fail(reason.XMLDocumentType{})
		}
	}
}

// valueAt returns the value of an XPath in a record, and whether it exists. It
// joins several values into a list.
func valueAt(node *xmlquery.Node, path *xpath.Expr) (string, bool) {
	switch v := path.Evaluate(xmlquery.CreateXPathNavigator(node)).(type) {
	case *xpath.NodeIterator:
		var parts []string
		for len(parts) < mostColumns && v.MoveNext() {
			parts = append(parts, v.Current().Value())
		}
		return strings.Join(parts, ","), len(parts) > 0
	case float64:
		return fmt.Sprint(v), true
	case string:
		return v, true
	case bool:
		return fmt.Sprint(v), true
	}
	return "", false
}

// lineBreaks returns the number of line breaks in a record.
func lineBreaks(node *xmlquery.Node) int {
	n := 0
	if node.Type == xmlquery.TextNode || node.Type == xmlquery.CharDataNode || node.Type == xmlquery.CommentNode {
		n = strings.Count(node.Data, "\n")
	}
	for child := node.FirstChild; child != nil; child = child.NextSibling {
		n += lineBreaks(child)
	}
	return n
}

// lineReader reads line by line, so that the position of its reader is known, and
// ends when a record exceeds its limit.
type lineReader struct {
	text        []byte
	line        int // number of complete lines read
	left, parts int
	last        bool // the last byte that was read ends a line
}

func (r *lineReader) Read(p []byte) (int, error) {
	if len(r.text) == 0 {
		return 0, io.EOF
	}
	if r.last {
		r.line++
	}
	part := r.text[:min(len(r.text), len(p), 1024)]
	if i := bytes.IndexByte(part, '\n'); i >= 0 {
		part = part[:i+1]
	}
	r.left -= len(part)
	if r.parts -= bytes.Count(part, []byte("<")) + bytes.Count(part, []byte("=")); r.left < 0 || r.parts < 0 {
		return 0, errors.New("a record is too large")
	}
	r.last = bytes.HasSuffix(part, []byte("\n"))
	r.text = r.text[len(part):]
	return copy(p, part), nil
}
