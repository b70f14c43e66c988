package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/client"
)

// overServer are the commands that work against a server as well.
var overServer = []string{
	"absences", "absences end", "absences set", "account bind", "account list", "audit access", "audit changes", "audit log", "audit who-had", "compliance", "conflicts", "conflicts allow", "enable", "explain", "hold list", "hold reject", "hold release", "hold show", "hr imports", "hr report end", "hr report hire", "hr report list", "hr report take-back", "login", "logout",
	"mfa exempt", "mfa pass", "mfa withdraw", "non-human-accounts hand-over", "non-human-accounts list", "non-human-accounts register", "non-human-accounts renew", "non-human-accounts retire", "pause", "people apart", "people duplicates", "people erase", "people extract", "people legal-hold", "people list", "people main", "people managers", "people merge", "people protect", "people readmit", "people screened",
	"people sessions", "people show", "people split", "plan", "requests", "requests approve", "requests ask", "requests catalogue", "requests emergency", "requests refuse", "requests renew", "requests show", "requests withdraw", "resume", "review decide", "review hand-on", "review list", "review report", "review sign-off", "review start", "review status", "review tasks", "rights", "rules approve", "rules list", "rules propose", "rules reject", "rules suggest", "simulate", "status", "steps", "steps give-up", "steps retry", "suspend", "systems", "systems revise", "systems revisions", "token list", "token make", "token revoke", "whoami", "work-orders cannot", "work-orders confirm", "work-orders list", "work-orders targets", "work-orders upload",
}

// anywhere are those that need neither a server nor an installation.
var anywhere = []string{"help", "version", "completion", "__complete", "__completeNoDesc"}

// chooseServer decides, before a command runs, whether it works against a server: the one of
// --server, or of BEHOV_SERVER unless the command names a configuration.
func (a *app) chooseServer(cmd *cobra.Command, _ []string) error {
	name := strings.TrimPrefix(cmd.CommandPath(), "behov ")
	top, _, _ := strings.Cut(name, " ")
	place, flags := "--server", cmd.Flags()
	switch {
	case slices.Contains(anywhere, top):
		return nil
	case flags.Changed("server") && flags.Changed("config"):
		return errors.New("say either --server or --config")
	case !flags.Changed("server") && !flags.Changed("config"):
		a.server, place = os.Getenv("BEHOV_SERVER"), "the environment variable BEHOV_SERVER"
	}
	if a.server == "" {
		if slices.Contains([]string{"login", "logout", "whoami"}, name) {
			return errors.New("say which server: --server https://behov.example.org")
		}
		return nil
	}
	if !slices.Contains(overServer, name) {
		return fmt.Errorf("behov %s works on the machine of the installation, and with no server: leave %s out", name, place)
	}
	_, err := client.ParseServer(a.server)
	return err
}
