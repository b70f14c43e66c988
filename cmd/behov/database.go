package main

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/seal"
)

// databaseNamed resolves a reference to a database's URL, which may hold a
// password.
func databaseNamed(c *config.Config, ref string) (string, error) {
	if strings.HasPrefix(ref, "env:") || strings.HasPrefix(ref, "file:") {
		return config.Resolve(c.Dir, ref)
	}
	return ref, nil
}

// withoutPassword leaves the password out of a database's URL.
func withoutPassword(database string) string {
	if u, err := url.Parse(database); err == nil && u.User != nil && !strings.HasPrefix(database, "sqlite:") {
		u.User = url.User(u.User.Username())
		return u.String()
	}
	return database
}

// placeOf returns where a database is: its file, or its URL without the password.
func placeOf(database string) string {
	return strings.TrimPrefix(withoutPassword(database), "sqlite:")
}

func masterKey(c *config.Config) (*seal.Master, error) {
	text, err := config.Resolve(c.Dir, c.Key)
	if err != nil {
		return nil, fmt.Errorf("the key that personal values are sealed with (key: %s): %w; it was made by behov init with the installation: find it, and do not make another", c.Key, err)
	}
	master, err := seal.ParseMaster([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", c.Key, err)
	}
	return master, nil
}
