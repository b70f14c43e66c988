package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/rules"
)

func (a *app) initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init DIR",
		Short: "Write a configuration to start from",
		Long: `Write a commented configuration, example rules and an example HR file that work
together at once. Files that are there already are left alone.`,
		Example: "  behov init mykommun && cd mykommun && behov check",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.init(args[0])
		},
	}
}

func (a *app) init(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	if err := a.closeDirectory(dir); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	example, err := fs.Sub(rules.Example, "example")
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	files := map[string][]byte{".gitignore": []byte("behov.db*\nbehov.key\ndirectory.json*\n*.plan\n")}
	err = fs.WalkDir(example, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[name], err = fs.ReadFile(example, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	if files["behov.key"], err = seal.NewMaster(); err != nil {
		return err
	}
	var written, kept []string
	for _, name := range sortedKeys(files) {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			kept = append(kept, name)
			continue
		}
		if err != nil {
			return fmt.Errorf("init: %w", err)
		}
		_, err = f.Write(files[name])
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("init: %w", err)
		}
		written = append(written, name)
	}
	if a.json {
		return a.printJSON(initJSON{dir, append([]string{}, written...), append([]string{}, kept...)})
	}
	if len(written) > 0 {
		a.printf("Wrote %s to %s.\n", strings.Join(written, ", "), dir)
	}
	if len(kept) > 0 {
		a.printf("Left alone, as they were there: %s.\n", strings.Join(kept, ", "))
	}
	a.printf(`
Next:
  behov -c %[1]s check
  behov -c %[1]s hr import %[1]s/hr.csv
  behov -c %[1]s plan
  behov -c %[1]s apply --yes
  behov -c %[1]s explain 1004
Keep a copy of %[1]s/behov.key somewhere safe: without it what is sealed stays so.
`, dir)
	return nil
}

// closeDirectory takes from others the right to write into a directory, which
// one that was there already may have by a umask of 0002: behov refuses a
// configuration that others can change.
func (a *app) closeDirectory(dir string) error {
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm()&0o022 == 0 || info.Mode()&fs.ModeSticky != 0 {
		return err
	}
	fmt.Fprintf(a.stderr, "Others cannot write into %s any more: they could have changed who has access.\n", dir)
	return os.Chmod(dir, info.Mode().Perm()&^0o022)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
