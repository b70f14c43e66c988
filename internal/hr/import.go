package hr

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/behov/behov/internal/alert"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// Report is the result of an import.
type Report struct {
	Source string `json:"source"`
	// Name is the file's name, or the place it was read from.
	Name string `json:"name"`
	// Refused is why nothing of it was read; nil when it was.
	Refused  *diagnostic.Problem  `json:"refused,omitempty"`
	Rows     int                  `json:"rows"`
	Problems []diagnostic.Problem `json:"problems,omitempty"`
	// Counts is the number of events by kind.
	Counts map[identity.Kind]int `json:"counts"`
	Events int                   `json:"events"`
	// Late is the number of events that took effect before they were recorded.
	Late int `json:"late,omitempty"`
	// Joined is the number of records that were matched with known people, by
	// their national identity number.
	Joined int `json:"joined,omitempty"`
	// LeftOut counts rows that were not taken: bad ones, and those of people of whom
	// another row is. Questions counts rows that were taken and may be those of
	// a known person, Warnings what else a person should look at.
	LeftOut int `json:"left_out,omitempty"`
	// LeftOutNamed counts those that a problem names by their line. The others go with
	// them: they are of the same people or employments, or have the same mistake.
	LeftOutNamed int `json:"left_out_named,omitempty"`
	Questions    int `json:"questions,omitempty"`
	Warnings     int `json:"warnings,omitempty"`
	// Postponed counts the running employments of which the source says that they
	// begin in the future: they stay as they are until a person decides.
	Postponed int `json:"postponed,omitempty"`
	// Erased is the number of rows that were left out because they are of erased
	// people and of employments that have ended.
	Erased int `json:"erased,omitempty"`
	// EndingsWait reports that rows could not be attributed, or that the export
	// may be truncated, so that no employment was ended. EndingsHeld is set when
	// one would have been.
	EndingsWait bool             `json:"endings_wait,omitempty"`
	EndingsHeld *store.HoldState `json:"endings_held,omitempty"`
	// StartsHeld holds, for a delta, the undecided holds of starts that move into
	// the future.
	StartsHeld []store.HoldState `json:"starts_held,omitempty"`
	// Held is set when the import as a whole is held. A decision with it, or with
	// EndingsHeld, rejected it when the same was imported before.
	Held *store.HoldState `json:"held,omitempty"`
}

// Importer imports HR sources into the database.
type Importer struct {
	DB     *store.DB
	Config *config.Config
	Now    func() time.Time
	Actor  identity.Actor
	// Progress, when set, is called with the number of recorded events and their
	// total.
	Progress func(done, total int)
}

// Delivery is one export or set of changes of a source.
type Delivery struct {
	Source config.Source
	Name   string // of the file, or of the place it was read from
	// Hash is SHA-256 of what was read, in hex.
	Hash string
	// ExportedAt is when the source made it, UTC; the zero time when unknown.
	// Stated reports that an operator stated it, and that it is not the file's
	// modification time.
	ExportedAt       time.Time
	ExportTimeStated bool
	// ExportTimeWarning is what ExportedAt warned of; none for nothing.
	ExportTimeWarning reason.Reason
	// Current: the operator says that it is what holds now, whatever went in before.
	Current bool
	Export  *Export
	// ByHand: the importer's actor chose it, and caused what follows from it. It was
	// not read from where the configuration says.
	ByHand bool
	// Hired, when set, decides on a hire that was reported, in the import's transaction: the
	// person is the hired one, whom another record may have made known before.
	Hired func(ctx context.Context, tx *store.Tx, p identity.Person, e identity.EmploymentID) (store.Decision, error)
	// Position is, for sources with a cursor, the position after this delivery;
	// nil for others.
	Position *store.Position
	// AlsoCommit, when set, runs at the end of the import's transaction; its
	// error rolls back both.
	AlsoCommit func(tx *store.Tx) error
}

// OutdatedExportError is returned for an export that is older than the last
// imported one.
type OutdatedExportError struct{ Reason reason.Reason }

func (e *OutdatedExportError) Error() string { return e.Reason.JSON() }

// Because returns the reason.
func (e *OutdatedExportError) Because() reason.Reason { return e.Reason }

// Today is the organisation's date.
func (im *Importer) Today() identity.Date { return identity.DateOf(im.Now(), im.Config.Zone) }

