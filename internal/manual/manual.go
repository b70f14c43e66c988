// Package manual contains the manual: topics in Markdown, which the command
// prints, and from which its man pages are made.
//
// It must import no other package of the house: whoever prints, serves or checks
// the manual gets it as data.
package manual

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

//go:generate go run ./reference

//go:embed topics/*.md
var files embed.FS

// Topic is one page of the manual.
type Topic struct {
	// Name is what the reader asks for, as in "behov help holds".
	Name string
	// Summary is the title: one line that says what the reader wants to do.
	Summary string
	// Markdown is the whole page. Its lines have at most Width characters, except
	// in tables and in code.
	Markdown string
}

// Width is the maximum length of a line of text, in characters.
const Width = 90

// Topics returns all topics, sorted by name.
func Topics() []Topic {
	names, err := fs.Glob(files, "topics/*.md")
	if err != nil {
		panic(err) // a constant pattern
	}
	topics := make([]Topic, 0, len(names))
	for _, name := range names {
		b, err := files.ReadFile(name)
		if err != nil {
			panic(err) // embedded
		}
		text := string(b)
		title, _, _ := strings.Cut(text, "\n")
		topics = append(topics, Topic{Name: strings.TrimSuffix(path.Base(name), ".md"), Summary: strings.TrimPrefix(title, "# "), Markdown: text})
	}
	return topics
}

// Find returns the topic with the name.
func Find(name string) (Topic, bool) {
	for _, t := range Topics() {
		if t.Name == name {
			return t, true
		}
	}
	return Topic{}, false
}

// Text returns the page for a terminal: headings in capitals, code indented, commands after
// a prompt, tables as they are written.
func (t Topic) Text() string {
	var b strings.Builder
	code, indent := false, ""
	for line := range strings.Lines(t.Markdown) {
		text := strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(text, "```"):
			code, indent = !code, "    "
			if strings.HasPrefix(text, "```sh") {
				indent = "    $ "
			}
		case code && text != "":
			b.WriteString(indent + text + "\n")
		case strings.HasPrefix(text, "<!--"):
		case !code && strings.HasPrefix(text, "#"):
			b.WriteString(strings.ToUpper(strings.TrimLeft(text, "# ")) + "\n")
		default:
			b.WriteString(text + "\n")
		}
	}
	return b.String()
}

// A Block is a block of code on a page.
type Block struct {
	// Info is what follows the fence: the language, and words for the tests that read
	// the manual. "sh run" is run, and "output" is what it prints.
	Info string
	Text string
	Line int // of the first line of Text, from 1
}

// Blocks returns the blocks of code of a page in Markdown.
func Blocks(markdown string) []Block {
	var blocks []Block
	var block *Block
	line := 0
	for text := range strings.Lines(markdown) {
		line++
		info, fence := strings.CutPrefix(strings.TrimSpace(text), "```")
		switch {
		case fence && block == nil:
			block = &Block{Info: info, Line: line + 1}
		case fence:
			blocks, block = append(blocks, *block), nil
		case block != nil:
			block.Text += text
		}
	}
	return blocks
}
