package store_test

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// meantScans are the statements that read a whole table, or as much of it as
// there is of what they ask for, each with the reason why that is meant. A key is a
// part of the statement.
var meantScans = map[string]string{
	// There is one row.
	"FROM head":       "one row",
	"FROM master_key": "one row",
	// There are as many rows as targets, tokens, or holds that wait.
	"FROM target_state":            "one row for each target",
	"FROM api_token ORDER BY":      "all tokens are listed",
	"FROM hold ORDER BY raised_us": "all holds are listed",
	"FROM hold WHERE raised_us <":  "holds are few",
	"FROM hold GROUP BY subject":   "holds are few",
	// Verifying the trail compares all of it.
	"hash FROM audit_node":                                 "verifying compares all of it",
	"wrapped FROM person_key":                              "verifying opens all events",
	"payload_sealed FROM hr_event ORDER BY seq":            "verifying compares all of it",
	"stamp, formerly FROM person_source_key ORDER BY":      "verifying compares all of it",
	"WHERE formerly <> '' UNION SELECT formerly":           "verifying compares all of it",
	"phone, protected FROM person ORDER BY id":             "verifying compares all of it",
	"withdrawn_from, reported FROM employment ORDER BY id": "verifying compares all of it",
	// There are as many as a person has to look at.
	"FROM failing_step WHERE state":                    "what fails is counted",
	"FROM failing_step WHERE 1 = 1":                    "all that fails is listed",
	"FROM failing_step WHERE substr(key":               "a person gives the first digits of a key",
	"FROM open_step GROUP BY target":                   "what is under way is counted",
	"FROM step_decision WHERE decided_us <":            "what is decided and not done",
	"< $2) AND 1 = 1 ORDER BY step":                    "what is decided and not done",
	"FROM held_record h":                               "all who wait for a decision",
	"FROM access_interval WHERE unseen_us IS NOT NULL": "an index of these only",
	"FROM review_campaign WHERE scope = 'system' AND":  "an index of these only",
	"FROM review_campaign WHERE closed_us IS NULL":     "an index of these only",
	"FROM review_item i WHERE i.decision IS NULL":      "an index of these only",
	"verdict = 'change-rule')":                         "an index of these only",
	"FROM mfa_enrolment WHERE until_us IS NULL":        "an index of these only",
	"FROM account WHERE disabled_us <> 0":              "an index of these only",
	"FROM employment WHERE reported <> ''":             "an index of these only",
	"FROM audit_record WHERE action = 'rules.in-use'":  "an index of these only",
	"FROM review_item WHERE decision IS NULL":          "an index of these only",
	"FROM review_trigger":                              "two rows for each system",
	"FROM access_request WHERE state = 'waiting'":      "an index of these only",
	"(o.protected OR o.protected_by_hand)":             "PostgreSQL reads an index of the protected only",
	// What is about everyone.
	"SELECT id FROM person ORDER BY id":                                   "everybody",
	"SELECT COUNT(*) FROM person":                                         "everybody",
	"WHERE p.national_id_sealed IS NOT NULL AND 1 = 1":                    "everybody",
	"FROM hr_import WHERE 1 = 1 ORDER BY recorded_us DESC, id DESC LIMIT": "the newest, by an index",
	"FROM (SELECT id FROM review_campaign ORDER BY id DESC LIMIT":         "the newest, by an index",
	"FROM person_position":                                                "everybody",
	"FROM gated_grant WHERE 1 = 1":                                        "everybody",
	"FROM non_human_account WHERE 1 = 1":                                  "the register",
	"FROM access_interval WHERE 1 = 1":                                    "audit verify compares all",
	"given FROM access_interval WHERE until_us IS NULL ORDER BY":          "everybody's is counted",
	"FROM audit_record WHERE 1 = 1":                                       "audit verify reads all",
	"FROM decision ORDER BY seq":                                          "audit verify compares all",
	"'national-id' AS what":                                               "duplicates compare everybody",
	"WHERE LENGTH(key) >= 10":                                             "check looks at every key",
	"moved_us FROM outbound_cursor":                                       "a row for each stream",
	// They end with the first row that fits.
	"SELECT EXISTS (SELECT 1 FROM erased_record)":  "one row",
	"SELECT person_id FROM person_key LIMIT 1":     "one row",
	"SELECT seq FROM hr_event WHERE recorded_us <": "from the end, as many as came within an hour",
}

