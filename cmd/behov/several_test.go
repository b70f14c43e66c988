package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestSeveralErrorsAreSeveralLines: each of joined errors has a line; the exit status
// that goes with what was said hides none.
func TestSeveralErrorsAreSeveralLines(t *testing.T) {
	a, b := errors.New("a"), errors.New("b\nc")
	for name, c := range map[string]struct {
		err  error
		code int
		want string
	}{
		"none": {nil, 0, ""}, "one": {a, 1, "behov: a\n"}, "a status": {exit(3), 3, ""}, "two": {errors.Join(a, b), 1, "behov: a\nbehov: b; c\n"},
		"with a status": {errors.Join(exit(3), a), 1, "behov: a\n"}, "a joined status": {errors.Join(nil, exit(3)), 3, ""}, "deep": {errors.Join(errors.Join(a, a), b), 1, "behov: a\nbehov: a\nbehov: b; c\n"},
		"one sentence": {fmt.Errorf("%w: %w", a, b), 1, "behov: a: b; c\n"},
	} {
		var out bytes.Buffer
		if code := status(c.err, &out); code != c.code || out.String() != c.want {
			t.Errorf("%s: %d, %q", name, code, out.String())
		}
	}
	h := newHousehold(t)
	h.edit("behov.yaml", "      shrink_limit:", "      file: none.csv\n      shrink_limit:")
	h.edit("behov.yaml", "    # contractors: {", "    second: {file: empty.csv}\n    third: {file: every.csv}\n  precedence: {default: [hr, second, third]}\n    # contractors: {")
	for name, text := range map[string]string{"empty.csv": "", "every.csv": "person_id,employment_id,given_name,family_name,unit,start_date\n1,E1,A,B,moon,2020-01-01\n"} {
		if err := os.WriteFile(h.file(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.run("hr", "imports") // makes the database
	code, _, errs := h.run("hr", "pull")
	if lines := strings.Split(strings.TrimSpace(errs), "\n"); code != exitError || len(lines) != 2 || !strings.HasPrefix(lines[0], "behov: source hr: ") || !strings.HasPrefix(lines[1], "behov: source second: ") {
		t.Errorf("%d\n%s", code, errs)
	}
}
