package main

import (
	"context"
	"os"
	"slices"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/wording"
)

// language returns the language of BEHOV_LANG, en or sv; English otherwise.
func language() wording.Language {
	if l := wording.Language(os.Getenv("BEHOV_LANG")); slices.Contains(wording.Languages, l) {
		return l
	}
	return wording.English
}

// printerFor returns what words reasons for a reader in a shell, in the language of BEHOV_LANG.
func printerFor(r wording.Reader) *wording.Printer {
	r.Language = language()
	p, err := wording.New(r)
	if err != nil { // the sentences are built in: package wording's tests read them
		panic(err)
	}
	return p
}

// view answers as an operator in a shell may see it, whom nothing identifies.
func (a *app) view(ctx context.Context, i *installation) *access.View {
	v, err := (&access.Answers{DB: i.db, Config: i.config, Now: a.now}).For(ctx, access.Viewer{Language: language(), Place: wording.Shell})
	if err != nil { // only the sentences could fail, which are built in
		panic(err)
	}
	return v
}
