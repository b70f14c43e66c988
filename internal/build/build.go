// Package build says which program this is: its version, the commit and the
// modules it was built from, as the Go toolchain noted them in the binary.
//
// It must never read anything but the binary's own build information.
package build

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// Info is what is known of a build. Commit is empty where the binary was built
// without version control (go build -buildvcs=false, go run, go test).
type Info struct {
	Version  string   `json:"version"`
	Commit   string   `json:"commit,omitempty"`
	Modified bool     `json:"modified"` // the commit's files were changed
	Time     string   `json:"commit_time,omitempty"`
	Go       string   `json:"go"`
	Platform string   `json:"platform"`
	Modules  []Module `json:"modules"`
}

// Module is a dependency. Sum is empty for one that is replaced by a directory.
type Module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	Sum     string `json:"sum,omitempty"`
}

// Read returns what is known of this build.
func Read() Info {
	b, ok := debug.ReadBuildInfo()
	if !ok {
		b = &debug.BuildInfo{GoVersion: runtime.Version()}
	}
	return of(b)
}

func of(b *debug.BuildInfo) Info {
	i := Info{Version: b.Main.Version, Go: b.GoVersion, Platform: runtime.GOOS + "/" + runtime.GOARCH, Modules: []Module{}}
	if i.Version == "" {
		i.Version = "(devel)"
	}
	for _, s := range b.Settings {
		switch s.Key {
		case "vcs.revision":
			i.Commit = s.Value
		case "vcs.time":
			i.Time = s.Value
		case "vcs.modified":
			i.Modified = s.Value == "true"
		}
	}
	for _, m := range b.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		i.Modules = append(i.Modules, Module{Path: m.Path, Version: m.Version, Sum: m.Sum})
	}
	return i
}

// String returns the build in one line.
func (i Info) String() string {
	commit := "commit unknown"
	if i.Commit != "" {
		commit = "commit " + i.Commit
	}
	if i.Modified {
		commit += ", modified"
	}
	return fmt.Sprintf("behov %s (%s, %s, %s)", i.Version, commit, i.Go, i.Platform)
}

// Text returns the build with its modules, one in a line.
func (i Info) Text() string {
	var b strings.Builder
	fmt.Fprintln(&b, i)
	for _, m := range i.Modules {
		fmt.Fprintln(&b, strings.TrimSpace(m.Path+" "+m.Version+" "+m.Sum))
	}
	return b.String()
}

// Digest names the build: another version, commit, toolchain or module has
// another.
func (i Info) Digest() string {
	sum := sha256.Sum256([]byte(i.Text()))
	return hex.EncodeToString(sum[:])
}
