package memory

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

// largeFile is the size in bytes from which a target's file is not rewritten with
// each batch: changes are appended to a journal beside it, FILE.journal, until
// the journal is as large as the file. Writing n changes then costs O(n), and not
// O(n²).
const largeFile = 1 << 20

// file is a target's file with its journal. Both together are the state.
type file struct {
	name   string
	groups []string
	large  int64 // largeFile, except in tests

	// The last state of a large file: the file is read once, and after that only
	// what is appended to the journal. Nil for none.
	state *state
	base  os.FileInfo
	read  int64 // how much of the journal state contains, in whole lines
	// whole has the next change be written with the whole file: the journal knows no
	// groups.
	whole bool
}

// batch is a line of the journal: the new state of everything that a batch
// changed. A line is complete or ignored. Applying lines again, in their order,
// to a file that contains them already changes nothing.
type batch struct {
	Put    []fileAccount       `json:"put,omitempty"`
	Gone   []string            `json:"gone,omitempty"`
	Joined map[string][]string `json:"joined,omitempty"` // by group, account IDs
	Left   map[string][]string `json:"left,omitempty"`
}

func (f *file) journal() string { return f.name + ".journal" }

// load returns the state as it is on disk. Only update may change it.
func (f *file) load() (*state, error) {
	for {
		s, base, read, err := f.loadOnce()
		if err != nil {
			f.state = nil
			return nil, err
		}
		// A writer replaces the file and then removes the journal. When the file
		// is unchanged, the journal that was read belongs to it.
		if now, err := os.Stat(f.name); !sameFile(base, now, err) {
			f.state = nil
			continue
		}
		f.state, f.base, f.read = nil, nil, 0
		if base != nil && base.Size() >= f.large {
			f.state, f.base, f.read = s, base, read
		}
		return s, nil
	}
}

func (f *file) loadOnce() (s *state, base os.FileInfo, read int64, err error) {
	if now, err := os.Stat(f.name); f.state != nil && sameFile(f.base, now, err) {
		s, base, read = f.state, f.base, f.read
	} else if s, base, err = load(f.name, f.groups); err != nil {
		return nil, nil, 0, err
	}
	read, err = f.replay(s, read)
	return s, base, read, err
}

func sameFile(a, b os.FileInfo, err error) bool {
	if a == nil || err != nil {
		return a == nil && errors.Is(err, fs.ErrNotExist)
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// replay applies the journal to a state from an offset on, and returns the offset
// after its last complete line: an incomplete line of a killed writer was never
// confirmed.
func (f *file) replay(s *state, from int64) (int64, error) {
	j, err := os.Open(f.journal())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the target's journal: %w", err)
	}
	defer j.Close() //nolint:errcheck // reading
	text, err := io.ReadAll(io.NewSectionReader(j, from, 1<<62))
	if err != nil {
		return 0, fmt.Errorf("read the target's journal: %w", err)
	}
	for {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			return from, nil
		}
		var b batch
		if err := json.Unmarshal(line, &b); err != nil {
			return 0, fmt.Errorf("%s is not a memory target's journal at byte %d: %w", f.journal(), from, err)
		}
		s.replay(b)
		from, text = from+int64(len(line))+1, rest
	}
}

func (s *state) replay(b batch) {
	for _, id := range b.Gone {
		if a, ok := s.accounts[id]; ok {
			s.remove(a)
		}
	}
	for _, a := range b.Put {
		s.put(a.account())
	}
	for g, ids := range b.Left {
		for _, id := range ids {
			delete(s.members[g], id)
		}
	}
	for g, ids := range b.Joined {
		if s.members[g] == nil {
			s.members[g] = map[string]bool{}
		}
		for _, id := range ids {
			s.members[g][id] = true
		}
	}
}

// update calls change on the state and stores the result, under a lock against
// other processes.
func (f *file) update(change func(*state)) (err error) {
	unlock, err := lock(f.name + ".lock")
	if err != nil {
		return fmt.Errorf("lock the target's file: %w", err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	s, err := f.load()
	if err != nil {
		return err
	}
	if f.state == nil {
		change(s)
		f.whole = false
		return f.save(s)
	}
	s.changed = &changes{accounts: map[string]bool{}, members: map[[2]string]bool{}}
	change(s)
	b := s.batch()
	s.changed = nil
	if f.whole {
		f.whole = false
		return f.save(s)
	}
	if err := f.append(b); err != nil {
		f.state = nil // it is ahead of the disk
		return err
	}
	if f.read < f.base.Size() {
		return nil
	}
	return f.save(s)
}

// append writes a line to the journal, and syncs it to disk.
func (f *file) append(b batch) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the target's journal: %w", err)
		}
	}()
	line, err := json.Marshal(b)
	if err != nil {
		return err
	}
	j, err := os.OpenFile(f.journal(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := j.Truncate(f.read); err != nil { // the incomplete line of a killed writer
		return errors.Join(err, j.Close())
	}
	n, err := j.WriteAt(append(line, '\n'), f.read)
	if err == nil {
		err = j.Sync()
	}
	if err != nil { // remove it: a complete line would count
		return errors.Join(err, j.Truncate(f.read), j.Close())
	}
	f.read += int64(n)
	return j.Close()
}

// save writes the state as one file and removes the journal.
func (f *file) save(s *state) error {
	f.state = nil
	if err := save(f.name, s); err != nil {
		return err
	}
	if err := os.Remove(f.journal()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the target's journal: %w", err)
	}
	info, err := os.Stat(f.name)
	if err == nil && info.Size() >= f.large {
		f.state, f.base, f.read = s, info, 0
	}
	return nil
}

// fold writes the state as one file if there is a journal.
func (f *file) fold() (err error) {
	if _, err := os.Stat(f.journal()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	unlock, err := lock(f.name + ".lock")
	if err != nil {
		return fmt.Errorf("lock the target's file: %w", err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	s, err := f.load()
	if err != nil {
		return err
	}
	return f.save(s)
}

// changes are what a batch changed: accounts, and memberships as group and
// account.
type changes struct {
	accounts map[string]bool
	members  map[[2]string]bool
}

// batch returns the current state of what was changed.
func (s *state) batch() batch {
	b := batch{Joined: map[string][]string{}, Left: map[string][]string{}}
	for id := range s.changed.accounts {
		if a, ok := s.accounts[id]; ok {
			b.Put = append(b.Put, a.file())
		} else {
			b.Gone = append(b.Gone, id)
		}
	}
	for m := range s.changed.members {
		to := b.Left
		if s.members[m[0]][m[1]] {
			to = b.Joined
		}
		to[m[0]] = append(to[m[0]], m[1])
	}
	slices.SortFunc(b.Put, func(a, b fileAccount) int { return cmp.Compare(a.ID, b.ID) })
	return b
}
