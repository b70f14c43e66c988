package testenv

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// oapiCodegenVersion is the version of oapi-codegen, a generator of clients in Go.
const oapiCodegenVersion = "v2.8.2"

// BuildClient generates a client from an OpenAPI document, as package client, into a module
// that program is copied from, and builds the module: none of it knows behov. It returns the
// path of the built program. The first time the generator is built from the Go module proxy,
// into the user's cache directory.
func BuildClient(t testing.TB, document []byte, program string) string {
	t.Helper()
	tool := Need(t, "go", "install Go")
	generator, err := installGo(tool, "oapi-codegen-"+oapiCodegenVersion, "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@"+oapiCodegenVersion, "oapi-codegen")
	if err != nil {
		Missing(t, "oapi-codegen cannot be built: %v", err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(program)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "client"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "openapi.json"), document, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for _, command := range [][]string{{generator, "-generate", "client,types", "-package", "client", "-o", "client/client.go", "openapi.json"}, {tool, "build", "-o", "program", "."}} {
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOFLAGS=", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", filepath.Base(command[0]), err, out)
		}
	}
	return filepath.Join(dir, "program")
}
