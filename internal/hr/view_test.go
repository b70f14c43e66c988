package hr_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/testenv"
)

// TestFailedQueryNamesNoOne checks that the error of a failed query, which is
// logged, contains nothing of the database's text, as it may hold data of a row.
func TestFailedQueryNamesNoOne(t *testing.T) {
	f := newFixture(t)
	s := source
	s.SQL = &config.View{Database: testenv.StartPostgres(t).Database(), Query: "SELECT 'Protected Person'::text AS given_name, CAST('19850101-1234' || v AS INTEGER) AS person_id FROM (VALUES ('')) x (v)"}
	_, err := f.im.Pull(t.Context(), s)
	if err == nil || strings.Contains(testenv.ErrorText(err), "19850101") || !strings.Contains(testenv.ErrorText(err), "22P02") {
		t.Errorf("the error is %v", err)
	}
}

// TestSilentDatabaseTimesOut checks that a database that accepts the connection
// and does not answer does not block its source.
func TestSilentDatabaseTimesOut(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f := newFixture(t)
	s := source
	s.SQL = &config.View{Database: "postgres://hr@" + l.Addr().String() + "/hr?sslmode=disable", Query: "SELECT 1"}
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	if _, err := f.im.Pull(ctx, s); err == nil || ctx.Err() != nil {
		t.Errorf("only we gave up: %v", err)
	}
}
