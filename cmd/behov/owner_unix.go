//go:build unix

package main

import (
	"os"
	"syscall"
)

// owns reports whether a user owns a file.
func owns(uid int, file string) bool {
	info, err := os.Stat(file)
	if err != nil {
		return false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == uid
}
