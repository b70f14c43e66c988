package sheet

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// The limits of the sheets of a workbook together. They are counted before the
// sheets are parsed, as parsing is slow.
const (
	mostCells = 20_000_000
	mostTags  = 4 * mostCells // a cell, its value, and the end of both
	mostRows  = 1 << 20       // as Excel
	mostText  = 1 << 20       // bytes without a tag: a cell has 32,767 characters at most
)

var errText = fmt.Errorf("a text in it has more than %d MB", mostText>>20)

var errCells = fmt.Errorf("it has more than %d million cells: it is no export; delete the empty rows and columns behind it, or export CSV", mostCells/1_000_000)

// withoutEmptyEnd returns an Excel sheet without the rows at its end that have
// only empty cells, which are many where a whole column has a format.
func withoutEmptyEnd(content []byte) []byte {
	end := bytes.LastIndex(content, []byte("</sheetData>"))
	if end < 0 {
		return content
	}
	last := end // the end of the content that has only empty cells after it
	for last > 0 {
		from := bytes.LastIndexByte(content[:last], '<')
		if from < 0 || !emptyCell(content[from:last]) {
			break
		}
		last = from
	}
	row := bytes.Index(content[last:end], []byte("</row>"))
	if row < 0 {
		return content
	}
	from := last + row + len("</row>") // of the last row with content
	if !onlyEmptyCells(content[from:end]) {
		return content
	}
	return append(bytes.Clone(content[:from]), content[end:]...)
}

// emptyCell reports whether XML is one tag of a row or of a cell.
func emptyCell(x []byte) bool {
	x = bytes.TrimRight(x, " \t\r\n")
	for _, tag := range []string{"<c ", "<c/", "<c>", "</c>", "<row ", "<row/", "<row>", "</row>"} {
		if bytes.HasPrefix(x, []byte(tag)) {
			return x[len(x)-1] == '>'
		}
	}
	return false
}

// onlyEmptyCells reports whether XML contains only rows and cells.
func onlyEmptyCells(x []byte) bool {
	inRow, inCell := false, false
	for len(x) > 0 {
		if x[0] != '<' {
			if x[0] != ' ' && x[0] != '\n' && x[0] != '\r' && x[0] != '\t' {
				return false
			}
			x = x[1:]
			continue
		}
		end := bytes.IndexByte(x, '>')
		if end < 0 {
			return false
		}
		tag := x[1:end]
		x = x[end+1:]
		closed := bytes.HasSuffix(tag, []byte("/"))
		switch name, _, _ := bytes.Cut(bytes.TrimSuffix(tag, []byte("/")), []byte(" ")); {
		case string(name) == "row" && !inRow:
			inRow = !closed
		case string(name) == "c" && inRow && !inCell:
			inCell = !closed
		case string(tag) == "/row" && inRow && !inCell:
			inRow = false
		case string(tag) == "/c" && inCell:
			inCell = false
		default:
			return false
		}
		if bytes.IndexByte(tag, '<') >= 0 {
			return false
		}
	}
	return !inRow && !inCell
}

// checkTab refuses an Excel sheet that exceeds the limits.
func checkTab(content []byte) error {
	for from := 0; from < len(content); from += mostText {
		if part := content[from:]; len(part) >= mostText && bytes.IndexByte(part[:mostText], '<') < 0 {
			return errText
		}
	}
	if bytes.Count(content, []byte("<")) > mostTags {
		return errCells
	}
	rows := 0
	for rest := content; ; rows++ {
		i := bytes.Index(rest, []byte("<row"))
		if i < 0 {
			break
		}
		if rest = rest[i+4:]; rows == mostRows {
			return fmt.Errorf("it has more than %d rows: it is no export", mostRows)
		}
	}
	return nil
}

// countCells returns an estimate of the cells of a sheet.
func countCells(content []byte) (cells int) {
	for _, c := range []string{"<c ", "<c>", "<c/>", ":c ", ":c>", ":c/>"} {
		cells += bytes.Count(content, []byte(c))
	}
	return cells
}

// checkTags refuses a part that has too many tags, without parsing it.
func checkTags(z *zip.Reader, part string) error {
	f, err := z.Open(part)
	if err != nil {
		return nil // a missing part is reported where it is read
	}
	defer f.Close() //nolint:errcheck // reading
	block, tags := make([]byte, mostText), 0
	for {
		n, err := io.ReadFull(f, block)
		if n == len(block) && bytes.IndexByte(block, '<') < 0 {
			return errText
		}
		if tags += bytes.Count(block[:n], []byte("<")); tags > mostTags {
			return errCells
		}
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && n > 0:
			return nil
		case err != nil:
			return errors.New("it is not whole")
		}
	}
}
