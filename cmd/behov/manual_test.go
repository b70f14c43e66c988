package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/manual"
	"github.com/behov/behov/rules"
)

// pages returns the README and every topic, by name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"README": string(b)}
	for _, topic := range manual.Topics() {
		all[topic.Name] = topic.Markdown
	}
	return all
}

// TestManualTopics: every topic that the manual promises is there, and each begins with
// what the reader wants to do and ends with what can go wrong.
func TestManualTopics(t *testing.T) {
	for _, name := range []string{"first-afternoon", "hr-files", "people-and-lifecycle", "rules", "targets", "active-directory", "entra", "scim", "adoption", "holds",
		"reviews", "audit", "personal-data", "rights", "sign-in", "api", "serve", "server", "events", "postgresql", "backup", "troubleshooting", "json", "connectors", "behov-yaml"} {
		if _, ok := manual.Find(name); !ok {
			t.Errorf("there is no topic %s", name)
		}
	}
	for _, topic := range manual.Topics() {
		lines := strings.Split(topic.Markdown, "\n")
		switch {
		case !strings.HasPrefix(lines[0], "# ") || utf8.RuneCountInString(topic.Summary) > 75:
			t.Errorf("%s: the first line is a title of at most 75 characters, not %q", topic.Name, lines[0])
		case len(lines) < 3 || !strings.HasPrefix(lines[2], "You want "):
			t.Errorf("%s: the first paragraph says what the reader wants to do, not %q", topic.Name, lines[2])
		case !strings.HasPrefix(topic.Markdown[strings.LastIndex(topic.Markdown, "\n## ")+1:], "## What can go wrong\n"):
			t.Errorf("%s: the last section is not about what can go wrong", topic.Name)
		}
		code := false
		for n, line := range lines {
			if strings.HasPrefix(line, "```") {
				code = !code
			}
			if !code && !strings.HasPrefix(line, "|") && utf8.RuneCountInString(line) > manual.Width {
				t.Errorf("%s:%d: the line has more than %d characters", topic.Name, n+1, manual.Width)
			}
			if word := vague.FindString(line); word != "" && !code && !strings.HasPrefix(line, ">") {
				t.Errorf("%s:%d: %q: name the actor", topic.Name, n+1, word)
			}
		}
	}
}

// vague are words that do not say who does something.
var vague = regexp.MustCompile(`(?i)\b(somebody|nobody|whoever|someone|anew)\b`)

// TestManualNamesTopics: a page that sends the reader to another names one that exists.
func TestManualNamesTopics(t *testing.T) {
	root := (&app{}).root()
	for name, text := range pages(t) {
		for _, found := range regexp.MustCompile(`behov help ([a-z][a-z -]*[a-z])`).FindAllStringSubmatch(text, -1) {
			words := strings.Fields(found[1])
			_, topic := manual.Find(words[0])
			if cmd, _, err := root.Find(words[:1]); !topic && (err != nil || cmd == root) {
				t.Errorf("%s: %q: there is no such topic", name, found[0])
			}
		}
	}
}

// commandLines returns every command line of a page: those in code of a shell, and those in
// the text.
func commandLines(page string) []string {
	var lines []string
	rest := page
	for _, block := range manual.Blocks(page) {
		if strings.HasPrefix(block.Info, "sh") {
			lines = append(lines, strings.Split(block.Text, "\n")...)
		}
		rest = strings.Replace(rest, block.Text, "", 1)
	}
	for i, piece := range strings.Split(strings.ReplaceAll(rest, "```", ""), "`") {
		if i%2 == 1 {
			lines = append(lines, strings.Join(strings.Fields(strings.ReplaceAll(piece, "\\|", "|")), " "))
		}
	}
	var commands []string
	for _, line := range lines {
		line, _, _ = strings.Cut(line, " #")
		for _, part := range regexp.MustCompile(`&&|\|\||[;|]`).Split(quoted.ReplaceAllString(line, "TEXT"), -1) {
			part = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(part), "go run ./cmd/"), "./")
			if part == "behov" || strings.HasPrefix(part, "behov ") {
				commands = append(commands, part)
			}
		}
	}
	return commands
}

var quoted = regexp.MustCompile(`"[^"]*"|'[^']*'`)

