package testenv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// npmInstalled returns a directory with the files of a server and the packages that its
// package.json names, in the user's cache directory. Concurrent test binaries wait for
// the first to install them; an existing directory is complete, as it gets its name last.
func npmInstalled(npm, name string, files map[string][]byte) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory: %w", err)
	}
	parent := filepath.Join(cache, "behov-testenv", name)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, file := range slices.Sorted(maps.Keys(files)) {
		sum.Write(files[file])
	}
	dir := filepath.Join(parent, hex.EncodeToString(sum.Sum(nil)[:8]))
	lock := dir + ".lock"
	for {
		if _, err := os.Stat(dir); err == nil {
			return dir, nil
		}
		f, err := os.OpenFile(lock, os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			defer func() { _ = os.Remove(lock) }()
			if err := f.Close(); err != nil {
				return "", err
			}
			return dir, npmInstall(npm, parent, dir, files)
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", err
		}
		// A holder of the lock that takes longer than an install was killed.
		if info, err := os.Stat(lock); err == nil && time.Since(info.ModTime()) > npmLimit {
			_ = os.Remove(lock)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

const npmLimit = 3 * time.Minute

func npmInstall(npm, parent, dir string, files map[string][]byte) error {
	if _, err := os.Stat(dir); err == nil {
		return nil // installed by another process meanwhile
	}
	temp, err := os.MkdirTemp(parent, "install-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(temp, name), content, 0o600); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), npmLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock")
	cmd.Dir = temp
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm install: %w\n%s", err, out)
	}
	return os.Rename(temp, dir)
}
