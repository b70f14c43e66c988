package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// app is what all subcommands share.
type app struct {
	dir    string
	server string // its address; empty for an installation of this machine
	json   bool
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	now    func() time.Time
	// patience is for how long a run waits for another one to be done.
	patience time.Duration
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "behov",
		Short: "Give every person exactly the access their work needs, and prove it",
		Long: `behov reads what HR knows, works out from rules which entitlements each person
needs, brings the accounts and memberships in your directories to that state,
and keeps an audit trail of who had access to what, when and why.

The manual is in this program: behov help lists its topics.`,
		Example: `  behov demo                      # see it work, on a made-up municipality
  behov init mykommun             # start a configuration of your own
  behov -c mykommun plan          # what would change, and why
  behov --server https://behov.example.org status     # the same, of a server (behov login)`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVarP(&a.dir, "config", "c", ".", "directory of the configuration (behov.yaml)")
	root.PersistentFlags().StringVar(&a.server, "server", "", "address of a behov server to work against, in place of a configuration (default $BEHOV_SERVER)")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON")
	root.AddCommand(a.demoCommand(), a.initCommand(), a.checkCommand(), a.connectorsCommand(), a.mfaCommand(), a.accountCommand(), a.peopleCommand(), a.rightsCommand(), a.rulesCommand(), a.suspendCommand(), a.enableCommand(), a.serveCommand(), a.hrCommand(), a.tokenCommand(), a.loginCommand(), a.logoutCommand(), a.whoamiCommand(), a.planCommand(), a.simulateCommand(), a.applyCommand(),
		a.explainCommand(), a.auditCommand(), a.reviewCommand(), a.systemsCommand(), a.conflictsCommand(), a.complianceCommand(), a.absencesCommand(), a.requestsCommand(), a.workOrdersCommand(), a.nonHumanCommand(), a.holdCommand(), a.stepsCommand(), a.pauseCommand(), a.resumeCommand(), a.statusCommand(), a.targetCommand(), a.dbCommand(), a.backupCommand(), a.restoreCommand(), a.versionCommand())
	root.PersistentPreRunE = a.chooseServer
	root.SetHelpCommand(a.helpCommand())
	a.completions(root)
	nameArguments(root)
	return root
}

// nameArguments has every command say what it takes, where cobra counts.
func nameArguments(cmd *cobra.Command) {
	for _, below := range cmd.Commands() {
		nameArguments(below)
	}
	check := cmd.Args
	if check == nil {
		return
	}
	_, takes, _ := strings.Cut(cmd.Use, " ")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		switch err := check(cmd, args); {
		case err == nil:
			return nil
		case takes == "" && cmd.HasSubCommands(): // it is none of these
			return err
		case takes == "":
			return fmt.Errorf("%s takes no argument, and has %q", cmd.CommandPath(), args[0])
		case len(args) == 0:
			return fmt.Errorf("%s takes %s: see %s --help", cmd.CommandPath(), takes, cmd.CommandPath())
		}
		return fmt.Errorf("%s takes %s, and has %s: see %s --help", cmd.CommandPath(), takes, count(len(args), "argument", "arguments"), cmd.CommandPath())
	}
}

// knownCommand refuses what is none of a group's commands, where cobra prints
// the group's help and is content: behov hold relase in a script released
// nothing and went well.
func knownCommand(root *cobra.Command, args []string) error {
	group, rest, err := root.Find(args)
	if group == root && err != nil {
		var name string // the first argument that is no flag
		if _, scanned := fmt.Sscanf(err.Error(), "unknown command %q", &name); scanned == nil && name != "help" && like(name, "help") {
			return fmt.Errorf("%w; did you mean help?", err) // cobra suggests every other command
		}
	}
	if err != nil || group == root || group.Runnable() || group.ParseFlags(rest) != nil || len(group.Flags().Args()) == 0 {
		return nil //nolint:nilerr // cobra says it
	}
	name, maybe := group.Flags().Arg(0), ""
	group.SuggestionsMinimumDistance = 2
	if like := group.SuggestionsFor(name); len(like) > 0 {
		maybe = "; did you mean " + strings.Join(like, " or ") + "?"
	}
	return fmt.Errorf("unknown command %q for %q%s", name, group.CommandPath(), maybe)
}

// like reports whether a word may be a misspelt one.
func like(word, right string) bool {
	commands := cobra.Command{SuggestionsMinimumDistance: 2}
	commands.AddCommand(&cobra.Command{Use: right, Run: func(*cobra.Command, []string) {}})
	return len(commands.SuggestionsFor(word)) > 0
}

func (a *app) printf(format string, args ...any) {
	fmt.Fprintf(a.stdout, format, args...)
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
