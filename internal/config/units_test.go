package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/unicode/norm"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/testenv"
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
		said[i] = testenv.ErrorText(p)
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
	if loaded, said := loadUnits(t, dir, export+"skola å;office;x\nskola\u00a0å;office;y\n"); loaded != nil || !strings.Contains(strings.Join(said, "\n"), "is defined twice") {
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

// TestUnitsHaveTheSettingsOfSources: the sheet, the row of the names, rows that are
// none, and what stands in an empty field.
func TestUnitsHaveTheSettingsOfSources(t *testing.T) {
	load := func(settings, name string, content []byte) (*config.Config, []string) {
		t.Helper()
		dir, _ := hrUnits(t)
		edit(t, dir, "behov.yaml", "units: {file: enheter.csv, columns: {unit: ENHET, parent: ÖVERENHET, name: BENÄMNING}}", "units: {file: "+name+", columns: {unit: Enhet, parent: överenhet}"+settings+"}")
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
		c, problems := config.Load(dir)
		var said []string
		for _, p := range problems {
			said = append(said, testenv.ErrorText(p))
		}
		return c, said
	}
	_, export := hrUnits(t)
	_, tree, _ := strings.Cut(export, "\n")
	tree = strings.Replace(tree, "kommun;;", "kommun;-;", 1)
	text := "ENHET;ÖVERENHET;BENÄMNING\nold;;\nENHET;ÖVERENHET;BENÄMNING\n" + tree + "Totalt;;\n0099;;\n"
	const settings = ", header_row: 3, skip: {column: enhet, values: [Totalt, 0099]}, empty: [\"-\"]"
	c, said := load(settings, "enheter.csv", []byte(text))
	if c == nil || len(said) > 0 || c.Rules.Units.Has("Totalt") || c.Rules.Units.Has("old") || !c.Rules.Units.On("2026-01-01").Under("finance", "kommun") {
		t.Fatalf("csv: %v", said)
	}
	f := excelize.NewFile()
	if _, err := f.NewSheet("Organisation"); err != nil {
		t.Fatal(err)
	}
	for tab, text := range map[string]string{"Organisation": text, "Sheet1": strings.ReplaceAll(text, "kommun", "gammal")} {
		for n, line := range strings.Split(strings.TrimSpace(text), "\n") {
			for k, v := range strings.Split(line, ";") {
				cell, _ := excelize.CoordinatesToCellName(k+1, n+1)
				if err := f.SetCellStr(tab, cell, v); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	b, err := f.WriteToBuffer()
	if err != nil {
		t.Fatal(err)
	}
	c, said = load(settings+", sheet: organisation", "enheter.xlsx", b.Bytes())
	if c == nil || !c.Rules.Units.Has("kommun") || c.Rules.Units.Has("gammal") || len(said) != 1 || !strings.Contains(said[0], `the sheet "Sheet1"`) || !strings.Contains(said[0], "(hr.units.sheet)") {
		t.Errorf("xlsx: %v", said)
	}
	for wrong, want := range map[string]string{", header_row: -1": "the line of the column names", ", skip: {column: Nr, values: [x]}": `there is no column "Nr", of which hr.units.skip names values`, ", skip: {column: ENHET}": "rows that are none"} {
		if _, said := load(wrong, "enheter.csv", []byte(text)); !strings.Contains(strings.Join(said, "\n"), want) {
			t.Errorf("%s: %v", wrong, said)
		}
	}
}
