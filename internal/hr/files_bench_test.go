package hr_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/testenv"
)

// largeExcel writes a sheet as Excel does, with dates as serial numbers.
func largeExcel(t testing.TB, cells [][]string) []byte {
	t.Helper()
	f := excelize.NewFile()
	w, err := f.NewStreamWriter("Sheet1")
	if err != nil {
		t.Fatal(err)
	}
	style, err := f.NewStyle(&excelize.Style{NumFmt: 14})
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range cells {
		values := make([]any, len(row))
		for k, v := range row {
			if values[k] = v; i > 0 {
				if d, ok := isDate(v); ok {
					values[k] = excelize.Cell{StyleID: style, Value: int(d.Sub(time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)).Hours() / 24)}
				}
			}
		}
		if err := w.SetRow(fmt.Sprintf("A%d", i+1), values); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// BenchmarkReadFormats reads an export of 100,000 employments with 15 columns.
func BenchmarkReadFormats(b *testing.B) {
	people := testenv.BenchSize(100_000)
	text := largeExport(people, false)
	cells := table(b, string(text))
	x := detecting
	x.Format, x.Record, x.Columns = "xml", "/export/people/employment", map[string]string{"person_id": "@person_id"}
	for _, name := range cells[0][1:] {
		x.Columns[name] = "f/" + name
	}
	for name, c := range map[string]struct {
		content func() []byte
		source  config.Source
	}{
		"csv": {func() []byte { return text }, detecting}, "xlsx": {func() []byte { return largeExcel(b, cells) }, detecting},
		"ods": {func() []byte { return inODS(b, cells, "A") }, detecting}, "xml": {func() []byte { return []byte(strings.ToValidUTF8(inXML(cells), "?")) }, x},
	} {
		b.Run(name, func(b *testing.B) {
			content := c.content()
			for b.Loop() {
				heap := watchHeap()
				export, err := hr.Read("hr", content, c.source, nil, units(b), today)
				if err != nil || len(export.Rows) != people {
					b.Fatal(err, len(export.Rows), export.Problems[:min(3, len(export.Problems))])
				}
				b.ReportMetric(float64(heap()>>20), "peak-MB")
			}
		})
	}
}

// watchHeap samples the heap until the returned function is called, which returns
// its maximum growth, in bytes.
func watchHeap() func() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, most := m.HeapAlloc, m.HeapAlloc
	stop, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
	}()
	return func() uint64 {
		close(stop)
		<-done
		return most - before
	}
}
