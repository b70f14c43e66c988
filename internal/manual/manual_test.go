package manual

import (
	"strings"
	"testing"
)

// TestText: a page for a terminal has no marks for programs, and tells commands from what
// they print.
func TestText(t *testing.T) {
	page := Topic{Markdown: "# Do it\n\nYou want to `do` it.\n\n## Steps\n\n```sh run\nbehov plan\n```\n\n```output\n# not a heading\n\nNothing\n```\n<!-- end -->\n| a |\n"}
	want := "DO IT\n\nYou want to `do` it.\n\nSTEPS\n\n    $ behov plan\n\n    # not a heading\n\n    Nothing\n| a |\n"
	if got := page.Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestBlocks: blocks have their language and the line on which they begin.
func TestBlocks(t *testing.T) {
	blocks := Blocks("# T\n\n```sh run\na\nb\n```\ntext\n- item\n\n  ```yaml\n  k: v\n  ```\n")
	if len(blocks) != 2 || blocks[0] != (Block{Info: "sh run", Text: "a\nb\n", Line: 4}) || blocks[1].Info != "yaml" || blocks[1].Line != 11 {
		t.Errorf("%+v", blocks)
	}
}

// TestFind: a topic is found by its name, in full.
func TestFind(t *testing.T) {
	if topic, ok := Find("holds"); !ok || !strings.HasPrefix(topic.Markdown, "# "+topic.Summary+"\n") {
		t.Errorf("%v %+v", ok, topic)
	}
	if _, ok := Find("hold"); ok {
		t.Error("half a name is a topic")
	}
}
