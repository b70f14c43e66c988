//go:build !unix

package main

// owns reports whether a user owns a file. Without user numbers no one does.
func owns(int, string) bool { return false }
