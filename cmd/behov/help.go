package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/manual"
)

// helpCommand replaces cobra's, which knows commands only.
func (a *app) helpCommand() *cobra.Command {
	var man string
	cmd := &cobra.Command{
		Use:   "help [TOPIC | COMMAND]",
		Short: "Read the manual: topics, and every command",
		Long: `Without an argument, list the commands and the topics of the manual. With the name of
a topic, print it; with a command, print how it is called. A name that is both gives the
topic first.

With --man, write all of it as man pages instead: one page in section 1 for each command,
and one in section 7 for each topic.`,
		Example: `  behov help
  behov help first-afternoon
  behov help hold release
  behov help --man /usr/local/share/man`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			if group, _, err := cmd.Root().Find(args); err == nil {
				for _, c := range group.Commands() {
					if c.IsAvailableCommand() {
						names = append(names, c.Name()+"\t"+c.Short)
					}
				}
			}
			if len(args) == 0 {
				for _, t := range manual.Topics() {
					names = append(names, t.Name+"\t"+t.Summary)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case a.json:
				return errors.New("the manual is text: leave out --json (behov help json says what other commands print with it)")
			case man != "" && len(args) > 0:
				return fmt.Errorf("--man writes every page: leave out %q", strings.Join(args, " "))
			case man != "":
				return a.manPages(cmd.Root(), man)
			}
			return a.help(cmd.Root(), args)
		},
	}
	cmd.Flags().StringVar(&man, "man", "", "directory to write man pages to, below man1 and man7")
	return cmd
}

// help prints the overview, a topic, a command, or a topic and the command of its name.
func (a *app) help(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		if err := root.Help(); err != nil {
			return err
		}
		a.printf("\nTopics of the manual (behov help TOPIC):\n")
		for _, t := range manual.Topics() {
			a.printf("  %-20s %s\n", t.Name, t.Summary)
		}
		return nil
	}
	command, rest, err := root.Find(args)
	isCommand := err == nil && len(rest) == 0 && command != root
	topic, isTopic := manual.Find(args[0])
	isTopic = isTopic && len(args) == 1
	if isTopic {
		a.printf("%s", topic.Text())
	}
	if isTopic && isCommand {
		a.printf("\n%s\n\n", strings.ToUpper("The command "+command.CommandPath()))
	}
	if isCommand {
		command.InitDefaultHelpFlag()
		return command.Help()
	}
	if !isTopic {
		return unknownTopic(root, args)
	}
	return nil
}

// unknownTopic says what is not there, and which names are like it.
func unknownTopic(root *cobra.Command, args []string) error {
	names := &cobra.Command{SuggestionsMinimumDistance: 2}
	if group, _, err := root.Find(args); err == nil && group != root { // behov help hold relase
		names.AddCommand(clones(group.Commands())...)
	} else {
		names.AddCommand(clones(root.Commands())...)
		for _, t := range manual.Topics() {
			names.AddCommand(&cobra.Command{Use: t.Name, Run: func(*cobra.Command, []string) {}})
		}
	}
	maybe := ""
	if like := names.SuggestionsFor(args[len(args)-1]); len(like) > 0 {
		maybe = " did you mean " + strings.Join(unique(like), " or ") + "?"
	}
	return fmt.Errorf("there is no command and no topic %q:%s \"behov help\" lists both", strings.Join(args, " "), maybe)
}

// clones returns commands of the same names that belong to no other.
func clones(commands []*cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, c := range commands {
		all = append(all, &cobra.Command{Use: c.Name(), Run: func(*cobra.Command, []string) {}})
	}
	return all
}

func unique(names []string) []string {
	var all []string
	seen := map[string]bool{}
	for _, name := range names {
		if !seen[name] {
			all = append(all, name)
		}
		seen[name] = true
	}
	return all
}
