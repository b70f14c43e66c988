package build

import (
	"runtime/debug"
	"strings"
	"testing"
)

// TestInfo: version, commit, toolchain and modules are told, and a replaced
// module as what it is replaced by.
func TestInfo(t *testing.T) {
	b := &debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Path: "github.com/behov/behov", Version: "v1.2.3"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}},
		Deps:     []*debug.Module{{Path: "a", Version: "v1", Sum: "h1:x"}, {Path: "b", Version: "v1", Replace: &debug.Module{Path: "c", Version: "v2"}}}}
	i := of(b)
	if s := i.String(); !strings.HasPrefix(s, "behov v1.2.3 (commit abc, modified, go1.26.0, ") {
		t.Error(s)
	}
	if text := i.Text(); !strings.HasSuffix(text, "\na v1 h1:x\nc v2\n") {
		t.Error(text)
	}
	b.Deps[0].Version = "v2"
	if of(b).Digest() == i.Digest() {
		t.Error("another module makes no other digest")
	}
	if Read().Go == "" {
		t.Error("this binary does not know its toolchain")
	}
}
