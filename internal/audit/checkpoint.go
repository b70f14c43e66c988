package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
)

// LogKey signs checkpoints (https://c2sp.org/tlog-checkpoint), with Ed25519. Who has its
// public part only can verify them.
type LogKey struct {
	// Origin names the log.
	Origin string
	// Public is the key with which checkpoints are verified, as
	// https://c2sp.org/signed-note has it.
	Public string
	signer note.Signer
}

// NewLogKey returns the key that 32 secret bytes give.
func NewLogKey(seed []byte) (*LogKey, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("a log key is made of %d bytes, not of %d", ed25519.SeedSize, len(seed))
	}
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	of := sha256.Sum256(public)
	k := &LogKey{Origin: "behov/" + hex.EncodeToString(of[:8])}
	var err error
	if k.Public, err = note.NewEd25519VerifierKey(k.Origin, public); err != nil {
		return nil, fmt.Errorf("the key of the log: %w", err)
	}
	const ed25519Algorithm = 1
	id := sha256.Sum256(append([]byte(k.Origin+"\n"), append([]byte{ed25519Algorithm}, public...)...))
	secret := fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", k.Origin, binary.BigEndian.Uint32(id[:]), base64.StdEncoding.EncodeToString(append([]byte{ed25519Algorithm}, seed...)))
	if k.signer, err = note.NewSigner(secret); err != nil {
		return nil, fmt.Errorf("the key of the log: %w", err)
	}
	return k, nil
}

// Checkpoint is the size and the root of the log at an instant.
type Checkpoint struct {
	Size int64
	Root []byte
}

// Sign returns a checkpoint as a signed note.
func (k *LogKey) Sign(c Checkpoint) ([]byte, error) {
	text := log.Checkpoint{Origin: k.Origin, Size: uint64(c.Size), Hash: c.Root}.Marshal()
	signed, err := note.Sign(&note.Note{Text: string(text)}, k.signer)
	if err != nil {
		return nil, fmt.Errorf("sign a checkpoint: %w", err)
	}
	return signed, nil
}

// Open returns what a signed checkpoint of this log says. The error says what is wrong with
// one that this key did not sign.
func (k *LogKey) Open(signed []byte) (Checkpoint, error) {
	verifier, err := note.NewVerifier(k.Public)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("the key of the log: %w", err)
	}
	if i := bytes.IndexByte(signed, '\n'); i >= 0 && string(signed[:i]) != k.Origin {
		return Checkpoint{}, fmt.Errorf("it is a checkpoint of the log %q, and this log is %q", signed[:i], k.Origin)
	}
	c, _, _, err := log.ParseCheckpoint(signed, k.Origin, verifier)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("it is no checkpoint that the key of this log signed: %w", err)
	}
	return Checkpoint{Size: int64(c.Size), Root: c.Hash}, nil
}
