package testenv

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// TestTheBrowserSeesWhatIsWrong shows it a page that does all that pages must not.
func TestTheBrowserSeesWhatIsWrong(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "style-src 'none'")
		_, _ = io.WriteString(w, `<!doctype html><html><body><main><h1>A</h1><img src="http://127.0.0.2:9/x.png"><p style="color: #777">x</p><input><div id="wide"></div><script>document.getElementById("wide").style.width = "3000px"; document.getElementById("wide").style.height = "9px"; throw new Error("broken")</script></main></body></html>`)
	}))
	defer s.Close()
	b := NewBrowser(t, s.URL)
	b.As(Screen{Language: "en", Width: 400, Scripts: true})
	if requests, size := b.Go("/"); len(requests) < 2 || size < 100 {
		t.Errorf("%v, %d bytes", requests, size)
	}
	faults := b.Faults()
	for _, want := range []string{"asks another host: http://127.0.0.2:9/x.png", "a script failed", "Content Security Policy"} {
		if !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, want) }) {
			t.Errorf("it does not see %q: %q", want, faults)
		}
	}
	if !b.Overflows() {
		t.Error("it does not see that the page is too wide")
	}
	found := strings.Join(b.Accessibility(), "\n")
	for _, want := range []string{"image-alt", "label", "html-has-lang", "document-title"} {
		if !strings.Contains(found, want) {
			t.Errorf("axe does not find %s: %s", want, found)
		}
	}
}
