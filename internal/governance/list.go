package governance

import (
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/sheet"
	"github.com/behov/behov/internal/store"
)

// The columns that a list of accounts has beside those of attributes.
const (
	accountColumn     = "account"
	entitlementColumn = "entitlement"
	enabledColumn     = "enabled"
)

// list is a list of accounts that is being read.
type list struct {
	file     string
	columns  []string // of the header, as a list may have them
	accounts map[string]*store.ListedAccount
	order    []string // of the keys of accounts, as they came
	said     map[string]bool
}

// readList reads a list of the accounts of a target: a row for each account and entitlement,
// or for an account without any. Attributes are the further columns that it may have. The
// first fault ends it.
func readList(file string, content []byte, attributes []string) ([]store.ListedAccount, error) {
	known := slices.Concat([]string{accountColumn, entitlementColumn, enabledColumn}, attributes)
	l := &list{file: file, accounts: map[string]*store.ListedAccount{}, said: map[string]bool{}}
	s, _, err := sheet.Open(file, content, sheet.Layout{Columns: known})
	if err != nil {
		return nil, l.unreadable(err)
	}
	header, err := s.Header()
	if err != nil {
		return nil, l.unreadable(err)
	}
	if _, has := sheet.FindName(header, accountColumn); !has { // perhaps there is no header: what it has may be personal
		return nil, l.fault(s.HeaderLine(), 0, "no-account-column", strings.Join(known, ", "))
	}
	for i, name := range header {
		at, is := sheet.FindName(known, name)
		switch {
		case !is:
			return nil, l.fault(s.HeaderLine(), 0, "unknown-column", identity.CleanText(name)+" ("+strings.Join(known, ", ")+")")
		case slices.Contains(l.columns[:i], known[at]):
			return nil, l.fault(s.HeaderLine(), 0, "column-twice", known[at])
		}
		l.columns = append(l.columns, known[at])
	}
	for {
		fields, line, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = l.row(s, fields, line)
		}
		if err != nil {
			return nil, l.unreadable(err)
		}
	}
	if len(l.order) == 0 {
		return nil, l.fault(0, 0, "empty", "")
	}
	all := make([]store.ListedAccount, len(l.order))
	for i, key := range l.order {
		all[i] = *l.accounts[key]
	}
	return all, nil
}

// row adds a row.
func (l *list) row(s sheet.Sheet, fields []string, line int) error {
	values, at := map[string]string{}, map[string]int{}
	for i, name := range l.columns {
		if i >= len(fields) {
			continue
		}
		if why := sheet.WithoutValue(s, i, fields[i]); !why.IsZero() {
			return refuse(reason.ListFault{File: l.file, Line: line, Column: s.Column(i), Fault: "unreadable", Because: why})
		}
		values[name], at[name] = identity.CleanText(fields[i]), s.Column(i)
	}
	name, entitlement := values[accountColumn], values[entitlementColumn]
	if name == "" {
		return l.fault(line, at[accountColumn], "account-missing", "")
	}
	disabled, clear := false, true
	if word := strings.ToLower(values[enabledColumn]); word != "" {
		no := slices.Contains([]string{"no", "n", "false", "0", "nej", "falskt"}, word)
		disabled, clear = no, no || slices.Contains([]string{"yes", "y", "true", "1", "ja", "j", "sant", "x"}, word)
	}
	if !clear {
		return l.fault(line, at[enabledColumn], "enabled-unclear", "")
	}
	attributes := map[string][]string{}
	for column, value := range values {
		if value != "" && column != accountColumn && column != entitlementColumn && column != enabledColumn {
			attributes[column] = []string{value}
		}
	}
	key := strings.ToLower(name)
	a, known := l.accounts[key]
	if !known {
		a = &store.ListedAccount{Name: name, Disabled: disabled, Attributes: attributes}
		l.accounts[key], l.order = a, append(l.order, key)
	}
	if a.Disabled != disabled {
		return l.fault(line, at[enabledColumn], "enabled-differs", "")
	}
	for _, column := range slices.Sorted(maps.Keys(at)) {
		if !slices.Equal(a.Attributes[column], attributes[column]) {
			return l.fault(line, at[column], "values-differ", column)
		}
	}
	if pair := key + "\x00" + entitlement; l.said[pair] || known && entitlement == "" {
		return l.fault(line, at[accountColumn], "row-twice", "")
	} else if l.said[pair] = true; entitlement != "" {
		a.Entitlements = append(a.Entitlements, entitlement)
	}
	return nil
}

func (l *list) fault(line, column int, fault, what string) error {
	return refuse(reason.ListFault{File: l.file, Line: line, Column: column, Fault: fault, What: what})
}

// unreadable returns what a sheet says of a file or a record as a fault of the list.
func (l *list) unreadable(err error) error {
	var record *sheet.RecordError
	var problem diagnostic.Problem
	switch {
	case errors.As(err, &record):
		return refuse(reason.ListFault{File: l.file, Line: record.Line, Column: record.Column, Fault: "unreadable", Because: record.Reason})
	case errors.As(err, &problem) && !problem.Reason.IsZero():
		return refuse(reason.ListFault{File: l.file, Line: problem.Line, Column: problem.Column, Fault: "unreadable", Because: problem.Reason})
	}
	return err
}