// checkCommand returns what is wrong with a command line: a command or a flag that does not
// exist, or the wrong number of arguments.
func checkCommand(line string) error {
	root := (&app{}).root()
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	words := strings.Fields(line)[1:]
	if i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "<") || strings.HasPrefix(w, ">") || w == "2>" }); i >= 0 {
		words = words[:i]
	}
	cmd, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	if cmd == root {
		if len(words) > 0 && !strings.HasPrefix(words[0], "-") {
			return fmt.Errorf("unknown command %q", words[0])
		}
		return nil
	}
	cmd.InitDefaultHelpFlag()
	if !cmd.Runnable() {
		if len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
			return fmt.Errorf("unknown command %q of %s", rest[0], cmd.CommandPath())
		}
		return cmd.ParseFlags(rest)
	}
	if err := cmd.ParseFlags(rest); err != nil && !strings.Contains(err.Error(), "needs an argument") { // text names a flag without its value
		return err
	}
	if args := cmd.Flags().Args(); len(args) > 0 { // text names a command without its arguments
		return cmd.ValidateArgs(args)
	}
	return nil
}

// TestManualCommandsExist: every command and flag that a page, or a sentence for people,
// names exists.
func TestManualCommandsExist(t *testing.T) {
	checked := 0
	all := pages(t)
	for _, language := range []string{"en", "sv"} {
		b, err := os.ReadFile("../../internal/wording/" + language + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		// A command stands in quotes there, or ends where the next one, or a sentence, begins.
		var lines []string
		for _, found := range regexp.MustCompile(`behov( [a-z][a-z-]*| --?[a-z]+)+`).FindAllString(string(b), -1) {
			lines = append(lines, "`"+found+"`")
		}
		all["internal/wording/"+language+".yaml"] = strings.Join(lines, "\n")
	}
	for name, text := range all {
		for _, line := range commandLines(text) {
			checked++
			if strings.HasPrefix(name, "internal/") && checkCommand(line) != nil {
				line = wordedCommand(line)
			}
			if line == "" { // behov is the subject of a sentence
				continue
			}
			if err := checkCommand(line); err != nil {
				t.Errorf("%s: %s: %v", name, line, err)
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d commands found", checked)
	}
	for _, wrong := range []string{"behov hold relase 3f", "behov holds", "behov plan --persn 1004", "behov steps list --all", "behov hold -x"} {
		if checkCommand(wrong) == nil {
			t.Errorf("%s passes", wrong)
		}
	}
}

// wordedCommand returns the command that a sentence names, without the words after it; empty
// when "behov" is the subject of a sentence.
func wordedCommand(line string) string {
	words := strings.Fields(line)
	root := (&app{}).root()
	group, _, err := root.Find(words[1:2])
	if err != nil || group == root {
		return ""
	}
	if len(words) > 2 && group.HasSubCommands() {
		return strings.Join(words[:3], " ")
	}
	return strings.Join(words[:2], " ")
}

// example writes the configuration of rules/example into a new directory, with the settings
// merged into its behov.yaml.
func example(t *testing.T, settings map[string]any) string {
	t.Helper()
	dir := t.TempDir()
	files, err := fs.Sub(rules.Example, "example")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, files); err != nil {
		t.Fatal(err)
	}
	mergeConfig(t, dir, settings)
	return dir
}

// mergeConfig merges settings into the behov.yaml in a directory.
func mergeConfig(t *testing.T, dir string, settings map[string]any) {
	t.Helper()
	file := filepath.Join(dir, config.File)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var base map[string]any
	if err := yaml.Unmarshal(b, &base); err != nil {
		t.Fatal(err)
	}
	merged, err := yaml.Marshal(merge(base, settings))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, merged, 0o600); err != nil {
		t.Fatal(err)
	}
}

// merge sets values in a mapping, and below it.
func merge(into, from map[string]any) map[string]any {
	for key, value := range from {
		if below, ok := value.(map[string]any); ok {
			if old, ok := into[key].(map[string]any); ok {
				into[key] = merge(old, below)
				continue
			}
		}
		into[key] = value
	}
	return into
}

// TestManualYAMLLoads: every setting, rule and right that a page shows is one that behov
// takes, as a part of the configuration that behov init writes.
func TestManualYAMLLoads(t *testing.T) {
	loaded := 0
	for name, text := range pages(t) {
		for _, block := range manual.Blocks(text) {
			if file, ok := strings.CutPrefix(block.Info, "csv "); ok {
				loaded++
				dir := example(t, nil)
				appendTo(t, dir, file, block.Text)
				if _, problems := config.Load(dir); slices.ContainsFunc(problems, isError) {
					t.Errorf("%s:%d: %v\n%s", name, block.Line, problems, block.Text)
				}
			}
			if block.Info != "yaml" {
				continue
			}
			loaded++
			var settings map[string]any
			if err := yaml.Unmarshal([]byte(block.Text), &settings); err != nil {
				t.Errorf("%s:%d: %v", name, block.Line, err)
				continue
			}
			if _, problems := config.Load(example(t, settings)); slices.ContainsFunc(problems, isError) {
				t.Errorf("%s:%d: %v\n%s", name, block.Line, problems, block.Text)
			}
		}
	}
	if loaded < 10 {
		t.Errorf("only %d blocks of YAML found", loaded)
	}
	if _, problems := config.Load(example(t, map[string]any{"holds": map[string]any{"expires_days": 7}})); !slices.ContainsFunc(problems, isError) {
		t.Error("a setting that does not exist is taken")
	}
}

// quotedMessages returns the messages in block quotes of a page.
func quotedMessages(page string) []string {
	var all []string
	last := false
	for line := range strings.Lines(page) {
		text, is := strings.CutPrefix(line, "> ")
		if is && last {
			all[len(all)-1] += " " + strings.TrimSpace(text)
		} else if is {
			all = append(all, strings.TrimSpace(text))
		}
		last = is
	}
	return all
}

// TestManualMessagesExist: what is quoted as a message of behov's is one, apart from the
// parts that are marked with an ellipsis.
func TestManualMessagesExist(t *testing.T) {
	var source strings.Builder
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") || !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "wording/en.yaml") && !strings.HasSuffix(path, "wording/pages.en.yaml") && !strings.HasSuffix(path, "rules/rights.csv") {
			return err
		}
		b, err := os.ReadFile(path)
		source.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	written := strings.ReplaceAll(source.String(), `\"`, `"`)
	exists := func(message string) error {
		fixed := 0
		for part := range strings.SplitSeq(message, "…") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			fixed += len(part)
			if !strings.Contains(written, part) {
				return fmt.Errorf("nothing prints %q", part)
			}
		}
		if fixed < 15 {
			return fmt.Errorf("%q could be anything", message)
		}
		return nil
	}
	for _, topic := range manual.Topics() {
		messages := quotedMessages(topic.Markdown)
		if len(messages) == 0 {
			t.Errorf("%s quotes no message", topic.Name)
		}
		for _, message := range messages {
			if err := exists(message); err != nil {
				t.Errorf("%s: %q: %v", topic.Name, message, err)
			}
		}
	}
	if exists("nothing is held whose digest ends with …") == nil {
		t.Error("a message that nothing prints passes")
	}
}

