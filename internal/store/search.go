package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/behov/behov/internal/identity"
)

var (
	wordRows    = inserts{table: "person_word", columns: []string{"word", "name", "person_id"}}
	unitRows    = inserts{table: "employment_unit", columns: []string{"unit", "employment_id"}}
	managerRows = inserts{table: "employment_manager", columns: []string{"source", "manager_key", "employment_id"}}
)

const (
	// wordLength is how many characters of a word, and of the name that sorts it, count. An
	// index of PostgreSQL takes no row of more than 2,704 bytes.
	wordLength = 64
	// maxWords is how many words of a search count.
	maxWords = 5
	// fewHave is how many people may have a word for all of them to be read.
	fewHave = 500
	// wordsRead is how many words one call reads in order, without those of protected people.
	wordsRead = 2000
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
	for i, word := range words {
		words[i] = firstRunes(word, wordLength)
	}
	slices.Sort(words)
	return slices.Compact(words)
}

func firstRunes(text string, most int) string {
	for i := range text {
		if most--; most < 0 {
			return text[:i]
		}
	}
	return text
}

// wordValues are the rows of a person's words.
func wordValues(person identity.PersonID, f identity.PersonFacts, login string) []any {
	var rows []any
	name := firstRunes(strings.ToLower(f.FamilyName+" "+f.GivenName), wordLength)
	for _, word := range searchWords(f.GivenName, f.FamilyName, f.Email, login) {
		rows = append(rows, word, name, string(person))
	}
	return rows
}

