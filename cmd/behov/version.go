package main

import (
	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/build"
)

func (a *app) versionCommand() *cobra.Command {
	var modules bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version, the commit and the toolchain of this program",
		Long: `Print the version, the commit and the toolchain that this program was built
from. behov serve records them in the audit trail when they are others than
before.`,
		Example: "  behov version\n  behov version --modules\n  behov version --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			i := build.Read()
			switch {
			case a.json:
				return a.printJSON(versionJSON{i})
			case modules:
				a.printf("%s", i.Text())
			default:
				a.printf("%s\n", i)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&modules, "modules", false, "print the modules it was built from, too")
	return cmd
}
