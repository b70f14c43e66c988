package store

// Dialer connects to PostgreSQL.
var Dialer = dialer
