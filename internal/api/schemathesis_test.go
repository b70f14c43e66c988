package api_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/testenv"
)

// fuzzChecks are what Schemathesis checks of each answer.
var fuzzChecks = []string{"not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance", "response_headers_conformance", "negative_data_rejection", "positive_data_acceptance",
	"ignored_auth", "unsupported_method", "allow_header_conformance", "missing_required_header", "use_after_free", "ensure_resource_availability"}

// fuzzed is an API that is fuzzed, and what it answered.
type fuzzed struct {
	*house
	*httptest.Server
	mu       sync.Mutex
	statuses map[int]int
	answered map[string]bool // operations that answered well
}

// everyRole lets the administrator do all that somebody may.
const everyRole = "g, hr/administrator, operator\ng, hr/administrator, hr\ng, hr/administrator, data-protection-officer\n"

func newFuzzed(t *testing.T, wrap func(http.Handler) http.Handler) *fuzzed {
	t.Helper()
	if testing.Short() {
		t.Skip("a fuzzer takes its time")
	}
	f := &fuzzed{house: newHouse(t, map[string]string{"rights.csv": everyRole}), statuses: map[int]int{}, answered: map[string]bool{}}
	f.Apply()
	f.as("administrator")
	handler := f.handler
	if wrap != nil {
		handler = wrap(handler)
	}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &statusOf{ResponseWriter: w, status: http.StatusOK}
		handler.ServeHTTP(s, r)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.statuses[s.status]++
		if o := operation(f.doc, r.Method, r.URL.EscapedPath()); o != nil && s.status < http.StatusMultipleChoices {
			f.answered[o.OperationID] = true
		}
	}))
	t.Cleanup(f.Close)
	return f
}

type statusOf struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (s *statusOf) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// config names what there is, so that operations have something to be about.
func (f *fuzzed) config() string {
	f.t.Helper()
	staff, other := f.Person("staff").ID, f.Person("manager").ID
	plan := f.good(f.post("administrator", "/plans", map[string]any{})).header.Get("Location")
	var b strings.Builder
	// What the document allows is never refused as invalid; 400 is an unknown cursor, or a
	// time that ends before it begins.
	b.WriteString("[checks.positive_data_acceptance]\nexpected-statuses = [200, 201, 202, 204, 400, 401, 403, 404, 409, 412, 429]\n")
	fmt.Fprintf(&b, "[parameters]\n\"path.person\" = %q\n\"path.entitlement\" = \"lib:library\"\n\"path.system\" = \"lib\"\n\"path.target\" = \"one\"\n", staff)
	// Texts are such now and then that they name something.
	fmt.Fprintf(&b, "[dictionaries.known]\nvalues = [%q, %q, %q, \"staff\", \"hr\", \"lib\", \"one\", \"E1\", \"E2\", \"person\", \"use\", \"system\", \"lib:library\", %q, %q]\n[generation.dictionaries.string]\ndictionary = \"known\"\nprobability = 0.3\n",
		staff, f.Person("stranger").ID, f.Person("gone").ID, f.failing(other), f.failing(other))
	for _, o := range []struct{ id, parameter, value string }{
		{"get-hold", "path.digest", f.held(other)}, {"release-hold", "path.digest", f.held(other)}, {"reject-hold", "path.digest", f.held(other)},
		{"keep-access", "path.item", f.question(staff)}, {"revoke-access", "path.item", f.question(f.Person("stranger").ID)}, {"get-plan", "path.id", plan[strings.LastIndexByte(plan, '/')+1:]},
		{"revoke-token", "path.id", f.spareToken()}, {"propose-erasure", "path.person", string(f.Person("gone").ID)},
	} {
		fmt.Fprintf(&b, "[[operations]]\ninclude-operation-id = %q\nparameters = { %q = %q }\n", o.id, o.parameter, o.value)
	}
	return b.String()
}

// spareToken is the ID of a token that the administrator can do without.
func (f *fuzzed) spareToken() string {
	f.t.Helper()
	f.token("auditor", "people:read", "", "")
	all, err := f.DB.Tokens(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	for _, one := range all {
		if one.Owner == f.Person("auditor").ID {
			return one.ID
		}
	}
	return ""
}

// TestFuzzed: Schemathesis asks every operation of the document, with good and bad values
// and with what other operations answered, and no answer is an error of ours or another
// than the document describes. BEHOV_FUZZ_EXAMPLES sets how many requests of each
// kind, of other values each time.
func TestFuzzed(t *testing.T) {
	f := newFuzzed(t, nil)
	examples, seed := 3, 1
	if n, err := strconv.Atoi(os.Getenv("BEHOV_FUZZ_EXAMPLES")); err == nil {
		examples, seed = n, 0
	}
	began := time.Now()
	report, failed := testenv.Schemathesis(t, testenv.APIFuzz{Document: f.URL + api.Path + "/openapi.json", Token: f.as("administrator"), Config: f.config(), Checks: fuzzChecks, Examples: examples, Seed: seed})
	requests := 0
	for _, n := range f.statuses {
		requests += n
	}
	t.Logf("%d requests in %s: %v; %d operations answered well", requests, time.Since(began).Round(time.Second), f.statuses, len(f.answered))
	if failed {
		t.Errorf("Schemathesis has findings:\n%s", report)
	}
	if r := f.get("administrator", "/me"); r.status != http.StatusOK {
		t.Errorf("the administrator did not survive: %d %s", r.status, r.body)
	}
	// It is no proof when only refusals were seen. Some operations need a session, or a
	// state that no single request brings about: their answers are other tests' matter.
	if len(f.answered) < 40 {
		t.Errorf("only %d operations answered well", len(f.answered))
	}
}

// TestTheFuzzerFinds plants two errors, and has them found.
func TestTheFuzzerFinds(t *testing.T) {
	f := newFuzzed(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if len(r.URL.Query().Get("q")) == 200 { // as long as it may be
				http.Error(w, "a panic", http.StatusInternalServerError)
				return
			}
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			maps.Copy(w.Header(), answer.Header())
			w.WriteHeader(answer.Code)
			_, _ = w.Write(bytes.ReplaceAll(answer.Body.Bytes(), []byte(`"protected":true`), []byte(`"protected":"yes"`)))
		})
	})
	report, failed := testenv.Schemathesis(t, testenv.APIFuzz{Document: f.URL + api.Path + "/openapi.json", Token: f.as("administrator"), Checks: fuzzChecks, Examples: 5, Operation: "list-people"})
	for _, found := range []string{"Server error", "Response violates schema"} {
		if !failed || !strings.Contains(report, found) {
			t.Errorf("%q is not found:\n%s", found, report)
		}
	}
}
