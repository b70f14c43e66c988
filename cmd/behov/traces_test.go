package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel"
)

// TestTracesAreSent: with OpenTelemetry's variable set, traces go there.
func TestTracesAreSent(t *testing.T) {
	var got atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if b, err := io.ReadAll(r.Body); err == nil && r.URL.Path == "/v1/traces" && strings.Contains(string(b), "hello") && strings.Contains(string(b), "behov") {
			got.Add(1)
		}
	}))
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	done, err := traces(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, span := otel.Tracer("test").Start(t.Context(), "hello")
	span.End()
	done()
	if got.Load() != 1 {
		t.Errorf("%d exports", got.Load())
	}
}
