package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
)

// hrUnits is a configuration whose units come from HR's own export.
func hrUnits(t testing.TB) (dir, export string) {
	t.Helper()
	dir = example(t)
	edit(t, dir, "behov.yaml", "  sources:\n", "  units: {file: enheter.csv, columns: {unit: ENHET, parent: ÖVERENHET, name: BENÄMNING}}\n  sources:\n")
	edit(t, dir, "behov.yaml", "  units: units.csv ", "  # units: ")
	own, err := os.ReadFile(filepath.Join(dir, "units.csv"))
	if err != nil {
		t.Fatal(err)
	}
	export = "ENHET;ÖVERENHET;BENÄMNING\n"
	for line := range strings.Lines(string(own)) {
		if f := strings.Split(strings.TrimSpace(line), ","); len(f) >= 3 && f[0] != "unit" && !strings.HasPrefix(line, "#") {
			export += f[0] + ";" + f[1] + ";" + f[2] + "\n"
		}
	}
	return dir, export
}

func loadUnits(t testing.TB, dir, export string) (*config.Config, []string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "enheter.csv"), []byte(export), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, problems := config.Load(dir)
	said := make([]string, len(problems))
	for i, p := range problems {
		said[i] = p.Error()
	}
	return loaded, said
}

// TestUnitsThatLookEqualAreEqual: units and the names of columns are read in one
// form, whatever bytes HR writes them in, and empty rows are nothing.
func TestUnitsThatLookEqualAreEqual(t *testing.T) {
	dir, export := hrUnits(t)
	for name, text := range map[string]string{
		"NFD":        norm.NFD.String(export + "skola å;office;Skolan Ä\n"),
		"zero width": export + "\u200bskola\u00a0 å\u00ad;\ufeffoffice;Skolan\u2003Ä\n",
		"empty rows": export + ";;\n ; ;\u00a0\nskola å;office;Skolan Ä\n;\n",
	} {
		loaded, said := loadUnits(t, dir, text)
		if loaded == nil || len(said) > 0 {
			t.Fatalf("%s: %v", name, said)
		}
		if u := loaded.Rules.Units; u.Name("skola å") != "Skolan Ä" || !u.On("2026-01-01").Under("skola å", "office") {
			t.Errorf("%s: %q", name, u.IDs())
		}
	}
	if loaded, said := loadUnits(t, dir, export+"skola å;office;x\nskola\u00a0å;office;y\n"); loaded != nil || !strings.Contains(strings.Join(said, "\n"), "is there twice") {
		t.Errorf("twice, but for its bytes: %v", said)
	}
}

// TestAUnitWithACutLetterIsNamed: the bytes of a letter that was cut are no unit,
// and the file is not read in another encoding for them.
func TestAUnitWithACutLetterIsNamed(t *testing.T) {
	dir, export := hrUnits(t)
	loaded, said := loadUnits(t, dir, export+"f\xc3rskola;office;x\n")
	if loaded != nil || !strings.Contains(strings.Join(said, "\n"), ":1: column ENHET: it has a character that was lost on the way") {
		t.Errorf("%v", said)
	}
}

// TestUnitsWithTooManyProblemsAreNotReadOn: what is wrong with a file that is no
// export of units costs little.
func TestUnitsWithTooManyProblemsAreNotReadOn(t *testing.T) {
	dir, export := hrUnits(t)
	loaded, said := loadUnits(t, dir, export+strings.Repeat("office;x\n", 1<<19))
	if loaded != nil || len(said) > 11_000 || !strings.Contains(strings.Join(said, "\n"), "there are more than 10000 problems") {
		t.Errorf("%d problems", len(said))
	}
}

// FuzzUnitsFromHR: whatever HR writes for units is read or said to be wrong, a
// line for each thing, and what is read is clean.
func FuzzUnitsFromHR(f *testing.F) {
	dir, export := hrUnits(f)
	f.Add([]byte(export))
	f.Add([]byte(norm.NFD.String(export)))
	f.Add([]byte(export + ";;\nf\xc3rskola;office;x\n"))
	f.Add([]byte(`[{"ENHET": "a", "ÖVERENHET": "", "BENÄMNING": "\u200bx"}]`))
	f.Add([]byte(strings.Repeat("a;b\n", 2000)))
	f.Fuzz(func(t *testing.T, text []byte) {
		loaded, said := loadUnits(t, dir, string(text))
		if loaded == nil && len(said) == 0 {
			t.Fatal("it does not load and nothing is said")
		}
		for _, s := range said {
			if strings.ContainsAny(s, "\r\n") || len(s) > 8192 {
				t.Fatalf("it says %d bytes: %.200q", len(s), s)
			}
		}
		if loaded == nil {
			return
		}
		for _, id := range loaded.Rules.Units.IDs() {
			if id == "" || id != identity.CleanText(id) {
				t.Fatalf("a unit is %q", id)
			}
		}
	})
}
