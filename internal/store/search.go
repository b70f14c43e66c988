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
	var named []identity.SourceKey
	for _, t := range e.EmploymentFacts.Terms {
		if key := t.Manager(e.Source); key.Key != "" && !slices.Contains(named, key) {
			named = append(named, key)
			rows = append(rows, key.Source, key.Key, string(e.Employment))
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
	words = words[:min(len(words), maxWords)]
	rare, err := db.rarest(ctx, words)
	if err != nil {
		return nil, err
	}
	args := []any{string(after), most}
	var conditions strings.Builder
	for i, word := range words {
		args = append(args, word, afterPrefix(word))
		// Of what few have, those few are read; of what many have, people are asked one after
		// another whether they have it, and the first soon do.
		condition := " AND EXISTS (SELECT 1 FROM person_word w WHERE w.person_id = p.id AND w.word >= $%d AND w.word < $%d)"
		if i == rare {
			condition = " AND p.id IN (SELECT person_id FROM person_word WHERE word >= $%d AND word < $%d)"
		}
		fmt.Fprintf(&conditions, condition, len(args)-1, len(args))
	}
	if err := db.read.SelectContext(ctx, &ids, `SELECT p.id FROM person p WHERE p.id > $1`+conditions.String()+` AND NOT p.protected AND NOT p.protected_by_hand
		AND NOT EXISTS (SELECT 1 FROM person o WHERE o.national_id_hash = p.national_id_hash AND (o.protected OR o.protected_by_hand)) ORDER BY p.id LIMIT $2`, args...); err != nil {
		return nil, fmt.Errorf("search people: %w", err)
	}
	return ids, nil
}

const (
	// maxWords is how many words of a search count.
	maxWords = 5
	// fewHave is how many people may have a word for it to be one that few have.
	fewHave = 2000
)

// afterPrefix sorts after every word that begins with a prefix.
func afterPrefix(word string) string { return word + "\U0010FFFF" }

// rarest returns the index of the word that the fewest people have, or -1 when many have
// each. It counts no further than it has to.
func (db *DB) rarest(ctx context.Context, words []string) (int, error) {
	rare, fewest := -1, fewHave
	for i, word := range words {
		var n int
		if err := db.read.GetContext(ctx, &n, `SELECT COUNT(*) FROM (SELECT 1 FROM person_word WHERE word >= $1 AND word < $2 LIMIT $3) few`, word, afterPrefix(word), fewHave); err != nil {
			return -1, fmt.Errorf("search people: %w", err)
		}
		if n < fewest {
			rare, fewest = i, n
		}
	}
	return rare, nil
}

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
