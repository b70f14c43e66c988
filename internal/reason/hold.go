package reason

import "github.com/behov/behov/internal/identity"

// ClosesFormer says that accounts that were there before behov would be closed.
type ClosesFormer struct {
	kind
	Count int `json:"count"`
}

// Reenables says that accounts that were disabled in the target would be enabled.
type Reenables struct {
	kind
	Count int `json:"count"`
}

// Recreates says that accounts that are gone from the target would be created again.
type Recreates struct {
	kind
	Count int `json:"count"`
}

// HeldTogether says that the steps were rejected before, or not released with others.
type HeldTogether struct {
	kind
	Count int `json:"count"`
}

// LimitExceeded says that more people are concerned than a limit allows without a release.
type LimitExceeded struct {
	kind
	Limit      string `json:"limit"` // the kind of limit
	Count      int    `json:"count"` // people concerned
	Population int    `json:"population"`
	Target     string `json:"target"`
	Earlier    int    `json:"earlier,omitempty"` // of them in the last hour
	Most       int    `json:"most"`              // that the limit allows
}

// People are the first of the people concerned, and how many more there are.
type People struct {
	People []identity.PersonID `json:"people"`
	More   int                 `json:"more,omitempty"`
}

// ExportTruncated says that employments are missing from an export, and so is its row of totals.
type ExportTruncated struct {
	kind
	Count int `json:"count"`
	People
}

// RowsUnattributed says that employments are missing from an export in which rows could be
// anyone's.
type RowsUnattributed struct {
	kind
	Count int `json:"count"`
	Rows  int `json:"rows"`
	People
}

// StartsPostponed says that active employments have a start in the future.
type StartsPostponed struct {
	kind
	Count int `json:"count"`
	People
}

// EmploymentsInterrupted says that active employments are missing, and others of the same people
// start in the future.
type EmploymentsInterrupted struct {
	kind
	Count int `json:"count"`
	People
}

// CellsEmptied says that cells are empty that were not before.
type CellsEmptied struct {
	kind
	Count  int    `json:"count"`
	Column string `json:"column"`
	People
}

// ProtectionsLifted says that people with protected identity are not protected in the export.
type ProtectionsLifted struct {
	kind
	Count int  `json:"count"`
	Whole bool `json:"whole,omitempty"` // nothing of the export was imported
	People
}

// TextGarbled says that names changed as text does that is read in another encoding.
type TextGarbled struct {
	kind
	Count  int    `json:"count"`
	Line   int    `json:"line"`
	Source string `json:"source"`
}

// ExportShrank says that more employments vanished than may at a time.
type ExportShrank struct {
	kind
	Count   int `json:"count"`
	Running int `json:"running"`
	Most    int `json:"most"`
}

// ColumnEmptied says that no row has a value in a column that had values.
type ColumnEmptied struct {
	kind
	Column string `json:"column"`
	Count  int    `json:"count"` // of rows that had one
}

// LastImportUnreadable says that what the last import had cannot be read.
type LastImportUnreadable struct {
	kind
	Detail string `json:"detail"`
}

// StartPostponed says that a change moves the start of an active employment into the future.
type StartPostponed struct {
	kind
	Person identity.PersonID `json:"person"`
	Start  identity.Date     `json:"start"`
	To     identity.Date     `json:"to"`
}

// ErasureProposed says that everything personal of a person would be destroyed.
type ErasureProposed struct {
	kind
	Person   identity.PersonID `json:"person"`
	Decision int64             `json:"decision"`
	Maker    identity.Actor    `json:"maker"`
}

// BindProposed says that an account would be the person's.
type BindProposed struct {
	kind
	Person   identity.PersonID `json:"person"`
	Account  string            `json:"account"`
	Enabled  bool              `json:"enabled,omitempty"`
	Decision int64             `json:"decision"`
	Maker    identity.Actor    `json:"maker"`
}

// KeptByLegalHold says that a legal hold keeps the person from being erased.
type KeptByLegalHold struct {
	kind
	By Reason `json:"by"`
}
