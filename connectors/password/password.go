// Package password makes first passwords for connectors. It must never keep or log one.
package password

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"unicode"
)

// alphabets are the characters of a password by kind, without those that are easily
// confused when they are read out. Directories and Entra ID permit them all.
var alphabets = []string{"abcdefghijkmnopqrstuvwxyz", "ABCDEFGHJKLMNPQRSTUVWXYZ", "23456789", "-_.:!?#%+=*"}

// errNone is returned when every candidate is refused: the password is too short for
// characters of every kind, or holds a part of the words.
var errNone = errors.New("every candidate contains a part of the name, or lacks a kind of character")

// New returns a random password with characters of every kind that contains no part of
// the words of three characters or more: Active Directory refuses one that contains a part
// of the name ([MS-SAMR] 3.1.1.7.1).
func New(length int, words ...string) (string, error) {
	alphabet := strings.Join(alphabets, "")
	limit := big.NewInt(int64(len(alphabet)))
	for range 1000 {
		b := make([]byte, length)
		for i := range b {
			n, err := rand.Int(rand.Reader, limit)
			if err != nil {
				return "", fmt.Errorf("random numbers: %w", err)
			}
			b[i] = alphabet[n.Int64()]
		}
		if p := string(b); hasEveryKind(p) && !containsAny(p, words) {
			return p, nil
		}
	}
	return "", errNone
}

func hasEveryKind(p string) bool {
	return !slices.ContainsFunc(alphabets, func(kind string) bool { return !strings.ContainsAny(p, kind) })
}

func containsAny(p string, words []string) bool {
	p = strings.ToLower(p)
	for _, text := range words {
		for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if len(w) >= 3 && strings.Contains(p, w) {
				return true
			}
		}
	}
	return false
}