// Import imports a file. Bad rows are in the report; an error means that nothing
// was imported.
func (im *Importer) Import(ctx context.Context, file string, content []byte, source config.Source) (*Report, error) {
	export, err := Read(file, content, source, im.Config.Attributes, im.Config.Rules.Units, im.Today())
	if err != nil {
		return nil, err
	}
	return im.Deliver(ctx, Delivery{Source: source, Name: file, Hash: HashOf(content), Export: export})
}

// ImportByHand imports a file that the importer's actor chose. A file that cannot be read
// is recorded as refused, and the error says why.
func (im *Importer) ImportByHand(ctx context.Context, content []byte, d Delivery) (*Report, error) {
	d.Hash, d.ByHand = HashOf(content), true
	export, err := Read(d.Name, content, d.Source, im.Config.Attributes, im.Config.Rules.Units, im.Today())
	if err != nil {
		return nil, errors.Join(err, im.Refuse(ctx, d.Source, d.Name, d.Hash, err))
	}
	d.Export = export
	return im.Deliver(ctx, d)
}

// holdDigest returns the digest of a delivery's hold.
func holdDigest(source, hash string) audit.HoldDigest {
	sum := sha256.Sum256([]byte(source + "\x00" + hash))
	return audit.HoldDigest(hex.EncodeToString(sum[:8]))
}

// endingsDigest returns the digest of the hold of a delivery's endings.
func endingsDigest(source, hash string) audit.HoldDigest {
	return holdDigest(source, hash+"\x00endings")
}

// released reports whether a person has released the hold with the digest.
func (im *Importer) released(ctx context.Context, digest audit.HoldDigest) (bool, error) {
	decision, err := im.DB.HoldDecision(ctx, digest)
	return decision != nil && decision.Verdict == store.Release, err
}

// imported reports whether the source's last import had this content, and none of
// it is pending.
func (im *Importer) imported(ctx context.Context, source config.Source, hash string) (bool, error) {
	last, err := im.DB.LastImport(ctx, source.Name)
	if err != nil || last == nil || last.FileHash != hash {
		return false, err
	}
	released, err := im.released(ctx, endingsDigest(source.Name, hash))
	if err != nil || released {
		return false, err
	}
	decided, err := im.startDecidedSince(ctx, source.Name, last.At())
	if err != nil || decided {
		return false, err
	}
	readmitted, err := im.DB.ReadmittedSince(ctx, source.Name, last.At())
	return !readmitted, err
}

// HashOf returns the SHA-256 in hex.
func HashOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// Deliver imports a delivery.
func (im *Importer) Deliver(ctx context.Context, d Delivery) (report *Report, err error) {
	ctx, span := tracer.Start(ctx, "hr.import", trace.WithAttributes(attribute.String("behov.source", d.Source.Name), attribute.Int("behov.rows", d.Export.Read)))
	defer func() {
		if err != nil {
			span.SetStatus(codes.Error, "not imported")
		}
		span.End()
	}()
	if err := im.DB.ExpireHolds(ctx, im.Now().Add(-im.Config.HoldsExpire), im.Actor, im.Now()); err != nil {
		return nil, err
	}
	run, err := im.newRun(ctx, d)
	if err != nil {
		return nil, err
	}
	if err := im.DB.Write(ctx, func(tx *store.Tx) error { return run.importRows(ctx, tx) }); err != nil {
		var old *OutdatedExportError
		if errors.As(err, &old) {
			return nil, errors.Join(err, im.Refuse(ctx, d.Source, d.Name, d.Hash, err))
		}
		return nil, err
	}
	return run.report, nil
}

// newRun begins an import.
func (im *Importer) newRun(ctx context.Context, d Delivery) (*run, error) {
	// A release covers this content from this source, and nothing else.
	digest := holdDigest(d.Source.Name, d.Hash)
	released, err := im.released(ctx, digest)
	if err != nil {
		return nil, err
	}
	endings := endingsDigest(d.Source.Name, d.Hash)
	endingsReleased, err := im.released(ctx, endings)
	if err != nil {
		return nil, err
	}
	all, err := im.DB.Holds(ctx)
	if err != nil {
		return nil, err
	}
	holds, reviewed, err := im.holdsOf(ctx, d.Source.Name, all)
	if err != nil {
		return nil, err
	}
	if !d.ExportTimeWarning.IsZero() {
		d.Export.Problems = append(d.Export.Problems, diagnostic.Problem{File: d.Name, Warning: true, Reason: d.ExportTimeWarning})
	}
	r := &run{Importer: im, holds: holds, starts: startHolds{known: startHoldsOf(all, d.Source.Name)}, reviewed: reviewed, Delivery: d, now: im.Now(), today: im.Today(), asked: map[string]bool{}, digest: digest, released: released, endings: endings, endingsReleased: endingsReleased,
		report: &Report{Source: d.Source.Name, Name: d.Name, Rows: d.Export.Read, Counts: map[identity.Kind]int{}},
		record: store.Import{ID: uuid.Must(uuid.NewV7()).String(), Source: d.Source.Name, FileHash: d.Hash, Rows: d.Export.Read, Status: store.ImportDone}}
	if d.ByHand {
		r.record.Actor = im.Actor
	}
	return r, nil
}

