package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/behov/behov/internal/manual"
)

// manPages writes a page in section 1 for each command, and one in section 7 for each
// topic, named as behov-holds(7).
func (a *app) manPages(root *cobra.Command, dir string) error {
	for _, section := range []string{"man1", "man7"} {
		if err := os.MkdirAll(filepath.Join(dir, section), 0o755); err != nil { //nolint:gosec // man pages are for everyone
			return err
		}
	}
	root.InitDefaultCompletionCmd()
	root.DisableAutoGenTag = true // it has the day on which it was made
	header := &doc.GenManHeader{Section: "1", Source: "behov", Manual: "behov"}
	if err := doc.GenManTree(root, header, filepath.Join(dir, "man1")); err != nil {
		return fmt.Errorf("man pages: %w", err)
	}
	topics := manual.Topics()
	for _, t := range topics {
		name := filepath.Join(dir, "man7", "behov-"+t.Name+".7")
		if err := os.WriteFile(name, topicPage(t), 0o644); err != nil { //nolint:gosec // man pages are for everyone
			return err
		}
	}
	pages, err := filepath.Glob(filepath.Join(dir, "man1", "behov*.1"))
	if err != nil {
		return err
	}
	a.printf("Wrote %d pages of commands and %s to %s.\n", len(pages), count(len(topics), "topic", "topics"), dir)
	return nil
}

// topicPage returns a topic as a man page.
func topicPage(t manual.Topic) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%% \"BEHOV\\-%s\" \"7\" \"\" \"behov\" \"behov\"\n# NAME\nbehov-%s \\- %s\n\n# DESCRIPTION\n", strings.ToUpper(t.Name), t.Name, t.Summary)
	code, title := false, true
	for line := range strings.Lines(t.Markdown) {
		switch {
		case strings.HasPrefix(line, "```"):
			code = !code
			b.WriteString("```\n")
		case code:
			b.WriteString(line)
		case title: // the summary
			title = false
		case strings.HasPrefix(line, "<!--"):
		case strings.HasPrefix(line, "## "):
			b.WriteString("#" + strings.ToUpper(line[2:]))
		default:
			b.WriteString(line)
		}
	}
	return md2man.Render([]byte(b.String()))
}
