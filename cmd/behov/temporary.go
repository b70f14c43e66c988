package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// abandoned is how old a temporary file is that no process writes any more.
const abandoned = time.Hour

// removeAbandoned removes temporary files and directories, named with the prefix
// and a number, that a process left which was killed: they have personal data in
// them. What cannot be removed is left to the next one.
func removeAbandoned(dir, prefix string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // writing says why
	}
	for _, e := range entries {
		if number, is := strings.CutPrefix(e.Name(), prefix); !is || number == "" || strings.Trim(number, "0123456789") != "" {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > abandoned {
			_ = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
}