// TestManualCommandsRun runs the blocks of each topic that are marked so, one after another,
// and finds in what each prints the lines of the block of output that follows it. They run
// in an installation that behov init wrote, with its HR file imported and applied; a topic
// that calls behov init begins in an empty directory.
func TestManualCommandsRun(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs a few hundred commands")
	}
	ran := 0
	for _, topic := range manual.Topics() {
		blocks := manual.Blocks(topic.Markdown)
		if !slices.ContainsFunc(blocks, func(b manual.Block) bool { return b.Info == "sh run" }) {
			continue
		}
		ran++
		t.Run(topic.Name, func(t *testing.T) {
			shell := newShell(t)
			if !slices.ContainsFunc(blocks, func(b manual.Block) bool { return b.Info == "sh run" && strings.Contains(b.Text, "behov init ") }) {
				shell.run(t, "behov init .\nbehov hr import hr.csv\nbehov apply --yes\n")
			}
			var out string
			for _, block := range blocks {
				switch block.Info {
				case "sh run":
					out = shell.run(t, block.Text)
				case "output":
					for line := range strings.Lines(block.Text) {
						if line = strings.TrimSpace(line); !printed(line).MatchString(out) {
							t.Errorf("%s:%d: the commands do not print %q, but\n%s", topic.Name, block.Line, line, out)
						}
					}
				}
			}
		})
	}
	if ran < 10 {
		t.Errorf("only %d topics show commands that are run", ran)
	}
}