// putWords replaces the words that a person is found by.
func (tx *Tx) putWords(ctx context.Context, person identity.PersonID, f identity.PersonFacts, login string) error {
	if err := tx.exec(ctx, `DELETE FROM person_word WHERE person_id = $1`, string(person)); err != nil {
		return err
	}
	return tx.insert(ctx, wordRows, wordValues(person, f, login))
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

// unitValues are the rows of the units that an employment is in, at any time.
func unitValues(e identity.Event) []any {
	var rows []any
	var in []string
	for _, t := range e.EmploymentFacts.Terms {
		if t.Unit != "" && !slices.Contains(in, t.Unit) {
			in = append(in, t.Unit)
			rows = append(rows, t.Unit, string(e.Employment))
		}
	}
	return rows
}

// putPlaces replaces whom an employment names as manager, and the units that it is in.
func (tx *Tx) putPlaces(ctx context.Context, e identity.Event) error {
	if err := tx.exec(ctx, `DELETE FROM employment_manager WHERE employment_id = $1`, string(e.Employment)); err != nil {
		return err
	}
	if err := tx.exec(ctx, `DELETE FROM employment_unit WHERE employment_id = $1`, string(e.Employment)); err != nil {
		return err
	}
	if err := tx.insert(ctx, unitRows, unitValues(e)); err != nil {
		return err
	}
	return tx.insert(ctx, managerRows, managerValues(e))
}

// SearchPlace is where a search stands: at a person, by the first of their words that begins
// with the leading word of the text. Words are personal data: a place that leaves the process
// is sealed.
type SearchPlace struct {
	Word   string            `db:"word" json:"word"`
	Name   string            `db:"name" json:"name"`
	Person identity.PersonID `db:"person_id" json:"person"`
}

func (a SearchPlace) compare(b SearchPlace) int {
	return cmp.Or(strings.Compare(a.Word, b.Word), strings.Compare(a.Name, b.Name), cmp.Compare(a.Person, b.Person))
}

// Found is a part of what a search finds.
type Found struct {
	People []SearchPlace // in order
	// More is set when there may be more after End.
	More bool
	End  SearchPlace
	Read int // how many words were read
}

// SearchPeople returns at most so many of the people after a place, each of whom has for
// every word of a text one that begins with it. They are in the order of the word that begins
// with the longest one of the text, and of the name among those with the same. It looks at a
// bounded number of words: Found may have fewer people and still not be the end. Those whose
// identity is protected are not among them, and nothing but the time it takes depends on them:
// who is found by a name is known by it.
func (db *DB) SearchPeople(ctx context.Context, text string, among PersonSet, after SearchPlace, most int) (Found, error) {
	words := searchWords(text)
	if len(words) == 0 || most <= 0 {
		return Found{}, nil
	}
	slices.SortStableFunc(words, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	words = words[:min(len(words), maxWords)]
	if among.all {
		few, are, err := db.fewWith(ctx, words[1:])
		if err != nil {
			return Found{}, err
		}
		if !are {
			return db.searchInOrder(ctx, words, after, most)
		}
		among = few
	}
	return db.searchAmong(ctx, words, among, after, most)
}

// fewWith returns the people who have one of the words, the first that few have.
func (db *DB) fewWith(ctx context.Context, words []string) (PersonSet, bool, error) {
	for _, word := range words {
		var ids []identity.PersonID
		if err := db.read.SelectContext(ctx, &ids, `SELECT person_id FROM person_word WHERE word >= $1 AND word < $2 LIMIT $3`, word, afterPrefix(word), fewHave+1); err != nil {
			return PersonSet{}, false, fmt.Errorf("search people: %w", err)
		}
		if len(ids) <= fewHave {
			return Only(ids...), true, nil
		}
	}
	return PersonSet{}, false, nil
}

// afterPrefix sorts after every word that begins with a prefix.
func afterPrefix(word string) string { return word + "\U0010FFFF" }

// searchRow is a word that a search looks at, and what becomes of it.
type searchRow struct {
	SearchPlace
	Fate fate `db:"fate"`
}

type fate int

const (
	passedOver fate = iota
	matches
	shielded
)

// fateOf is the SQL of what becomes of a person's word, which f has: whether the person has
// the other words and, when it matters, no earlier one that begins with the first. Each
// condition looks into an index once. A subquery with LIMIT is one that PostgreSQL carries out
// for each row, and does not join.
func fateOf(words []string, dedupe bool, args []any) (string, []any) {
	var b strings.Builder
	fmt.Fprintf(&b, `CASE WHEN (SELECT 1 FROM person p WHERE p.id = f.person_id AND (p.protected OR p.protected_by_hand
		OR EXISTS (SELECT 1 FROM person o WHERE o.national_id_hash = p.national_id_hash AND (o.protected OR o.protected_by_hand))) LIMIT 1) IS NOT NULL THEN %d`, shielded)
	for _, word := range words[1:] {
		args = append(args, word, afterPrefix(word))
		fmt.Fprintf(&b, ` WHEN (SELECT 1 FROM person_word w WHERE w.person_id = f.person_id AND w.word >= $%d AND w.word < $%d LIMIT 1) IS NULL THEN %d`, len(args)-1, len(args), passedOver)
	}
	if dedupe {
		args = append(args, words[0])
		fmt.Fprintf(&b, ` WHEN (SELECT 1 FROM person_word w WHERE w.person_id = f.person_id AND w.word >= $%d AND w.word < f.word LIMIT 1) IS NOT NULL THEN %d`, len(args), passedOver)
	}
	fmt.Fprintf(&b, ` ELSE %d END AS fate`, matches)
	return b.String(), args
}

// searchInOrder reads the words that begin with the first one in their order.
func (db *DB) searchInOrder(ctx context.Context, words []string, after SearchPlace, most int) (Found, error) {
	f := Found{End: after}
	if after.compare(SearchPlace{Word: words[0]}) < 0 {
		f.End = SearchPlace{Word: words[0]}
	}
	for size := max(2*most, 64); ; size *= 2 {
		size = min(size, wordsRead)
		becomes, args := fateOf(words, true, []any{f.End.Word, f.End.Name, string(f.End.Person), afterPrefix(words[0]), size})
		var rows []searchRow
		if err := db.read.SelectContext(ctx, &rows, `SELECT f.word, f.name, f.person_id, `+becomes+` FROM (SELECT word, name, person_id FROM person_word
			WHERE (word, name, person_id) > ($1, $2, $3) AND word < $4 ORDER BY word, name, person_id LIMIT $5) f ORDER BY f.word, f.name, f.person_id`, args...); err != nil {
			return f, fmt.Errorf("search people: %w", err)
		}
		for _, row := range rows {
			if row.Fate == shielded {
				continue
			}
			f.Read++
			f.End = row.SearchPlace
			if row.Fate == matches {
				f.People = append(f.People, row.SearchPlace)
			}
			if f.More = len(f.People) == most || f.Read == wordsRead; f.More {
				return f, nil
			}
		}
		if len(rows) < size {
			return f, nil
		}
		f.End = rows[size-1].SearchPlace
	}
}

// searchAmong looks at the words of the given people.
func (db *DB) searchAmong(ctx context.Context, words []string, among PersonSet, after SearchPlace, most int) (Found, error) {
	var f Found
	for page := range slices.Chunk(among.ids, peoplePage) {
		becomes, args := fateOf(words, false, []any{words[0], afterPrefix(words[0])})
		where, args := in(db.read, "person_id", page, args)
		var rows []searchRow
		if err := db.read.SelectContext(ctx, &rows, `SELECT f.word, f.name, f.person_id, `+becomes+` FROM (SELECT MIN(word) AS word, MIN(name) AS name, person_id FROM person_word
			WHERE word >= $1 AND word < $2 AND `+where+` GROUP BY person_id) f`, args...); err != nil {
			return f, fmt.Errorf("search people: %w", err)
		}
		for _, row := range rows {
			if row.Fate == matches && row.compare(after) > 0 {
				f.People = append(f.People, row.SearchPlace)
			}
		}
		f.Read += len(page)
	}
	slices.SortFunc(f.People, SearchPlace.compare)
	if f.More = len(f.People) > most; f.More {
		f.People = f.People[:most]
		f.End = f.People[most-1]
	}
	return f, nil
}

// PeopleAfter returns at most so many people after an ID, sorted by it.
func (db *DB) PeopleAfter(ctx context.Context, after identity.PersonID, most int) ([]identity.Person, error) {
	ids := []identity.PersonID{}
	if err := db.read.SelectContext(ctx, &ids, `SELECT id FROM person WHERE id > $1 ORDER BY id LIMIT $2`, string(after), most); err != nil {
		return nil, fmt.Errorf("read people: %w", err)
	}
	return db.PeopleByID(ctx, ids)
}

// PeopleInUnit returns at most so many people after an ID, sorted by it, of whom an employment
// is in the unit itself, at any time.
func (db *DB) PeopleInUnit(ctx context.Context, unit string, after identity.PersonID, most int) ([]identity.Person, error) {
	ids := []identity.PersonID{}
	if err := db.read.SelectContext(ctx, &ids, `SELECT DISTINCT e.person_id FROM employment_unit u JOIN employment e ON e.id = u.employment_id WHERE u.unit = $1 AND e.person_id > $2 ORDER BY e.person_id LIMIT $3`, unit, string(after), most); err != nil {
		return nil, fmt.Errorf("read a unit's people: %w", err)
	}
	return db.PeopleByID(ctx, ids)
}

// PeopleInUnits returns, sorted, the people of whom an employment is in one of the units
// itself, at any time.
func (db *DB) PeopleInUnits(ctx context.Context, units []string) ([]identity.PersonID, error) {
	var ids []identity.PersonID
	for page := range slices.Chunk(units, peoplePage) {
		where, args := in(db.read, "u.unit", page, nil)
		var some []identity.PersonID
		if err := db.read.SelectContext(ctx, &some, `SELECT DISTINCT e.person_id FROM employment_unit u JOIN employment e ON e.id = u.employment_id WHERE `+where, args...); err != nil {
			return nil, fmt.Errorf("read the people of units: %w", err)
		}
		ids = append(ids, some...)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
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
