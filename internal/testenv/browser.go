package testenv

import (
	"context"
	_ "embed" // package.json of axe-core
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

//go:embed axe/package.json
var axePackage []byte

// Browser is a tab of a real Chromium. It notes what a page must not do: errors of scripts,
// what the content policy refuses, and requests to another host.
type Browser struct {
	Origin string
	Ctx    context.Context
	t      testing.TB
	mu     sync.Mutex
	faults []string
	asked  []string // the addresses of the page and what it loaded
	bytes  int64
	axe    string
}

// Screen is how a page is looked at.
type Screen struct {
	Language string // of the browser
	Dark     bool
	Width    int64
	Scripts  bool
}

// NewBrowser starts a Chromium for the pages of an origin, and ends it with the test.
func NewBrowser(t testing.TB, origin string) *Browser {
	t.Helper()
	program := Need(t, "chromium", "apt-get install chromium")
	npm := Need(t, "npm", nodeInstall)
	dir, err := npmInstalled(npm, "axe", map[string][]byte{"package.json": axePackage})
	if err != nil {
		Missing(t, "axe-core cannot be installed: %v", err)
	}
	axe, err := os.ReadFile(filepath.Join(dir, "node_modules/axe-core/axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx)
		end()
		stop()
	})
	b := &Browser{Origin: origin, Ctx: ctx, t: t, axe: string(axe)}
	if _, err := chromedp.Run(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("chromium: %v", err)
	}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	Send(b, network.Enable, network.EnableParams{})
	Send(b, log.Enable, cdp.Empty{})
	Send(b, runtime.Enable, cdp.Empty{})
	return b
}

// Send sends a command of the DevTools protocol.
func Send[P, R any](b *Browser, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	result, err := chromedp.Call(b.Ctx, command, params)
	if err != nil {
		b.t.Fatalf("%s: %v", command.Method, err)
	}
	return result
}

// Do runs an action, for at most half a minute.
func Do[T any](b *Browser, what string, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.Ctx, 30*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
	return v
}

func (b *Browser) listen(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := ev.(type) {
	case *network.EventRequestWillBeSent:
		b.asked = append(b.asked, e.Request.URL)
		if u, err := url.Parse(e.Request.URL); err != nil || u.Scheme != "data" && u.Scheme+"://"+u.Host != b.Origin {
			b.faults = append(b.faults, "asks another host: "+e.Request.URL)
		}
	case *network.EventLoadingFinished:
		b.bytes += int64(e.EncodedDataLength)
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, "a script failed: "+e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" && !strings.Contains(e.Entry.Text, "the server responded with a status of 4") {
			b.faults = append(b.faults, "the console has "+e.Entry.Text)
		}
	}
}

// As sets how pages are looked at from now on.
func (b *Browser) As(s Screen) {
	b.t.Helper()
	scheme := "light"
	if s.Dark {
		scheme = "dark"
	}
	Send(b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": s.Language}})
	Send(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
	Send(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !s.Scripts})
	Do(b, "viewport", chromedp.EmulateViewport(s.Width, 900))
}

// Printing sets whether the page is shown as it is printed.
func (b *Browser) Printing(printing bool) {
	b.t.Helper()
	media := ""
	if printing {
		media = "print"
	}
	Send(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: media})
}

// Go opens a page, and returns what it asked for and how many bytes came.
func (b *Browser) Go(path string) (requests []string, bytes int64) {
	b.t.Helper()
	b.mu.Lock()
	b.asked, b.bytes = nil, 0
	b.mu.Unlock()
	to := path
	if strings.HasPrefix(path, "/") {
		to = b.Origin + path
	}
	Do(b, path, chromedp.Navigate(to))
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked, b.bytes
}

// Await waits until an expression holds on the page, over any number of pages.
func (b *Browser) Await(expression string) {
	b.t.Helper()
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		var holds bool
		if holds, err = chromedp.Run(b.Ctx, chromedp.Evaluate[bool]("document.readyState === 'complete' && Boolean("+expression+")")); err == nil && holds {
			return
		}
	}
	b.t.Fatalf("%s never held: %v; the page has %q", expression, err, Do(b, "text", chromedp.Text("body")))
}

// Faults returns, and forgets, what pages did that they must not.
func (b *Browser) Faults() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	faults := b.faults
	b.faults = nil
	return faults
}

// Accessibility returns what axe-core finds on the page: WCAG 2.2 A and AA and its best
// practices, moderate and worse.
func (b *Browser) Accessibility() (found []string) {
	b.t.Helper()
	Do(b, "axe", chromedp.Evaluate[any](b.axe+"; undefined"))
	text := Do(b, "axe", chromedp.Evaluate[string](`axe.run(document, {resultTypes: ["violations"]}).then((r) => JSON.stringify(r.violations.map((v) => ({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 3).map((n) => n.target.join(" ") + " " + (n.failureSummary || "").split("\n").slice(1, 2))}))))`, chromedp.EvalAwaitPromise))
	var violations []struct {
		ID, Impact, Help string
		Nodes            []string
	}
	if err := json.Unmarshal([]byte(text), &violations); err != nil {
		b.t.Fatalf("axe says %q: %v", text, err)
	}
	for _, v := range violations {
		if v.Impact != "minor" {
			found = append(found, fmt.Sprintf("%s (%s): %s: %s", v.ID, v.Impact, v.Help, strings.Join(v.Nodes, " | ")))
		}
	}
	return found
}

// Overflows reports whether the page is wider than its window.
func (b *Browser) Overflows() bool {
	b.t.Helper()
	return Do(b, "width", chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth + 1`))
}

// Picture writes the whole page as a picture into the directory that BEHOV_PICTURES names;
// without it nothing is written.
func (b *Browser) Picture(name string) {
	b.t.Helper()
	dir := os.Getenv("BEHOV_PICTURES")
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), Do(b, "picture", chromedp.FullScreenshot(100)), 0o600); err != nil {
		b.t.Fatal(err)
	}
}
