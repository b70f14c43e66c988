package main

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/client"
	"github.com/behov/behov/internal/config"
)

// completer returns the words that may come next, after the arguments that are there.
type completer func(c *config.Config, args []string) []string

// completions defines what the shell completes, by command and by flag. It reads the
// configuration only: a person's number is never completed, as that would list people.
func (a *app) completions(root *cobra.Command) {
	first := func(words func(*config.Config) []string) completer {
		return func(c *config.Config, args []string) []string {
			if len(args) > 0 {
				return nil
			}
			return words(c)
		}
	}
	arguments := map[string]completer{
		"behov pause":      first(targetNames),
		"behov resume":     first(targetNames),
		"behov hr pull":    first(sourceNames),
		"behov token make": first(sourceNames),
		"behov audit who-had": first(func(c *config.Config) []string {
			return append(append(entitlementNames(c), systemNames(c)...), "account")
		}),
		"behov explain": func(c *config.Config, args []string) []string {
			if len(args) != 1 {
				return nil
			}
			return entitlementNames(c)
		},
		"behov review decide": func(_ *config.Config, args []string) []string {
			if len(args) != 1 {
				return nil
			}
			return []string{"keep", "revoke"}
		},
	}
	flags := map[string]func(*config.Config) []string{"target": targetNames, "source": sourceNames, "system": systemNames, "service": serviceNames}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, below := range cmd.Commands() {
			walk(below)
		}
		if next, ok := arguments[cmd.CommandPath()]; ok {
			cmd.ValidArgsFunction = a.complete(next)
		} else if cmd.ValidArgsFunction == nil && cmd.Runnable() && !takesFile(cmd) {
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
		for name, words := range flags {
			if cmd.LocalFlags().Lookup(name) != nil {
				// It fails for a flag that is not there, and for one that has a function.
				_ = cmd.RegisterFlagCompletionFunc(name, a.complete(func(c *config.Config, _ []string) []string { return words(c) }))
			}
		}
	}
	walk(root)
	_ = root.RegisterFlagCompletionFunc("server", completeServers) // the flag is there
}

// completeServers completes the servers at which the user has signed in.
func completeServers(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	known, err := client.LoadCredentials()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return sortedKeys(known.Servers), cobra.ShellCompDirectiveNoFileComp
}

// takesFile reports whether an argument of a command is a file or a directory.
func takesFile(cmd *cobra.Command) bool {
	return strings.Contains(cmd.Use, "FILE") || strings.Contains(cmd.Use, "DIR")
}

// complete makes of f what cobra calls. Without a valid configuration nothing is completed.
func (a *app) complete(f completer) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if a.server != "" || os.Getenv("BEHOV_SERVER") != "" && !cmd.Flags().Changed("config") {
			return nil, cobra.ShellCompDirectiveNoFileComp // the names are the server's
		}
		c, _ := config.Load(a.dir)
		if c == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return f(c, args), cobra.ShellCompDirectiveNoFileComp
	}
}

func targetNames(c *config.Config) []string {
	var names []string
	for _, t := range c.Targets {
		names = append(names, t.Name)
	}
	return names
}

func sourceNames(c *config.Config) []string {
	var names []string
	for name := range c.Sources {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func entitlementNames(c *config.Config) []string {
	var names []string
	for _, e := range c.Rules.Catalogue.Entitlements {
		names = append(names, string(e.ID))
	}
	return names
}

func systemNames(c *config.Config) []string {
	var names []string
	for _, s := range c.Rules.Catalogue.Systems {
		names = append(names, s.ID)
	}
	slices.Sort(names)
	return names
}

func serviceNames(c *config.Config) []string {
	var names []string
	for _, s := range c.ServiceAccounts {
		names = append(names, s.Name)
	}
	return names
}
