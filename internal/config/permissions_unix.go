//go:build unix

package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// checkSecretFile refuses a file with a secret that other users can read or
// write, as ssh does. It accepts a file of root that one of our groups can read,
// as distributions install secrets for a service (root:behov 0640).
func checkSecretFile(name string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() { // a pipe has no other readers
		return nil
	}
	if err := checkOwner(name, stat); err != nil {
		return err
	}
	mode := info.Mode().Perm()
	if mode&0o077 == 0 || mode&0o037 == 0 && stat.Uid == 0 && os.Geteuid() != 0 && ourGroup(int(stat.Gid)) {
		return nil
	}
	return fmt.Errorf("permissions %04o for %s are too open: others can read or change the secret; chmod 600 %s", mode, name, name)
}

func checkOwner(name string, stat *syscall.Stat_t) error {
	if uid := int(stat.Uid); uid != 0 && uid != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d, who can change it: run behov as that user (sudo -u '#%d' behov …), or chown it to root or to user %d", name, uid, uid, os.Geteuid())
	}
	return nil
}

func ourGroup(gid int) bool {
	groups, err := os.Getgroups()
	return gid == os.Getegid() || err == nil && slices.Contains(groups, gid)
}

// checkWritable refuses a configuration file or directory that other users can
// write: they would decide who has access. In a sticky directory they cannot
// replace our files.
func checkWritable(name string, info fs.FileInfo) error {
	// Behind a link, other users must be able to write neither the file itself
	// nor any parent directory, as for sshd's StrictModes.
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil //nolint:nilerr // reported where it is read
	}
	if real, err = filepath.Abs(real); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := checkOneWritable(real, info); err != nil {
		return err
	}
	for dir := filepath.Dir(real); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return nil //nolint:nilerr // reported where it is read
		}
		if err := checkOneWritable(dir, info); err != nil {
			return err
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

func checkOneWritable(name string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.IsDir() && info.Mode()&fs.ModeSticky != 0 {
		return nil
	}
	if isPrivate(filepath.Dir(name)) {
		return nil
	}
	if err := checkOwner(name, stat); err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("permissions %04o for %s are too open: others can change it, and with it who has access; chmod go-w %s", mode, name, name)
	}
	return nil
}

// isPrivate reports whether only root and our own user can reach the content of a
// directory: one of its parents is ours and closed to all others.
func isPrivate(dir string) bool {
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return false
	}
	for {
		info, err := os.Stat(dir)
		if err != nil {
			return false
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if ok && info.Mode().Perm()&0o011 == 0 && checkOwner(dir, stat) == nil {
			return true
		}
		above := filepath.Dir(dir)
		if above == dir {
			return false
		}
		dir = above
	}
}