var tracer = otel.Tracer("github.com/behov/behov/internal/hr")

// Refuse records that a delivery was not read, and why.
func (im *Importer) Refuse(ctx context.Context, source config.Source, name, hash string, why error) error {
	problems, err := json.Marshal([]diagnostic.Problem{*ProblemOf(name, why)})
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	now := im.Now()
	return im.DB.Write(ctx, func(tx *store.Tx) error {
		id := uuid.Must(uuid.NewV7()).String()
		tx.Enqueue(alert.ImportRefused.Job(source.Name))
		tx.Audit(audit.Record{At: now, Actor: im.Actor, Action: audit.HRRefused, Target: source.Name, Reason: reason.Of(reason.ImportRefused{Import: id, SHA256: hash})})
		return tx.RecordImport(ctx, store.Import{ID: id, Source: source.Name, FileHash: hash, Status: store.ImportRefused, Problems: string(problems)}, time.Time{}, now)
	})
}

// ProblemOf returns why a delivery was not read, as a problem of it.
func ProblemOf(name string, why error) *diagnostic.Problem {
	var p diagnostic.Problem
	if errors.As(why, &p) {
		return &p
	}
	p = diagnostic.Problem{File: name, Reason: reason.Of(reason.NotRead{Detail: why.Error()})}
	var because interface {
		error
		Because() reason.Reason
	}
	if errors.As(why, &because) {
		p.Reason = because.Because()
	}
	return &p
}

// run is one import in progress.
type run struct {
	*Importer
	Delivery
	now      time.Time
	today    identity.Date
	digest   audit.HoldDigest
	released bool
	// holds are those of the source's imports; reviewed are the people whose
	// disappearance was released.
	holds    []store.HoldState
	reviewed map[identity.PersonID]bool
	// endings is the digest of the hold of endings; endingsReleased reports that
	// it was released.
	endings         audit.HoldDigest
	endingsReleased bool
	report          *Report
	record          store.Import
	changed         map[identity.PersonID]bool // whom the events are about
	mostChanged     int                        // of how many; zero for any number

	byEmployment, byPerson []int32 // indexes of the export's rows, sorted

	said        map[string]store.RowHash // by the source's key of the employment
	hashes      map[string][]byte        // of what the export says, where it is new
	subjects    []*PersonRows
	joined      []joinedRecord
	questions   []recordQuestion
	asked       map[string]bool               // the keys of people who may be a known person
	askedTwice  int                           // problems beyond the first about one of them
	returned    map[string]store.ErasedRecord // by the keys of people who were pushed
	postponed   []identity.PersonID           // whose running employments would begin later
	interrupted []identity.PersonID           // whose only employments in the file begin later
	starts      startHolds
	cut         bool // the export may be cut off
	emptied     []emptied
	// filledBefore is, by column, the number of rows with a value in the last import.
	filledBefore map[string]int
	openEnds     []openEnd
	lifts        []lift
	// liftedTooMany is how many protections are lifted when they are too many, lifted
	// whose stay.
	liftedTooMany int
	lifted        []identity.PersonID
	unattributed  int                        // rows that could be anyone's
	badPeople     map[identity.PersonID]bool // who stay as they are
	garbled       []Row                      // one of each person whose letters are others than they were
	// recordsDecided are the people with a new record's number about whose records a
	// decision was made.
	recordsDecided map[identity.PersonID]bool
}

