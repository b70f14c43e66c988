package hr

// Diff is diff.
var Diff = diff