// TestNoStatementScans runs every statement of the package and asks both databases
// how they carry it out: one that reads a whole table, or a whole index, is named in
// meantScans. SQLite plans without statistics here, and PostgreSQL is told that a
// scan costs too much, so that a scan in a plan means that no index serves.
func TestNoStatementScans(t *testing.T) {
	used, databases := map[string]bool{}, 0
	onBothURLs(t, func(t *testing.T, url string) {
		rec := &recorder{plans: map[string][]string{}, postgres: strings.HasPrefix(url, "postgres")}
		db, err := store.OpenWrapped(t.Context(), url, newMaster(t), rec.wrap)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		databases++
		runEverything(t, db)
		whole, parts := statementsInSource(t)
		for place, text := range whole {
			name := strings.Join(strings.Fields(text), " ")
			if _, ran := rec.plans[name]; ran {
				continue
			}
			if rec.plans[name], err = store.Plan(t.Context(), db, text, rec.scans()); err != nil {
				t.Errorf("%s: %v", place, err)
			}
		}
		for _, query := range slices.Sorted(maps.Keys(rec.plans)) {
			if strings.Contains(query, "river_") || strings.Contains(query, "goose_") || strings.Contains(query, "sqlite_master") || strings.Contains(query, "pragma_table_info") || strings.Contains(query, "information_schema") || strings.HasSuffix(query, ";") {
				continue // not ours, or a migration
			}
			scans := rec.plans[query]
			if len(scans) == 0 {
				continue
			}
			meant := false
			for part := range meantScans {
				if strings.Contains(query, part) {
					meant, used[part] = true, true
				}
			}
			if !meant {
				t.Errorf("%s\n\t%s", query, strings.Join(scans, "\n\t"))
			}
		}
		for place, text := range parts {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(rec.plans)), func(q string) bool { return strings.Contains(q, text) }) {
				t.Errorf("%s: the test does not run %s", place, text)
			}
		}
	})
	for part := range meantScans {
		if !used[part] && databases == 2 {
			t.Errorf("no statement that scans has %q any more", part)
		}
	}
}

// TestScansAreNoticed: what a plan with a scan looks like in either database.
func TestScansAreNoticed(t *testing.T) {
	onBothURLs(t, func(t *testing.T, url string) {
		rec := &recorder{plans: map[string][]string{}, postgres: strings.HasPrefix(url, "postgres")}
		db, err := store.OpenWrapped(t.Context(), url, newMaster(t), rec.wrap)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for query, scans := range map[string]bool{
			`SELECT id FROM person WHERE phone = $1`:                                               true,
			`SELECT id FROM person WHERE id > $1 OR phone = $1`:                                    true,
			`SELECT id FROM person WHERE id = $1`:                                                  false,
			`SELECT p.id FROM person p JOIN employment e ON e.person_id = p.id WHERE p.email = $1`: false,
		} {
			if err := store.Query(t.Context(), db, query, "x"); err != nil {
				t.Fatal(err)
			}
			if got := len(rec.plans[strings.Join(strings.Fields(query), " ")]) > 0; got != scans {
				t.Errorf("%s: scans %v, want %v", query, got, scans)
			}
		}
	})
}

// recorder notes, by statement, the parts of its plan that scan.
type recorder struct {
	mu       sync.Mutex
	plans    map[string][]string
	postgres bool
}

// scans returns what finds the scans in a plan of the database.
func (r *recorder) scans() func(driver.Rows) ([]string, error) {
	if r.postgres {
		return postgresScans
	}
	return sqliteScans
}

func (r *recorder) wrap(c driver.Connector) driver.Connector { return recordingConnector{c, r} }

type recordingConnector struct {
	driver.Connector
	rec *recorder
}

func (c recordingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	both, ok := conn.(bothConn)
	if !ok {
		return nil, fmt.Errorf("%T lacks what a connection has", conn)
	}
	if c.rec.postgres {
		if _, err := both.ExecContext(ctx, `SET enable_seqscan = off`, nil); err != nil {
			return nil, err
		}
	}
	return &recordingConn{both, c.rec}, nil
}

// bothConn is what the connections of both databases implement.
type bothConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
}

type recordingConn struct {
	bothConn
	rec *recorder
}

func (c *recordingConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.bothConn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *recordingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.explain(ctx, query, args); err != nil {
		return nil, err
	}
	return c.bothConn.QueryContext(ctx, query, args)
}

func (c *recordingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.explain(ctx, query, args); err != nil {
		return nil, err
	}
	return c.bothConn.ExecContext(ctx, query, args)
}

func (c *recordingConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.bothConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return recordingStmt{stmt, c, query}, nil
}

type recordingStmt struct {
	driver.Stmt
	conn  *recordingConn
	query string
}

func (s recordingStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.conn.ExecContext(ctx, s.query, args)
}

func (s recordingStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.QueryContext(ctx, s.query, args)
}

