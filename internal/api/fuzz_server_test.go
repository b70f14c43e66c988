package api_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

func TestZZServe(t *testing.T) {
	if os.Getenv("ZZ") == "" {
		t.Skip()
	}
	h := newHouse(t, nil)
	h.Apply()
	s := httptest.NewServer(h.handler)
	fmt.Println(s.URL, h.as("administrator"))
	time.Sleep(10 * time.Minute)
}
