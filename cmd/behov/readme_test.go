package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/behov/behov/internal/manual"
)

// readmeBlocks returns the README's code blocks.
func readmeBlocks(t *testing.T) []string {
	t.Helper()
	return blocksOf(pages(t)["README"])
}

// topicBlocks returns a topic's code blocks.
func topicBlocks(t *testing.T, name string) []string {
	t.Helper()
	return blocksOf(pages(t)[name])
}

func blocksOf(page string) []string {
	var all []string
	for _, block := range manual.Blocks(page) {
		all = append(all, block.Text)
	}
	return all
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

// TestReadmeNamesEveryTopic: the README sends its reader to every topic of the manual.
func TestReadmeNamesEveryTopic(t *testing.T) {
	readme := pages(t)["README"]
	for _, topic := range manual.Topics() {
		if !strings.Contains(readme, "`"+topic.Name+"`") && !strings.Contains(readme, "`behov help "+topic.Name+"`") {
			t.Errorf("the README does not name the topic %s", topic.Name)
		}
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

// TestManualTables: the tables of what targets can do and of who may decide what are
// those that the commands print.
func TestManualTables(t *testing.T) {
	for _, command := range []string{"connectors", "rights"} {
		var out bytes.Buffer
		if err := run(t.Context(), []string{command, "--markdown"}, nil, &out, &out); err != nil {
			t.Fatal(err)
		}
		want := "<!-- behov " + command + " --markdown -->\n" + out.String() + "<!-- end -->"
		if topic, _ := manual.Find(command); !strings.Contains(topic.Markdown, want) {
			t.Errorf("the topic's table is not the one that behov %s --markdown prints:\n%s", command, want)
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

// TestManualThirdParty: another module runs the suite on a connector of its own, as the
// topic about connectors shows.
func TestManualThirdParty(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a module")
	}
	blocks := topicBlocks(t, "connectors")
	i := slices.IndexFunc(blocks, func(b string) bool { return strings.Contains(b, "connectors/conformance\"") })
	if i < 0 {
		t.Fatal("the topic no longer shows how to run the suite")
	}
	snippet := strings.Replace(blocks[i], "import \"github.com/behov/behov/connectors/conformance\"\n", "", 1)
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