func (c *recordingConn) explain(ctx context.Context, query string, args []driver.NamedValue) error {
	verb, _, _ := strings.Cut(strings.TrimSpace(query), " ")
	if !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}, verb) {
		return nil
	}
	c.rec.mu.Lock()
	defer c.rec.mu.Unlock()
	name := strings.Join(strings.Fields(query), " ")
	if _, known := c.rec.plans[name]; known {
		return nil
	}
	prefix, scans := "EXPLAIN QUERY PLAN ", c.rec.scans()
	if c.rec.postgres {
		prefix = "EXPLAIN (FORMAT JSON) "
	}
	rows, err := c.bothConn.QueryContext(ctx, prefix+query, args)
	if err != nil {
		return fmt.Errorf("explain %s: %w", name, err)
	}
	found, err := scans(rows)
	c.rec.plans[name] = found
	return errors.Join(err, rows.Close())
}

// sqliteScans returns the lines of a plan that read a whole table or index. Source:
// sqlite.org/eqp.html.
func sqliteScans(rows driver.Rows) (scans []string, err error) {
	values := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(values); errors.Is(err, io.EOF) {
			return scans, nil
		} else if err != nil {
			return nil, err
		}
		detail := fmt.Sprint(values[len(values)-1])
		if what, ok := strings.CutPrefix(detail, "SCAN "); ok && what != "CONSTANT ROW" && !strings.HasSuffix(what, "-ROW VALUES CLAUSE") && !strings.HasPrefix(what, "json_each") && !strings.HasPrefix(what, "one") && !strings.HasPrefix(what, "s") && !strings.HasPrefix(what, "(") {
			scans = append(scans, detail)
		}
		if strings.Contains(detail, "AUTOMATIC") {
			scans = append(scans, detail)
		}
	}
}

// postgresScans returns the parts of a plan that read a whole table, or an index
// without a condition.
func postgresScans(rows driver.Rows) (scans []string, err error) {
	values := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(values); err != nil {
		return nil, err
	}
	var text []byte
	switch v := values[0].(type) {
	case string:
		text = []byte(v)
	case []byte:
		text = v
	}
	var plans []struct{ Plan map[string]any }
	if err := json.Unmarshal(text, &plans); err != nil {
		return nil, fmt.Errorf("%T %s: %w", values[0], text, err)
	}
	var walk func(node map[string]any)
	walk = func(node map[string]any) {
		kind, _ := node["Node Type"].(string)
		_, condition := node["Index Cond"]
		if kind == "Seq Scan" || strings.Contains(kind, "Index") && strings.Contains(kind, "Scan") && !condition {
			scans = append(scans, fmt.Sprint(kind, " on ", node["Relation Name"], " ", node["Index Name"], " ", node["Filter"]))
		}
		children, _ := node["Plans"].([]any)
		for _, child := range children {
			if child, ok := child.(map[string]any); ok {
				walk(child)
			}
		}
	}
	walk(plans[0].Plan)
	return scans, nil
}

// statementsInSource returns the statements in this package, by place: those that
// stand there whole, and the beginnings of those that are put together.
func statementsInSource(t *testing.T) (whole, parts map[string]string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	whole, parts = map[string]string{}, map[string]string{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		joined := map[ast.Node]bool{}
		ast.Inspect(f, func(n ast.Node) bool {
			if b, ok := n.(*ast.BinaryExpr); ok {
				joined[b.X], joined[b.Y] = true, true
			}
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			if !joined[lit] && !strings.Contains(text, ":") { // no named parameters
				text = strings.TrimSpace(text)
			} else {
				text = strings.Join(strings.Fields(text), " ")
			}
			for _, verb := range []string{"SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "WITH "} {
				if strings.HasPrefix(text, verb) && len(text) > 30 && !strings.Contains(text, ":") && !strings.Contains(text, "river_job") && !strings.Contains(text, "sqlite_master") && !strings.Contains(text, "pragma_table_info") && !strings.Contains(text, "information_schema") {
					of := whole
					if joined[lit] {
						of = parts
					}
					of[set.Position(lit.Pos()).String()] = text
				}
			}
			return true
		})
	}
	return whole, parts
}

