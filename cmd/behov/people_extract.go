package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/web"
	"github.com/behov/behov/internal/wording"
)

func (a *app) extractCommand() *cobra.Command {
	var file, by string
	cmd := &cobra.Command{
		Use:   "extract PERSON",
		Short: "Print everything that is stored about a person (GDPR Article 15)",
		Long: `Print the register extract of a person: everything that behov stores about them,
with what is sealed opened, and for how long it is kept. It names no one else. The
person, the data-protection officer and an administrator may have it, and that one of
these asked about another person is recorded in the audit trail. Of a person with
protected identity it shows what whoever asks is cleared to see.

What people and HR systems wrote stands as they wrote it, and may tell of others:
read the extract before you hand it out. --html writes it as a page to print; the
language is that of BEHOV_LANG.`,
		Example: "  behov people extract 1004 --by 1001\n  BEHOV_LANG=sv behov people extract 1004 --by 1001 --html utdrag.html",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			if file != "" { // before the extract is asked for, which is recorded
				if _, err := os.Lstat(file); !errors.Is(err, os.ErrNotExist) {
					return fmt.Errorf("%s is there already, or cannot be made: name a new file", file)
				}
			}
			x, err := d.Extract(ctx, args[0])
			if err != nil {
				return err
			}
			if file != "" {
				if err := writeExtract(file, d, x); err != nil {
					return err
				}
			}
			switch {
			case a.json:
				return a.printJSON(x)
			case file != "":
				a.printf("Wrote %s: only you can read it.\n", file)
				return nil
			}
			a.printExtract(d, x)
			return nil
		}),
	}
	cmd.Flags().StringVar(&file, "html", "", "write it as a page to print, to a new file")
	cmd.Flags().StringVar(&by, "by", "", strings.Replace(byHelp, "decides", "asks", 1))
	return cmd
}

// writeExtract writes an extract to a file that only its owner can read.
func writeExtract(name string, d *backend, x access.Extract) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("the extract: %w", err)
	}
	return errors.Join(web.WriteExtract(f, x, language(), d.zone), f.Close())
}

// printExtract prints an extract: each row of its tables as a paragraph.
func (a *app) printExtract(d *backend, x access.Extract) {
	words := printerFor(wording.Reader{Place: wording.Page, Zone: d.zone})
	for i, s := range x.Sections(words, d.zone) {
		if i > 0 {
			a.printf("\n")
		}
		a.printf("%s\n", strings.ToUpper(s.Title))
		if s.Note != "" {
			a.printf("%s\n", s.Note)
		}
		if len(s.Rows) == 0 {
			a.printf("  %s\n", words.Text("extract.nothing", nil))
		}
		pairs := s.ID == "about" || s.ID == "identity" || s.ID == "retention" // of a name and a value
		for n, row := range s.Rows {
			if n > 0 && !pairs {
				a.printf("\n")
			}
			if pairs {
				a.printf("  %s: %s\n", row[0], cell(row[1]))
				continue
			}
			for c, value := range row {
				if value != "" {
					a.printf("  %s: %s\n", s.Columns[c], cell(value))
				}
			}
		}
	}
}

// cell returns a value, its further lines below the first, without what a terminal obeys.
func cell(value string) string {
	return strings.ReplaceAll(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' {
			return ' '
		}
		return r
	}, value), "\n", "\n    ")
}
