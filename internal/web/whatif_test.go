package web_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/testenv/office"
)

// upload sends a form with files and follows where it leads.
func (v *visitor) upload(path string, fields, files map[string]string) (status int, body, at string) {
	v.t.Helper()
	var content bytes.Buffer
	w := multipart.NewWriter(&content)
	for name, value := range fields {
		_ = w.WriteField(name, value)
	}
	for name, text := range files {
		f, err := w.CreateFormFile(name, name+".csv")
		if err != nil {
			v.t.Fatal(err)
		}
		_, _ = io.WriteString(f, text)
	}
	_ = w.Close()
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.url+path, &content)
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Accept-Language", v.language)
	r.Header.Set("Content-Type", w.FormDataContentType())
	a, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	v.sound(path, a.Header, string(text))
	return a.StatusCode, string(text), strings.TrimPrefix(a.Request.URL.String(), v.url)
}

// TestWhatIf: who sees everyone tries other rules and an HR file, and sees who would get and
// lose what; a file that is wrong is shown with its place, and others' trials are not shown.
func TestWhatIf(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	v := h.as("auditor", "sv")
	v.get("/changes/what-if", 200, "Tänk om?")
	h.as("staff", "sv").get("/changes/what-if", 403)
	if status, _, _ := h.as("staff", "sv").upload("/upload/what-if", nil, map[string]string{"policy": "x"}); status != http.StatusForbidden {
		t.Errorf("staff tries rules: %d", status)
	}
	if status, body, _ := v.upload("/upload/what-if", nil, nil); status != http.StatusUnprocessableEntity || !strings.Contains(textOf(body), "Välj minst en fil.") {
		t.Errorf("nothing: %d %s", status, textOf(body))
	}
	if status, body, _ := v.upload("/upload/what-if", map[string]string{"as_of": "2020-01-01"}, map[string]string{"policy": "p, x, r.sub.job == 'a', base:staff, allow, <script>alert(1)</script>\n"}); status != http.StatusUnprocessableEntity || !strings.Contains(textOf(body), "Välj en dag") {
		t.Errorf("a day that was: %d %s", status, textOf(body))
	}
	if status, body, _ := v.upload("/upload/what-if", nil, map[string]string{"policy": "p, x, r.sub.job == '<script>', base:staff, allow, x\n"}); status != http.StatusUnprocessableEntity || !strings.Contains(textOf(body), "policy.csv:1") {
		t.Errorf("a wrong file: %d %s", status, textOf(body))
	}
	file := office.Header + "staff,E1,Anna,Staff,office,LIB,Librarian,manager,2020-01-01,2026-11-29,no\nnew,E9,<b>Ny</b>,Person,office,LIB,,,2026-11-30,,no\n"
	status, page, at := v.upload("/upload/what-if", nil, map[string]string{"policy": "p, everyone, true, base:staff, allow, everybody\n", "hr": file})
	for deadline := time.Now().Add(20 * time.Second); strings.Contains(page, "data-reload"); status, page, _ = v.ask(http.MethodGet, at, nil) {
		if time.Now().After(deadline) {
			t.Fatal("it is never worked out")
		}
		time.Sleep(20 * time.Millisecond)
	}
	text := textOf(page)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	for _, want := range []string{"Anna Staff", "förlorar", "hr.csv", "En del skulle spärras", "<b>Ny</b> Person", "ingenting ändras eller läses in."} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %s: %s", want, text)
		}
	}
	if strings.Contains(text, "Hemligsson") || strings.Contains(page, "<b>Ny") {
		t.Errorf("the page tells who is protected, or has what a file says as markup: %s", text)
	}
	h.as("administrator", "sv").get(at, 404)
}
