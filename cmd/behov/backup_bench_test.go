package main

import (
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkBackup measures behov backup and behov restore of 8,000 people with an
// account and 12 memberships each, some 220,000 audit records. Goal: within 5 s each.
func BenchmarkBackup(b *testing.B) {
	h := newBenchInstallation(b, 8_000)
	b.Run("backup", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			file := filepath.Join(b.TempDir(), "copy.db")
			b.StartTimer()
			h.run(b, "backup", file)
		}
	})
	b.Run("restore", func(b *testing.B) {
		file := filepath.Join(b.TempDir(), "copy.db")
		h.run(b, "backup", file)
		for b.Loop() {
			b.StopTimer()
			for _, name := range []string{"behov.db", "behov.db-wal", "behov.db-shm"} {
				_ = os.Remove(filepath.Join(h.dir, name))
			}
			b.StartTimer()
			h.run(b, "restore", file)
		}
	})
}
