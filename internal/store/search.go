package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/behov/behov/internal/identity"
)

var (
	wordRows    = inserts{table: "person_word", columns: []string{"word", "person_id"}}
	managerRows = inserts{table: "employment_manager", columns: []string{"source", "manager_key", "employment_id"}}
)

// searchWords returns the words that a person is found by, sorted.
func searchWords(texts ...string) []string {
	var words []string
	for _, text := range texts {
		text = strings.ToLower(text)
		parts := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '-' || r == ',' || r == '@' })
		words = append(words, parts...)
		if strings.Contains(text, "@") {
			words = append(words, text)
		}
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// wordValues are the rows of a person's words.
func wordValues(person identity.PersonID, texts ...string) []any {
	var rows []any
	for _, word := range searchWords(texts...) {
		rows = append(rows, word, string(person))
	}
	return rows
}

// putWords replaces the words that a person is found by.
func (tx *Tx) putWords(ctx context.Context, person identity.PersonID, texts ...string) error {
	if err := tx.exec(ctx, `DELETE FROM person_word WHERE person_id = $1`, string(person)); err != nil {
		return err
	}
	return tx.insert(ctx, wordRows, wordValues(person, texts...))
}

// managerValues are the rows of whom an employment names as manager, at any time.
func managerValues(e identity.Event) []any {
	var rows []any
	var named []string
	for _, t := range e.EmploymentFacts.Terms {
		if t.ManagerKey != "" && !slices.Contains(named, t.ManagerKey) {
			named = append(named, t.ManagerKey)
			rows = append(rows, e.Source, t.ManagerKey, string(e.Employment))
		}
	}
	return rows
}

// putManagers replaces whom an employment names as manager.
func (tx *Tx) putManagers(ctx context.Context, e identity.Event) error {
	if err := tx.exec(ctx, `DELETE FROM employment_manager WHERE employment_id = $1`, string(e.Employment)); err != nil {
		return err
	}
	return tx.insert(ctx, managerRows, managerValues(e))
}

// SearchPeople returns the IDs of at most so many people after an ID, sorted, each of whom
// has for every word of a text one that begins with it. Those whose identity is protected
// are not among them: who is found by a name is known by it.
func (db *DB) SearchPeople(ctx context.Context, text string, after identity.PersonID, most int) ([]identity.PersonID, error) {
	ids := []identity.PersonID{}
	words := searchWords(text)
	if len(words) == 0 {
		return ids, nil
	}
	// The longest word is the one that the fewest begin with.
	slices.SortStableFunc(words, func(a, b string) int { return len(b) - len(a) })
	args := []any{string(after), most}
	var conditions strings.Builder
	for _, word := range words[:min(len(words), maxWords)] {
		args = append(args, word, word+"\U0010FFFF")
		fmt.Fprintf(&conditions, " AND p.id IN (SELECT person_id FROM person_word WHERE word >= $%d AND word < $%d)", len(args)-1, len(args))
	}
	if err := db.read.SelectContext(ctx, &ids, `SELECT p.id FROM person p WHERE p.id > $1`+conditions.String()+` AND NOT p.protected AND NOT p.protected_by_hand
		AND NOT EXISTS (SELECT 1 FROM person o WHERE o.national_id_hash = p.national_id_hash AND (o.protected OR o.protected_by_hand)) ORDER BY p.id LIMIT $2`, args...); err != nil {
		return nil, fmt.Errorf("search people: %w", err)
	}
	return ids, nil
}

// maxWords is how many words of a search count.
const maxWords = 5

// PeopleAfter returns at most so many people after an ID, sorted by it.
func (db *DB) PeopleAfter(ctx context.Context, after identity.PersonID, most int) ([]identity.Person, error) {
	ids := []identity.PersonID{}
	if err := db.read.SelectContext(ctx, &ids, `SELECT id FROM person WHERE id > $1 ORDER BY id LIMIT $2`, string(after), most); err != nil {
		return nil, fmt.Errorf("read people: %w", err)
	}
	return db.PeopleByID(ctx, ids)
}

// PeopleUnder returns the people whom an employment of theirs says a manager has, at any
// time: what the source calls the manager is one of the keys.
func (db *DB) PeopleUnder(ctx context.Context, source string, keys []string) ([]identity.PersonID, error) {
	where, args := in(db.read, "m.manager_key", keys, []any{source})
	ids := []identity.PersonID{}
	if err := db.read.SelectContext(ctx, &ids, `SELECT DISTINCT e.person_id FROM employment_manager m JOIN employment e ON e.id = m.employment_id WHERE m.source = $1 AND `+where+` ORDER BY e.person_id`, args...); err != nil {
		return nil, fmt.Errorf("read a manager's people: %w", err)
	}
	return ids, nil
}
