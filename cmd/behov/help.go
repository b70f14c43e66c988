package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

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

// manPages writes a page in section 1 for each command, and one in section 7 for each
// topic, named as behov-holds(7).
func (a *app) manPages(root *cobra.Command, dir string) error {
	for _, section := range []string{"man1", "man7"} {
		if err := os.MkdirAll(filepath.Join(dir, section), 0o755); err != nil { //nolint:gosec // man pages are for everyone
			return err
		}
	}
	root.InitDefaultCompletionCmd()
	root.DisableAutoGenTag = true // it has the day on which it was made
	header := &doc.GenManHeader{Section: "1", Source: "behov", Manual: "behov"}
	if err := doc.GenManTree(root, header, filepath.Join(dir, "man1")); err != nil {
		return fmt.Errorf("man pages: %w", err)
	}
	topics := manual.Topics()
	for _, t := range topics {
		name := filepath.Join(dir, "man7", "behov-"+t.Name+".7")
		if err := os.WriteFile(name, topicPage(t), 0o644); err != nil { //nolint:gosec // man pages are for everyone
			return err
		}
	}
	pages, err := filepath.Glob(filepath.Join(dir, "man1", "behov*.1"))
	if err != nil {
		return err
	}
	a.printf("Wrote %d pages of commands and %s to %s.\n", len(pages), count(len(topics), "topic", "topics"), dir)
	return nil
}

// topicPage returns a topic as a man page.
func topicPage(t manual.Topic) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%% \"BEHOV\\-%s\" \"7\" \"\" \"behov\" \"behov\"\n# NAME\nbehov-%s \\- %s\n\n# DESCRIPTION\n", strings.ToUpper(t.Name), t.Name, t.Summary)
	code, title := false, true
	for line := range strings.Lines(t.Markdown) {
		switch {
		case strings.HasPrefix(line, "```"):
			code = !code
			b.WriteString("```\n")
		case code:
			b.WriteString(line)
		case title: // the summary
			title = false
		case strings.HasPrefix(line, "<!--"):
		case strings.HasPrefix(line, "## "):
			b.WriteString("#" + strings.ToUpper(line[2:]))
		default:
			b.WriteString(line)
		}
	}
	return md2man.Render([]byte(b.String()))
}