// printed matches a line of output, in which an ellipsis stands for anything and space for
// any space.
func printed(line string) *regexp.Regexp {
	var parts []string
	for part := range strings.SplitSeq(line, "…") {
		parts = append(parts, strings.Join(strings.Fields(regexp.QuoteMeta(part)), `\s+`))
	}
	return regexp.MustCompile(strings.Join(parts, `.*`))
}

// shell runs scripts in a directory, in which behov is this program.
type shell struct {
	dir, bin string
	env      []string // beside this process's own
}

func newShell(t *testing.T) shell {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := shell{dir: t.TempDir(), bin: t.TempDir()}
	// 2 and 3 say that there are changes, and that something is held.
	wrapper := "#!/bin/sh\nBEHOV_TEST_COMMAND=1 " + program + " \"$@\"\nstatus=$?\ncase $status in 2|3) exit 0;; esac\nexit $status\n"
	if err := os.WriteFile(filepath.Join(s.bin, "behov"), []byte(wrapper), 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs a script, in which DIGEST is the first hold and ITEM the first question of a
// review, and returns what it prints.
func (s shell) run(t *testing.T, script string) string {
	t.Helper()
	first := `first() { sed -n "s/.*\"$1\": \"\{0,1\}\([0-9a-f-]*\).*/\1/p" | head -n 1; }` + "\n"
	script = strings.ReplaceAll(script, "DIGEST", "$(behov hold list --json | first digest)")
	script = strings.ReplaceAll(script, "ITEM", "$(behov review list --json | first item)")
	cmd := exec.Command("sh", "-e", "-c", first+script)
	cmd.Dir = s.dir
	for _, setting := range os.Environ() {
		if !strings.HasPrefix(setting, "BEHOV_") {
			cmd.Env = append(cmd.Env, setting)
		}
	}
	cmd.Env = append(append(cmd.Env, s.env...), "PATH="+s.bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, script, out)
	}
	return string(out)
}

// TestHelpTopics: behov help lists commands and topics, prints either, and suggests what is near.
func TestHelpTopics(t *testing.T) {
	help := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), append([]string{"help"}, args...), nil, &out, &out)
		return out.String(), err
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{nil, []string{"Available Commands:", "hold ", "Topics of the manual", "first-afternoon "}},
		{[]string{"holds"}, []string{"You want to know what behov does not do", "    $ behov hold list\n", "WHAT CAN GO WRONG"}},
		{[]string{"hold", "release"}, []string{"behov hold release DIGEST"}},
		{[]string{"audit"}, []string{"You want to ", "THE COMMAND BEHOV AUDIT", "Available Commands:", "who-had"}},
	} {
		out, err := help(c.args...)
		if err != nil {
			t.Errorf("help %v: %v", c.args, err)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("help %v has no %q:\n%s", c.args, want, out)
			}
		}
	}
	if out, _ := help("holds"); strings.Contains(out, "```") || strings.Contains(out, "sh run") || strings.Contains(out, "<!--") {
		t.Errorf("the page has marks for programs:\n%s", out)
	}
	for args, want := range map[string]string{"hlods": "did you mean holds?", "hold relase": "did you mean release?", "zzzzzz": "lists both", "holds list": "no topic"} {
		if _, err := help(strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("help %s: %v", args, err)
		}
	}
	// So does --help of a command, as before.
	var out bytes.Buffer
	if err := run(t.Context(), []string{"audit", "--help"}, nil, &out, &out); err != nil || strings.Contains(out.String(), "THE COMMAND") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// TestManPages: every command and every topic has a man page.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"help", "--man", dir}, nil, &out, &out); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"man7/behov-holds.7": "half.csv", "man1/behov.1": "first-afternoon", "man1/behov-hold-release.1": "DIGEST", "man1/behov-completion-bash.1": "bash"}
	for _, topic := range manual.Topics() {
		want["man7/behov-"+topic.Name+".7"] += ""
	}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.IsAvailableCommand() {
			want["man1/"+strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"] += ""
		}
		for _, below := range c.Commands() {
			walk(below)
		}
	}
	walk((&app{}).root())
	for name, text := range want {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || name != "man1/behov.1" && !strings.Contains(strings.ReplaceAll(string(b), `\`, ""), text) || !strings.Contains(string(b), ".SH") {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(string(b), "sh run") || strings.Contains(string(b), "<!--") {
			t.Errorf("%s has marks for programs", name)
		}
	}
}

func isError(p diagnostic.Problem) bool { return !p.Warning }
