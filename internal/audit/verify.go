package audit

import (
	"bytes"
	"fmt"
	"iter"
)

// Summary is the result of a successful verification.
type Summary struct {
	Records int64  `json:"records"`
	Head    []byte `json:"head"` // the last record's hash; kept elsewhere, it proves later that no record up to it changed
	// OpenSteps are intended and have not ended: the engine was interrupted. The
	// next apply resolves them.
	OpenSteps []AttemptID `json:"open_steps,omitempty"`
	Intervals []Interval  `json:"-"` // as projected from the records
	// Tree is the log that the records give, and Nodes are its hashes that tiles have besides
	// the leaves, in the order in which they come about.
	Tree  *Tree      `json:"-"`
	Nodes []TileNode `json:"-"`
}

// Verify reads records from the first to the last and checks that none was
// changed, removed, inserted or moved, and that every step was intended before it
// ended and ended once. The error names the first invalid record.
//
// A chain cannot show that records are missing from its end: compare Summary.Head
// with a head noted earlier.
func Verify(records iter.Seq2[Record, error]) (Summary, error) {
	var (
		prev       []byte
		n          int64
		projection Projection
		tree       = &Tree{ranges.NewEmptyRange(0)}
		nodes      []TileNode
		open       = map[AttemptID]int64{}
		ended      = map[AttemptID]int64{}
		ordered    = map[AttemptID]bool{} // a person makes them, and they end once more
		order      []AttemptID
	)
	for r, err := range ahead(records) {
		if err != nil {
			return Summary{}, fmt.Errorf("after record %d: %w", n, err)
		}
		if r.Index != n+1 {
			return Summary{}, fmt.Errorf("record %d follows record %d: records are missing, doubled or moved", r.Index, n)
		}
		if !bytes.Equal(r.Prev, prev) {
			return Summary{}, fmt.Errorf("record %d does not link to record %d: one of the two was changed", r.Index, n)
		}
		if !bytes.Equal(r.Hash, r.digest()) {
			return Summary{}, fmt.Errorf("record %d does not have the hash of its content: it was changed", r.Index)
		}
		if !bytes.Equal(r.Leaf, r.leaf()) {
			return Summary{}, fmt.Errorf("record %d is not what its leaf in the log commits to: one of the two was changed", r.Index)
		}
		if err := tree.Append(r.Leaf, func(n TileNode) { nodes = append(nodes, n) }); err != nil {
			return Summary{}, fmt.Errorf("record %d: %w", r.Index, err)
		}
		switch r.Action {
		case StepIntended:
			if at, ok := open[r.Attempt]; ok {
				return Summary{}, fmt.Errorf("record %d intends step %s, which record %d intended already", r.Index, r.Attempt, at)
			}
			if at, ok := ended[r.Attempt]; ok {
				return Summary{}, fmt.Errorf("record %d intends step %s, which ended in record %d", r.Index, r.Attempt, at)
			}
			open[r.Attempt] = r.Index
			order = append(order, r.Attempt)
		case StepEnded:
			if at, ok := ended[r.Attempt]; ok {
				return Summary{}, fmt.Errorf("record %d ends step %s, which ended in record %d", r.Index, r.Attempt, at)
			}
			if _, ok := open[r.Attempt]; !ok && !ordered[r.Attempt] {
				return Summary{}, fmt.Errorf("record %d ends step %s, which no record intended", r.Index, r.Attempt)
			}
			delete(open, r.Attempt)
			if r.Outcome == Ordered && !ordered[r.Attempt] {
				ordered[r.Attempt] = true
			} else {
				ended[r.Attempt] = r.Index
			}
		}
		projection.Add(r)
		n, prev = r.Index, r.Hash
	}
	s := Summary{Records: n, Head: prev, Intervals: projection.Intervals(), Tree: tree, Nodes: nodes}
	for _, attempt := range order {
		if _, ok := open[attempt]; ok {
			s.OpenSteps = append(s.OpenSteps, attempt)
		}
	}
	return s, nil
}

// ahead yields what records yields, which it reads in another goroutine and some batches
// ahead. The goroutine has ended when ahead returns.
func ahead(records iter.Seq2[Record, error]) iter.Seq2[Record, error] {
	type read struct {
		record Record
		err    error
	}
	const batch = 500
	return func(yield func(Record, error) bool) {
		batches, stop := make(chan []read, 2), make(chan struct{})
		go func() {
			defer close(batches)
			next := make([]read, 0, batch)
			send := func() bool {
				select {
				case batches <- next:
					next = make([]read, 0, batch)
					return true
				case <-stop:
					return false
				}
			}
			for r, err := range records {
				if next = append(next, read{r, err}); len(next) == batch && !send() {
					return
				}
			}
			send()
		}()
		defer func() {
			close(stop)
			for range batches { // until the goroutine has ended
			}
		}()
		for all := range batches {
			for _, r := range all {
				if !yield(r.record, r.err) {
					return
				}
			}
		}
	}
}

// CompareIntervals returns how stored intervals differ from those of the records,
// or nil when they are equal. Both must be sorted by SortIntervals.
func CompareIntervals(stored, projected []Interval) error {
	for i := 0; i < len(stored) || i < len(projected); i++ {
		switch {
		case i >= len(stored):
			return fmt.Errorf("the access of person %s to %s in %s since record %d is missing from the stored intervals", projected[i].Person, projected[i].Entitlement, projected[i].Target, projected[i].SinceRecord)
		case i >= len(projected):
			return fmt.Errorf("the stored access of person %s to %s in %s has no record", stored[i].Person, stored[i].Entitlement, stored[i].Target)
		case stored[i].Key != projected[i].Key || stored[i].SinceRecord != projected[i].SinceRecord ||
			stored[i].UntilRecord != projected[i].UntilRecord || stored[i].UnseenRecord != projected[i].UnseenRecord ||
			!stored[i].UnseenSince.Equal(projected[i].UnseenSince) ||
			stored[i].Given != projected[i].Given || stored[i].Reason != projected[i].Reason ||
			!stored[i].Since.Equal(projected[i].Since) || !stored[i].Until.Equal(projected[i].Until):
			return fmt.Errorf("the stored access of person %s to %s in %s is not what the records say from record %d on", stored[i].Person, stored[i].Entitlement, stored[i].Target, projected[i].SinceRecord)
		}
	}
	return nil
}
