package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/behov/behov/internal/manual"
	"github.com/behov/behov/internal/store"
)

// TestManualExamples sends what the topic api shows: with the office's own people, systems
// and holds each is answered.
func TestManualExamples(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	if _, err := h.Governance().Erase(t.Context(), h.Person("gone"), h.By("personnel"), "asked"); err != nil {
		t.Fatal(err)
	}
	holds, err := h.DB.Holds(t.Context())
	if err != nil || len(holds) != 1 {
		t.Fatal(holds, err)
	}
	topic, known := manual.Find("api")
	if !known {
		t.Fatal("there is no topic")
	}
	here := strings.NewReplacer("1004", "staff", "library:desk", "lib:library", "systems/library", "systems/lib", `["library"]`, `["lib"]`, "3f9c2a", string(holds[0].Digest[:8]), `"library"`, `"office"`)
	sent := 0
	for _, block := range manual.Blocks(topic.Markdown) {
		if block.Info != "http" {
			continue
		}
		head, body, _ := strings.Cut(here.Replace(block.Text), "\n\n")
		for _, line := range strings.Split(head, "\n") {
			method, path, ok := strings.Cut(line, " ")
			if !slices.Contains([]string{http.MethodGet, http.MethodPost}, method) || !ok {
				continue
			}
			var content any
			if body != "" {
				content = body
			}
			who := "administrator"
			if strings.HasSuffix(path, "/tokens") { // which a person makes who is signed in, and no token
				who = ""
			}
			r := h.ask(who, method, path, content)
			if want := http.StatusUnauthorized; who == "" && r.status != want || who != "" && r.status/100 != 2 {
				t.Errorf("%s %s: %d %s", method, path, r.status, r.body)
			}
			sent++
		}
	}
	if sent < 8 {
		t.Errorf("only %d requests are found in the topic", sent)
	}
	if left, _ := h.DB.Holds(t.Context()); slices.ContainsFunc(left, func(x store.HoldState) bool { return x.Decision == nil }) {
		t.Error("the hold of the example is not decided on")
	}
}