// runEverything calls every method of the database and of a transaction with made
// up arguments, so that each of its statements runs. What they answer is not asked
// here.
func runEverything(t *testing.T, db *store.DB) {
	t.Helper()
	ctx := t.Context()
	write(t, db, func(tx *store.Tx) error {
		if err := tx.RecordEvents(ctx, "x", nil, append(hire(1), hire(2)...)); err != nil {
			return err
		}
		if _, err := tx.KnownNationalIDs(ctx, []string{"197001010019"}); err != nil {
			return err
		}
		if err := tx.RecordImport(ctx, store.Import{ID: "x", Source: "x", Actor: "x", Status: store.ImportDone}, now, now); err != nil {
			return err
		}
		hold := store.Hold{Digest: "x", Kind: store.PlanHold, Subject: "x", Why: reason.Of(reason.Answer{Text: "x"}), Body: "[]"}
		if err := tx.RaiseHold(ctx, hold, []store.HoldStep{{Key: "x", Person: "x"}}, "x", now); err != nil {
			return err
		}
		_, err := tx.Decide(ctx, store.Decision{Kind: store.HoldDecision, Verdict: store.Release, Subject: "x", Maker: "x", Reason: "x"}, now)
		return err
	})
	for _, few := range []store.PersonSet{store.Everyone(), store.Only("0197-person-001"), store.Only("0197-person-001", "0197-person-002")} {
		for _, text := range []string{"x", "1001", "0197-person-001", ""} {
			a := arguments{t: t, ctx: ctx, few: few, text: text}
			callMethods(t, reflect.ValueOf(db), a)
			callMethods(t, reflect.ValueOf(db.AccountList("x")), a)
			for i := range reflect.TypeFor[*store.Tx]().NumMethod() {
				err := db.Write(ctx, func(tx *store.Tx) error {
					a.call(reflect.ValueOf(tx).Type().Method(i), reflect.ValueOf(tx).Method(i))
					return errRollBack
				})
				if err != nil && strings.Contains(err.Error(), "explain ") {
					t.Error(err)
				}
			}
		}
	}
}

var errRollBack = errors.New("nothing is to stay")

func callMethods(t *testing.T, of reflect.Value, a arguments) {
	t.Helper()
	for i := range of.NumMethod() {
		a.call(of.Type().Method(i), of.Method(i))
	}
}

// arguments makes up arguments for a method by their types.
type arguments struct {
	t    *testing.T
	ctx  context.Context
	few  store.PersonSet
	text string
}

func (a arguments) call(method reflect.Method, f reflect.Value) {
	switch method.Name {
	case "Close", "CopyFrom", "Write", "SetOperator", "Locks", "Jobs", "NewJobClient":
		return
	}
	defer func() {
		if r := recover(); r != nil && a.text != "" {
			a.t.Errorf("%s: %v", method.Name, r)
		}
	}()
	var args []reflect.Value
	for i := range f.Type().NumIn() {
		if f.Type().IsVariadic() && i == f.Type().NumIn()-1 {
			args = append(args, a.of(f.Type().In(i).Elem(), 0))
			continue
		}
		args = append(args, a.of(f.Type().In(i), 0))
	}
	for _, result := range f.Call(args) {
		if err, ok := result.Interface().(error); ok && strings.Contains(err.Error(), "explain ") {
			a.t.Errorf("%s: %v", method.Name, err)
		}
		if result.Kind() == reflect.Func && result.Type().NumIn() == 1 && !result.IsNil() { // an iterator
			yield := reflect.MakeFunc(result.Type().In(0), func(of []reflect.Value) []reflect.Value {
				if err, ok := of[len(of)-1].Interface().(error); ok && strings.Contains(err.Error(), "explain ") {
					a.t.Errorf("%s: %v", method.Name, err)
				}
				return []reflect.Value{reflect.ValueOf(true)}
			})
			result.Call([]reflect.Value{yield})
		}
	}
}

func (a arguments) of(t reflect.Type, depth int) reflect.Value {
	v := reflect.New(t).Elem()
	switch t {
	case reflect.TypeFor[context.Context]():
		return reflect.ValueOf(a.ctx)
	case reflect.TypeFor[time.Time]():
		return reflect.ValueOf(now)
	case reflect.TypeFor[store.PersonSet]():
		v.Set(reflect.ValueOf(a.few))
		return v
	case reflect.TypeFor[[]identity.PersonID]():
		v.Set(reflect.ValueOf(a.few.IDs()))
		return v
	case reflect.TypeFor[[]identity.Event](), reflect.TypeFor[identity.Precedence]():
		return v
	}
	if depth > 4 {
		return v
	}
	switch t.Kind() {
	case reflect.String:
		v.SetString(a.text)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Bool:
		v.SetBool(a.text == "x")
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte("x"))
			break
		}
		for range 2 {
			v = reflect.Append(v, a.of(t.Elem(), depth+1))
		}
	case reflect.Map:
		v = reflect.MakeMap(t)
		v.SetMapIndex(a.of(t.Key(), depth+1), a.of(t.Elem(), depth+1))
	case reflect.Struct:
		for i := range t.NumField() {
			if t.Field(i).IsExported() {
				v.Field(i).Set(a.of(t.Field(i).Type, depth+1))
			}
		}
	case reflect.Pointer:
		if t.Elem().Kind() == reflect.Struct {
			v = reflect.New(t.Elem())
			v.Elem().Set(a.of(t.Elem(), depth+1))
		}
	case reflect.Func:
		v.Set(reflect.MakeFunc(t, func([]reflect.Value) []reflect.Value {
			var out []reflect.Value
			for i := range t.NumOut() {
				out = append(out, reflect.Zero(t.Out(i)))
			}
			return out
		}))
	}
	return v
}
