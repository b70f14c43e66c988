package identity_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/identity"
)

func stockholm(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// TestDateReaderReadsDatesAsTheyCome checks that midnights are dates, that
// instants have their day in the organisation's zone, and that a time that may
// mean another day is reported as uneven.
func TestDateReaderReadsDatesAsTheyCome(t *testing.T) {
	for _, c := range []struct {
		patterns []string
		in, want string
		uneven   bool
	}{
		{nil, "2019-01-01", "2019-01-01", false}, {nil, "20190101", "2019-01-01", false},
		{nil, "2019-01-01 00:00:00", "2019-01-01", false}, {nil, "2019-01-01T00:00:00", "2019-01-01", false}, {nil, "2019-01-01 00:00", "2019-01-01", false},
		{nil, "2019-01-01 00:00:00.000", "2019-01-01", false}, {nil, "2019-01-01T00:00:00+01:00", "2019-01-01", false}, {nil, "2019-01-01 00:00:00+01", "2019-01-01", false},
		{nil, "2019-01-01 00:00:00 +0100", "2019-01-01", false}, {nil, "2019-01-01T00:00:00Z", "2019-01-01", false},
		{nil, "2026-11-30T23:00:00.000Z", "2026-12-01", false}, {nil, "2026-06-30T22:00:00Z", "2026-07-01", false}, {nil, "2026-12-01 00:00:00+01", "2026-12-01", false},
		{nil, "2026-11-30T22:00:00Z", "2026-11-30", true}, {nil, "2026-11-30T23:59:59Z", "2026-12-01", true},
		{nil, "2026-11-30 08:00:00", "2026-11-30", true}, {nil, "2026-11-30 23:59:59", "2026-11-30", false},
		{[]string{"YYYY-MM-DD"}, "20190101", "2019-01-01", false},
		{[]string{"DD.MM.YYYY", "YYYY-MM-DD"}, "01.02.2026", "2026-02-01", false}, {[]string{"DD.MM.YYYY", "YYYY-MM-DD"}, "2026-02-01", "2026-02-01", false},
		{[]string{"DD.MM.YYYY"}, "01.02.2026 00:00:00", "2026-02-01", false}, {[]string{"D/M/YYYY"}, "1/12/2026", "2026-12-01", false},
		{[]string{"DD.MM.YYYY hh:mm"}, "01.02.2026 00:00", "2026-02-01", false}, {[]string{"YYYY-MM-DD hh:mm:ssZ"}, "2026-11-30 23:00:00Z", "2026-12-01", false},
		{[]string{"YYYYMMDD"}, "20190101", "2019-01-01", false}, {[]string{"YYYYMMDDhhmmss"}, "20190101000000", "2019-01-01", false},
		{[]string{"excel"}, "43466", "2019-01-01", false}, {[]string{"YYYY-MM-DD", "EXCEL"}, "43466.0", "2019-01-01", false},
		{nil, "9999-12-31T23:59:59Z", "9999-12-31", false},
	} {
		r, err := identity.NewDateReader(c.patterns, stockholm(t))
		if err != nil {
			t.Fatal(err)
		}
		if got, uneven, err := r.Parse(c.in); string(got) != c.want || uneven != c.uneven && c.in[:4] != "9999" || err != nil {
			t.Errorf("%q as %q: %q, uneven %t, %v", c.patterns, c.in, got, uneven, err)
		}
	}
	for _, in := range []string{"26-02-03", "2026-02-03 ", "", "2026-02-03 25:00", "2026-02-03T", "2026-02-03 late", "31.12.2026", "0", "1"} {
		if got, _, err := (identity.DateReader{}).Parse(in); err == nil || errors.Is(err, identity.ErrSerialDate) || err.Error() != "it is not a date in the format YYYY-MM-DD" {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"2026-02-30", "2025-02-29", "20200631"} {
		if got, _, err := (identity.DateReader{}).Parse(in); !errors.Is(err, identity.ErrNoSuchDay) {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	if _, _, err := (identity.DateReader{}).Parse("43466"); !errors.Is(err, identity.ErrSerialDate) {
		t.Errorf("the number of a day: %v", err)
	}
	for pattern, want := range map[string]string{"YYYY-MM": "must have", "2006-01-02": "contains \"2\"", "DD.MM.YY": "contains \"Y\"", "YYYY-MM-DD hh:MM": "twice", "": "must have"} {
		if _, err := identity.NewDateReader([]string{pattern}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("pattern %q: %v", pattern, err)
		}
	}
}

// TestEndsIsARealInstant checks that the maximum Date has no instant after it.
func TestEndsIsARealInstant(t *testing.T) {
	v := identity.View{End: "9999-12-31", Start: "2026-12-01", Zone: stockholm(t)}
	if v.Ends() != "" || v.Begins() != "2026-11-30T23:00:00Z" {
		t.Errorf("ends %q, begins %q", v.Ends(), v.Begins())
	}
	if v.End = "9999-12-30"; v.Ends() != "9999-12-30T23:00:00Z" {
		t.Errorf("ends %q", v.Ends())
	}
}

// FuzzDateReader checks that any text is a date of the calendar or an error.
func FuzzDateReader(f *testing.F) {
	for _, s := range []string{"2026-11-30T23:00:00.000Z", "43466.5", "9999-12-31T23:59:59-12:00", "0000-01-01T00:00:01+14:00", "01.02.2026 00:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, patterns := range [][]string{nil, {"EXCEL"}, {"DD.MM.YYYY", "D/M/YYYY hh:mmZ"}} {
			r, err := identity.NewDateReader(patterns, stockholm(t))
			if err != nil {
				t.Fatal(err)
			}
			d, _, err := r.Parse(s)
			if err != nil {
				continue
			}
			if _, err := identity.ParseDate(time.DateOnly, string(d)); err != nil {
				t.Fatalf("%q is %q", s, d)
			}
		}
	})
}
