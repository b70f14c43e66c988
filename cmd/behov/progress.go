package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how far a long command has come: a bar on a terminal, a line every few
// seconds elsewhere, nothing within the first second.
type progress struct {
	mu    sync.Mutex
	w     io.Writer
	tty   bool
	stage string
	began time.Time
	said  time.Time
	bar   *progressbar.ProgressBar
}

const (
	progressAfter = time.Second
	progressEvery = 3 * time.Second
)

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	return &progress{w: w, tty: ok && term.IsTerminal(int(f.Fd()))}
}

func (p *progress) show(stage string, done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if stage != p.stage {
		p.finish()
		p.stage, p.began, p.said = stage, now, now.Add(progressAfter-progressEvery)
	}
	if p.tty {
		if p.bar == nil && now.Sub(p.began) > progressAfter {
			p.bar = progressbar.NewOptions(max(total, -1), progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(stage),
				progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
		}
		if p.bar != nil {
			_ = p.bar.Set(done)
		}
		return
	}
	if now.Sub(p.said) < progressEvery {
		return
	}
	p.said = now
	if total > 0 {
		fmt.Fprintf(p.w, "%s: %d of %d\n", stage, done, total)
	} else {
		fmt.Fprintf(p.w, "%s: %d\n", stage, done)
	}
}

func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
		p.bar = nil
	}
}

func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish()
}
