package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// TestNoCommandIsUnknownAndGoesWell: what a script misspells must fail.
func TestNoCommandIsUnknownAndGoesWell(t *testing.T) {
	for _, args := range []string{"hold relase 3f9c2a", "hold nosuch", "db copi", "people lst", "hr nosuch", "audit nosuch", "token nosuch", "review nosuch", "account nosuch", "mfa nosuch", "steps nosuch", "nosuch", "-c somewhere hold --json relase", "hold --config=x relase"} {
		var out, errs bytes.Buffer
		err := run(context.Background(), strings.Fields(args), strings.NewReader(""), &out, &errs)
		if err == nil || !strings.Contains(err.Error(), "unknown command") || out.Len() > 0 {
			t.Errorf("behov %s: %v, and says %q", args, err, out.String())
		}
	}
	for misspelt, like := range map[string]string{"hold relase": "release", "hlep": "help", "-c somewhere hepl": "help", "plann": "plan"} {
		err := run(context.Background(), strings.Fields(misspelt), strings.NewReader(""), new(bytes.Buffer), new(bytes.Buffer))
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), "did you mean ") || !strings.HasSuffix(strings.TrimRight(err.Error(), "?\n"), like) {
			t.Errorf("%s: %v", misspelt, err)
		}
	}
	var out bytes.Buffer
	if err := run(context.Background(), []string{"hold"}, strings.NewReader(""), &out, &out); err != nil || !strings.Contains(out.String(), "Available Commands") {
		t.Errorf("behov hold: %v, %s", err, out.String())
	}
}