func (r *run) importRows(ctx context.Context, tx *store.Tx) error {
	if err := r.checkNotOutdated(ctx, tx); err != nil {
		return err
	}
	last, err := tx.LastImport(ctx, r.Source.Name)
	if err != nil {
		return err
	}
	r.cut = !r.released && r.mayBeTruncated(last)
	var unreadable error
	if last != nil && last.Filled != "" {
		unreadable = json.Unmarshal([]byte(last.Filled), &r.filledBefore)
	}
	if err := r.compare(ctx, tx); err != nil {
		return err
	}
	if err := r.warnShorter(ctx, tx); err != nil {
		return err
	}
	if why := r.suspiciousExport(unreadable); !why.IsZero() && !r.released {
		return r.hold(ctx, tx, why)
	}
	if !r.Export.Partial {
		if err := tx.EndHoldsExcept(ctx, store.HRImportHold, r.Source.Name, ""); err != nil {
			return err
		}
	} else if r.released {
		if err := tx.EndHold(ctx, r.digest); err != nil {
			return err
		}
	}
	events := slices.Concat(r.diff(), r.protectBadRows(), r.cancelBadRows())
	r.changed = map[identity.PersonID]bool{}
	for _, e := range events {
		r.changed[e.Person] = true
	}
	if n := len(r.changed); r.mostChanged > 0 && n > r.mostChanged {
		return &reason.Refusal{Reason: reason.Of(reason.TooManyToTry{Count: n, Most: r.mostChanged})}
	}
	if err := r.assignLogins(ctx, tx, events); err != nil {
		return err
	}
	withdrawn := map[identity.EmploymentID]bool{} // withdrawing deletes the hash, so it is set afterwards
	for _, e := range events {
		withdrawn[e.Employment] = withdrawn[e.Employment] || e.Kind == identity.EmploymentWithdrawn
	}
	for i, e := range events {
		if hash := r.hashes[e.Key]; hash != nil && !withdrawn[e.Employment] && (e.Kind == identity.EmploymentAdded || e.Kind == identity.EmploymentChanged) {
			events[i].RowHash = hash
			delete(r.hashes, e.Key)
		}
	}
	if err := r.recordEvents(ctx, tx, events); err != nil {
		return err
	}
	if err := tx.SetRowHashes(ctx, r.Source.Name, r.hashes); err != nil {
		return err
	}
	if err := r.recordHires(ctx, tx, events); err != nil {
		return err
	}
	if err := r.settleReports(ctx, tx); err != nil {
		return err
	}
	if err := r.holdEndings(ctx, tx); err != nil {
		return err
	}
	if err := r.holdStarts(ctx, tx); err != nil {
		return err
	}
	if r.Position != nil && len(r.report.StartsHeld) == 0 { // while undecided, the changes are read again
		if r.report.EndingsHeld != nil {
			r.Position.ETag = "" // after a release, they are read again
		}
		if err := tx.SetSourceCursor(ctx, r.Source.Name, *r.Position, r.now); err != nil {
			return err
		}
	}
	r.recordImport(tx, events, last == nil)
	if err := r.recordJoins(ctx, tx); err != nil {
		return err
	}
	if err := r.holdRecords(ctx, tx); err != nil {
		return err
	}
	if err := r.holdReturned(ctx, tx); err != nil {
		return err
	}
	if r.AlsoCommit != nil {
		if err := r.AlsoCommit(tx); err != nil {
			return err
		}
	}
	return r.close(ctx, tx)
}

// diff returns the events of the export.
func (r *run) diff() []identity.Event {
	subjects := make([]PersonRows, 0, len(r.subjects))
	for _, s := range r.subjects {
		subjects = append(subjects, *s)
	}
	return diff(subjects, r.Source.Name, !r.Export.Partial, r.today, r.now, func() string { return uuid.Must(uuid.NewV7()).String() }, r.keepsMissing)
}

// compare finds the changed rows, and loads the people they concern.
func (r *run) compare(ctx context.Context, tx *store.Tx) error {
	if err := r.resolveAliases(ctx, tx); err != nil {
		return err
	}
	if err := r.leaveOutErased(ctx, tx); err != nil {
		return err
	}
	r.indexRows()
	var only []string // the keys in a delta; a full export is compared as a whole
	if r.Export.Partial {
		only = []string{}
		for _, row := range r.Export.Rows {
			only = append(only, row.EmploymentKey)
		}
	}
	var err error
	if r.said, err = tx.RowHashes(ctx, r.Source.Name, only); err != nil {
		return err
	}
	r.unattributed = r.Export.Unattributed
	for _, key := range r.Export.Ownerless {
		if _, known := r.said[key]; !known {
			r.unattributed++
		}
	}
	r.hashes = map[string][]byte{}
	concerned := map[string]bool{} // by person key
	rows := r.Export.Rows
	for i, j := 0, 0; i < len(r.byEmployment); i = j {
		key := rows[r.byEmployment[i]].EmploymentKey
		for j = i; j < len(r.byEmployment) && rows[r.byEmployment[j]].EmploymentKey == key; j++ {
		}
		hash, err := r.hashRows(r.byEmployment[i:j])
		if err != nil {
			return err
		}
		if said, ok := r.said[key]; ok && bytes.Equal(said.Hash[:], hash) {
			continue
		}
		r.hashes[key] = hash
		concerned[rows[r.byEmployment[i]].PersonKey] = true
	}
	for key := range r.Export.Protected {
		if r.Export.BadPeople[key] {
			concerned[key] = true
		}
	}
	for _, person := range r.Export.Cancelled {
		concerned[person] = true
	}
	loaded := map[identity.PersonID]*PersonRows{}
	if !r.Export.Partial {
		var missing []identity.PersonID // of whom an employment is not in the export
		for key, said := range r.said {
			if !said.Withdrawn && len(r.rowsOfEmployment(key)) == 0 {
				missing = append(missing, said.Person)
			}
		}
		if err := loadPeople(ctx, tx, missing, loaded); err != nil {
			return err
		}
	}
	return r.load(ctx, tx, concerned, loaded)
}

