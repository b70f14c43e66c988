//go:build !unix

package config

import "io/fs"

// The mode does not tell here who can read a file.
func checkSecretFile(string, fs.FileInfo) error { return nil }

func checkWritable(string, fs.FileInfo) error { return nil }
