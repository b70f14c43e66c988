package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// readmeBlocks returns the README's code blocks.
func readmeBlocks(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	var block *strings.Builder
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		line := s.Text()
		switch {
		case block != nil && line == "```":
			blocks = append(blocks, block.String())
			block = nil
		case block != nil:
			block.WriteString(line + "\n")
		case strings.HasPrefix(line, "```"):
			block = &strings.Builder{}
		}
	}
	return blocks
}

// TestReadmeCommands runs what the README tells a stranger to run, in its own
// words, and finds what the README says will be seen.
func TestReadmeCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the command")
	}
	blocks := readmeBlocks(t)
	i := slices.IndexFunc(blocks, func(b string) bool { return strings.Contains(b, "./behov init") })
	if i < 0 {
		t.Fatal("the README no longer says how to start")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := strings.Replace(blocks[i], "go build -o behov ./cmd/behov", "go build -C "+root+" -o "+dir+"/behov ./cmd/behov", 1)
	// plan's exit status says that there are changes, which is no failure.
	script = strings.Replace(script, "mykommun plan\n", "mykommun plan || test $? -eq 2\n", 1)
	cmd := exec.Command("sh", "-e", "-c", script)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	answer := blocks[slices.IndexFunc(blocks, func(b string) bool { return strings.HasPrefix(b, "library:loans: has not") })]
	if !strings.Contains(string(out), strings.TrimSpace(answer)) {
		t.Errorf("the README says that explain answers\n%s\nand the commands print\n%s", answer, out)
	}
	if again, err := exec.Command(dir+"/behov", "-c", dir+"/mykommun", "plan").CombinedOutput(); err != nil {
		t.Errorf("after apply there is still something to do: %v\n%s", err, again)
	}
}

// TestReadmeNamesRealCommands: every command in the README's table exists.
func TestReadmeNamesRealCommands(t *testing.T) {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	root := (&app{}).root()
	found := 0
	for piece := range strings.SplitSeq(string(b), "`") {
		words := strings.Fields(strings.ReplaceAll(piece, "\\|", "|"))
		if len(words) < 2 || words[0] != "behov" || strings.Contains(piece, "\n") {
			continue
		}
		found++
		cmd, _, err := root.Find(words[1:])
		if err != nil || cmd == root {
			t.Errorf("`%s`: %v", piece, err)
			continue
		}
		for _, w := range words {
			if name, ok := strings.CutPrefix(w, "--"); ok && cmd.Flags().Lookup(name) == nil && name != "json" && name != "help" {
				t.Errorf("`%s`: %s has no flag --%s", piece, cmd.CommandPath(), name)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d commands found in the README", found)
	}
}

// TestReadmeDemo runs the README's first command, with --once: it exits with
// an error when a step did not come true in the targets.
func TestReadmeDemo(t *testing.T) {
	if !slices.Contains(readmeBlocks(t), "go run ./cmd/behov demo\n") {
		t.Fatal("the README's first command is another")
	}
	var out, errs bytes.Buffer
	err := run(context.Background(), []string{"demo", "--once"}, nil, &out, &errs)
	if err != nil {
		var e exit
		t.Fatalf("%v (%t)\n%s%s", err, errors.As(err, &e), out.String(), errs.String())
	}
	if strings.Contains(out.String(), "✗") || strings.Count(out.String(), "✓") < 25 {
		t.Errorf("the demo tells\n%s", out.String())
	}
}

// TestReadmeTables: the tables of what targets can do and of who may decide what are
// those that the commands print.
func TestReadmeTables(t *testing.T) {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"connectors", "rights"} {
		var out bytes.Buffer
		if err := run(t.Context(), []string{command, "--markdown"}, nil, &out, &out); err != nil {
			t.Fatal(err)
		}
		want := "<!-- behov " + command + " --markdown -->\n" + out.String() + "<!-- end -->"
		if !strings.Contains(string(b), want) {
			t.Errorf("the README's table is not the one that behov %s --markdown prints:\n%s", command, want)
		}
	}
}

// TestConnectors: each kind has something to say of every ability.
func TestConnectors(t *testing.T) {
	for _, args := range [][]string{{"connectors"}, {"connectors", "--json"}} {
		var out bytes.Buffer
		if err := run(t.Context(), args, nil, &out, &out); err != nil || !strings.Contains(out.String(), "temporary access passes") {
			t.Errorf("%v: %v\n%s", args, err, out.String())
		}
	}
	for _, kind := range []string{"ldap", "memory", "scim", "graph"} {
		var out bytes.Buffer
		if err := run(t.Context(), []string{"connectors", kind}, nil, &out, &out); err != nil || strings.Contains(out.String(), " -    \n") {
			t.Errorf("%s: %v\n%s", kind, err, out.String())
		}
		for line := range strings.Lines(out.String()) {
			if strings.HasSuffix(strings.TrimSpace(line), " -") {
				t.Errorf("%s does not say why not: %s", kind, line)
			}
		}
	}
	if err := run(t.Context(), []string{"connectors", "fax"}, nil, &bytes.Buffer{}, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "there are") {
		t.Errorf("an unknown kind: %v", err)
	}
}

// TestReadmeThirdParty: another person runs the suite on a connector of their
// own, in a module of their own, as the README shows.
func TestReadmeThirdParty(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a module")
	}
	i := slices.IndexFunc(readmeBlocks(t), func(b string) bool { return strings.Contains(b, "connectors/conformance\"") })
	if i < 0 {
		t.Fatal("the README no longer shows how to run the suite")
	}
	snippet := strings.Replace(readmeBlocks(t)[i], "import \"github.com/behov/behov/connectors/conformance\"\n", "", 1)
	snippet = strings.Replace(snippet, "Attributes: …", "Attributes: func(string) map[string][]string { return nil }", 1)
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	requires := strings.Replace(string(mod), "module github.com/behov/behov", "module example.org/mine", 1)
	for name, text := range map[string]string{
		"go.mod": requires + "\nrequire github.com/behov/behov v0.0.0\n\nreplace github.com/behov/behov => " + root + "\n",
		"go.sum": string(sum),
		"mine_test.go": `package mine

import (
	"testing"

	"github.com/behov/behov/connectors/conformance"
	"github.com/behov/behov/connectors/memory"
)

` + strings.Replace(snippet, "		// A target of its own", `		mine, err := memory.New(memory.Config{Groups: []string{"staff", "finance"}})
		if err != nil {
			t.Fatal(err)
		}
		// A target of its own`, 1),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "test", "-mod=mod", "-v", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOPROXY=off", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if !strings.Contains(string(out), "--- PASS: TestConformance/accounts/update") {
		t.Fatalf("%v\n%s", err, out)
	}
	// What the connector claims and the fixture lacks, the suite asks for.
	if !strings.Contains(string(out), "the fixture needs Reference") || !strings.Contains(string(out), "SetMFA") {
		t.Errorf("it does not say what else it wants:\n%s", out)
	}
}
