package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/scim"
	"github.com/behov/behov/internal/config"
)

func (a *app) connectorsCommand() *cobra.Command {
	var markdown bool
	cmd := &cobra.Command{
		Use:   "connectors [KIND]",
		Short: "Show what each kind of target can do",
		Long: `Show what each kind of target can do, as its connector declares it; of one kind
also under which conditions, and which quirks of services it knows.`,
		Example: "  behov connectors\n  behov connectors scim",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			kinds, err := config.Kinds()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return a.printKind(kinds, args[0])
			}
			switch {
			case a.json:
				return a.printJSON(connectorsJSON{matrix(kinds), []quirkJSON{}})
			case markdown:
				a.printf("%s", markdownMatrix(kinds))
			default:
				a.printMatrix(kinds)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "as the table in the manual")
	return cmd
}

// matrix is what each kind can do, by kind and ability.
func matrix(kinds []config.KindCapabilities) map[string]map[connectors.Ability]connectors.Support {
	all := map[string]map[connectors.Ability]connectors.Support{}
	for _, k := range kinds {
		all[k.Name()] = map[connectors.Ability]connectors.Support{}
		for _, ability := range connectors.Abilities() {
			all[k.Name()][ability] = k.Can[ability]
		}
	}
	return all
}

func (a *app) printMatrix(kinds []config.KindCapabilities) {
	a.printf("%-32s", "")
	for _, k := range kinds {
		a.printf("%-*s", width(k), k.Name())
	}
	a.printf("\n")
	for _, ability := range connectors.Abilities() {
		line := fmt.Sprintf("%-32s", ability)
		for _, k := range kinds {
			line += fmt.Sprintf("%-*s", width(k), supportText(k.Can[ability]))
		}
		a.printf("%s\n", strings.TrimRight(line, " "))
	}
	a.printf("\nConditions: behov connectors KIND.\n")
}

// width is that of a kind's column.
func width(k config.KindCapabilities) int { return len(k.Name()) + 3 }

func supportText(s connectors.Support) string {
	if s.Can {
		return "yes"
	}
	return "-"
}

func markdownMatrix(kinds []config.KindCapabilities) string {
	var b strings.Builder
	b.WriteString("| |")
	for _, k := range kinds {
		b.WriteString(" " + k.Name() + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(kinds)) + "\n")
	for _, ability := range connectors.Abilities() {
		b.WriteString("| " + string(ability) + " |")
		for _, k := range kinds {
			b.WriteString(" " + supportText(k.Can[ability]) + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (a *app) printKind(kinds []config.KindCapabilities, name string) error {
	var these []config.KindCapabilities
	var names []string
	for _, k := range kinds {
		if k.Kind == name || k.Name() == name || k.Flavour == name {
			these = append(these, k)
		}
		if !slices.Contains(names, k.Kind) {
			names = append(names, k.Kind)
		}
	}
	if len(these) == 0 {
		return fmt.Errorf("there is no kind of target %q: there are %s", name, strings.Join(names, ", "))
	}
	quirks := []scim.QuirkInfo{}
	if name == "scim" {
		quirks = scim.Quirks()
	}
	if a.json {
		said := connectorsJSON{matrix(these), []quirkJSON{}}
		for _, q := range quirks {
			said.Quirks = append(said.Quirks, quirkJSON{string(q.Quirk), q.Detected, q.Text})
		}
		return a.printJSON(said)
	}
	for i, k := range these {
		if i > 0 {
			a.printf("\n")
		}
		a.printf("%s\n", k.Name())
		for _, ability := range connectors.Abilities() {
			s := k.Can[ability]
			a.printf("%s\n", strings.TrimRight(fmt.Sprintf("  %-28s %-4s %s", ability, supportText(s), s.Note), " "))
		}
	}
	if len(quirks) > 0 {
		a.printf("\nQuirks, for quirks: [NAME] where they are not found out:\n")
	}
	for _, q := range quirks {
		how := "to be said"
		if q.Detected {
			how = "found out"
		}
		a.printf("  %-30s %-11s %s\n", q.Quirk, how, q.Text)
	}
	return nil
}
