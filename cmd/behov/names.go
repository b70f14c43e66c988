package main

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/wording"
)

// language returns the language of BEHOV_LANG, which may be written as a locale, such as
// sv_SE.UTF-8: English or Swedish; English for any other.
func language() wording.Language {
	if l := os.Getenv("BEHOV_LANG"); known(l) {
		return languageOf(l)
	}
	return wording.English
}

// known reports whether behov speaks the language of a locale.
func known(locale string) bool { return slices.Contains(wording.Languages, languageOf(locale)) }

func languageOf(locale string) wording.Language {
	name, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(locale), "-", "_"), "_")
	return wording.Language(name)
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
