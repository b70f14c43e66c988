//go:build unix

package main

import (
	"os"
	"syscall"
)

// ownsFile reports whether a user owns a file.
func ownsFile(uid int, file string) bool {
	info, err := os.Stat(file)
	if err != nil {
		return false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == uid
}
