package sheet_test

import (
	"errors"
	"io"
	"reflect"
	"testing"

	"github.com/behov/behov/internal/sheet"
)

// all reads a whole sheet; bad records are nil.
func all(t *testing.T, content string, l sheet.Layout) (header []string, rows [][]string) {
	t.Helper()
	s, _, err := sheet.Open("f", []byte(content), l)
	if err != nil {
		t.Fatal(err)
	}
	if header, err = s.Header(); err != nil {
		t.Fatal(err)
	}
	for {
		fields, _, err := s.Next()
		var bad *sheet.RecordError
		switch {
		case errors.Is(err, io.EOF):
			return header, rows
		case errors.As(err, &bad):
			rows = append(rows, nil)
		case err != nil:
			t.Fatal(err)
		default:
			rows = append(rows, append([]string(nil), fields...))
		}
	}
}

func TestOneTableIsOneTable(t *testing.T) {
	header, rows := []string{"a", "b"}, [][]string{{"1", "å,;"}, {"2", ""}}
	for name, c := range map[string]struct {
		text string
		l    sheet.Layout
	}{
		"commas":     {"a,b\n1,\"å,;\"\n2,\n", sheet.Layout{}},
		"semicolons": {"a;b\r\n1;\"å,;\"\r\n2;\r\n", sheet.Layout{}},
		"comments":   {"# what; this; is\n\na,b\n# x\n1,  \"å,;\"\n2,\n", sheet.Layout{Comment: '#'}},
		"JSON":       {`{"next": null, "items": [{"a": 1, "b": "å,;"}, {"a": 2}]}`, sheet.Layout{}},
		"JSON Lines": {"{\"a\": 1, \"b\": \"å,;\"}\n\n{\"a\": 2, \"b\": null}\n", sheet.Layout{}},
		"Windows":    {"a,b\n1,\"\xe5,;\"\n2,\n", sheet.Layout{}},
		"named":      {"a|b\n1|\xe5,;\n2|\n", sheet.Layout{Delimiter: '|', Encoding: "iso-8859-1", Format: "csv"}},
	} {
		if h, r := all(t, c.text, c.l); !reflect.DeepEqual(h, header) || !reflect.DeepEqual(r, rows) {
			t.Errorf("%s: %q %q", name, h, r)
		}
	}
}

// FuzzOpen: whatever is read comes to its end, with a field for each column of
// records that name their fields.
func FuzzOpen(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "[{\"a\": {\"b\": [1, null]}}]", "{\"a\":1}\n{oops\n", "\xff\xfea\x00", "<html>", "{\"items\": [1]}", "# x\na;b\n\"", "a,b\n1,\x002\n3,4\n5,6\n7,8\n", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		for _, l := range []sheet.Layout{{}, {Comment: '#'}, {Format: "json"}, {Format: "jsonl"}, {Encoding: "utf-16"}} {
			s, _, err := sheet.Open("f", []byte(content), l)
			if err != nil {
				continue
			}
			header, err := s.Header()
			for n := 0; err == nil && n <= len(content)+1; n++ {
				var fields []string
				var bad *sheet.RecordError
				if fields, _, err = s.Next(); errors.As(err, &bad) {
					err = nil
				} else if _, named := s.(*sheet.Records); named && err == nil && len(fields) != len(header) {
					t.Fatalf("%d fields of %d", len(fields), len(header))
				}
			}
			if err == nil {
				t.Fatal("there is no end to it")
			}
		}
	})
}