// loadPeople adds those of the people who are not loaded.
func loadPeople(ctx context.Context, tx *store.Tx, people []identity.PersonID, loaded map[identity.PersonID]*PersonRows) error {
	people = slices.DeleteFunc(people, func(id identity.PersonID) bool { return loaded[id] != nil })
	found, err := tx.PeopleWithRecords(ctx, people)
	if err != nil {
		return err
	}
	for id, p := range found {
		loaded[id] = &PersonRows{Person: p}
	}
	return nil
}

// load builds the subjects: people with changed rows.
func (r *run) load(ctx context.Context, tx *store.Tx, concerned map[string]bool, loaded map[identity.PersonID]*PersonRows) error {
	sorted := make([]string, 0, len(concerned))
	for key := range concerned {
		sorted = append(sorted, key)
	}
	slices.Sort(sorted)
	keys := make([]identity.SourceKey, len(sorted))
	for i, key := range sorted {
		keys[i] = identity.SourceKey{Source: r.Source.Name, Key: key}
	}
	known, err := tx.PersonIDsByKeys(ctx, keys)
	if err != nil {
		return err
	}
	var fresh []string
	var changed []identity.PersonID
	for _, key := range keys {
		rows := r.rowsOf(key.Key)
		if len(rows) == 0 && !r.Export.BadPeople[key.Key] {
			continue
		}
		id, is := known[key]
		switch {
		case !is && len(rows) > 0:
			fresh = append(fresh, key.Key)
		case !is:
		default:
			changed = append(changed, id)
		}
	}
	if err := loadPeople(ctx, tx, changed, loaded); err != nil {
		return err
	}
	for _, s := range loaded {
		for _, k := range s.Person.Keys {
			if k.Source == r.Source.Name {
				s.Rows = append(s.Rows, r.rowsOf(k.Key)...)
			}
		}
	}
	newcomers, err := r.identify(ctx, tx, fresh, loaded)
	if err != nil {
		return err
	}
	for _, s := range loaded {
		r.subjects = append(r.subjects, s)
	}
	r.subjects = append(r.subjects, newcomers...)
	slices.SortFunc(r.subjects, func(a, b *PersonRows) int {
		return cmp.Or(cmp.Compare(a.firstKey(), b.firstKey()), cmp.Compare(a.Person.ID, b.Person.ID))
	})
	r.badPeople = map[identity.PersonID]bool{}
	for _, s := range r.subjects {
		r.checkPerson(s)
		r.keepInterrupted(s)
	}
	r.keepOpenEnds()
	r.keepMassEmptied()
	r.warnShifted()
	if err := r.keepLifts(ctx, tx); err != nil {
		return err
	}
	r.checkLetters()
	for _, s := range r.subjects {
		r.badPeople[s.Person.ID] = r.badPeople[s.Person.ID] || s.Person.ID != "" && slices.ContainsFunc(s.Person.Keys, func(k identity.Record) bool { return k.Source == r.Source.Name && r.Export.BadPeople[k.Key] })
		s.Rows = slices.DeleteFunc(s.Rows, func(row Row) bool { return r.Export.BadPeople[row.PersonKey] })
	}
	for person := range r.Export.BadPeople { // they are not changed
		for _, row := range r.rowsOf(person) {
			delete(r.hashes, row.EmploymentKey)
		}
	}
	return nil
}

// maxStoredProblems is how many problems of an import are stored.
const maxStoredProblems = 1000
