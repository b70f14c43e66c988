// Package migrations holds the database schema as numbered steps, the same
// numbers for SQLite and PostgreSQL. It must never hold code: a step that
// cannot be said in SQL belongs to internal/store.
package migrations

import "embed"

// FS has the directories sqlite and postgres.
//
//go:embed sqlite/*.sql postgres/*.sql
var FS embed.FS
