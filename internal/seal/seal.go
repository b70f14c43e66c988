// Package seal protects personal values that must be stored outside identity's
// own tables: it encrypts each with a key of its person, wraps that key with the
// installation's master key, and computes keyed hashes for comparing values
// without revealing them.
//
// Destroying a person's wrapped key makes everything encrypted for them
// unreadable for good. The package must never store or log a key or a value, and
// is the only importer of the cryptographic library.
package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// personKeySize is that of AES-256.
const personKeySize = 32

// Master is the installation's key: it wraps people's keys and computes keyed
// hashes.
type Master struct {
	wrap tink.AEAD
	hash *prf.Set
}

// keyFile is the format of the master key: two Tink keysets.
type keyFile struct {
	Wrap json.RawMessage `json:"wrap"`
	Hash json.RawMessage `json:"hash"`
}

// NewMaster returns a new master key in the format of ParseMaster. It decrypts
// everything that is sealed; without it, that is lost.
func NewMaster() ([]byte, error) {
	wrap, err := newKeyset(keyset.NewHandle(aead.AES256GCMKeyTemplate()))
	if err != nil {
		return nil, err
	}
	hash, err := newKeyset(keyset.NewHandle(prf.HMACSHA256PRFKeyTemplate()))
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(keyFile{Wrap: wrap, Hash: hash}, "", "  ")
}

func newKeyset(h *keyset.Handle, err error) (json.RawMessage, error) {
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(h, keyset.NewJSONWriter(&b)); err != nil {
		return nil, fmt.Errorf("write a key: %w", err)
	}
	return b.Bytes(), nil
}

// ParseMaster parses a key of NewMaster.
func ParseMaster(text []byte) (*Master, error) {
	var f keyFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, errors.New("this is not a behov key file")
	}
	wrapHandle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(f.Wrap)))
	if err != nil {
		return nil, fmt.Errorf("read the wrapping key: %w", err)
	}
	wrap, err := aead.New(wrapHandle)
	if err != nil {
		return nil, fmt.Errorf("read the wrapping key: %w", err)
	}
	hashHandle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(f.Hash)))
	if err != nil {
		return nil, fmt.Errorf("read the hashing key: %w", err)
	}
	hash, err := prf.NewPRFSet(hashHandle)
	if err != nil {
		return nil, fmt.Errorf("read the hashing key: %w", err)
	}
	return &Master{wrap: wrap, hash: hash}, nil
}

// Hash returns a 32-byte keyed hash of the value for the purpose. Equal values
// have equal hashes within one installation and purpose; without the master key
// values cannot be tried against a hash.
func (m *Master) Hash(purpose, value string) ([]byte, error) {
	// The purpose is a constant without NUL, so that purpose and value cannot be
	// confused.
	return m.hash.ComputePrimaryPRF([]byte(purpose+"\x00"+value), 32)
}

// Seal encrypts a value that belongs to no person (such as a cache) with the
// master key. Context names where it is stored; Open fails in any other context.
func (m *Master) Seal(context string, value []byte) ([]byte, error) {
	return m.wrap.Encrypt(value, []byte("master\x00"+context))
}

// Open decrypts a value of Seal with the same context.
func (m *Master) Open(context string, sealed []byte) ([]byte, error) {
	value, err := m.wrap.Decrypt(sealed, []byte("master\x00"+context))
	if err != nil {
		return nil, fmt.Errorf("sealed %s does not open with this key file: %w", context, err)
	}
	return value, nil
}

// PersonKey seals values of one person.
type PersonKey struct {
	person string
	aead   tink.AEAD
}

// NewPersonKey returns a new key for a person, and its wrapped form, which the
// caller stores.
func (m *Master) NewPersonKey(person string) (*PersonKey, []byte, error) {
	raw := make([]byte, personKeySize)
	if _, err := rand.Read(raw); err != nil {
		return nil, nil, fmt.Errorf("make a person's key: %w", err)
	}
	wrapped, err := m.wrap.Encrypt(raw, []byte(person))
	if err != nil {
		return nil, nil, fmt.Errorf("wrap the key of %s: %w", person, err)
	}
	k, err := personKey(person, raw)
	return k, wrapped, err
}

// OpenPersonKey unwraps a stored key. It fails for a key that was wrapped for
// another person or by another installation.
func (m *Master) OpenPersonKey(person string, wrapped []byte) (*PersonKey, error) {
	raw, err := m.wrap.Decrypt(wrapped, []byte(person))
	if err != nil {
		return nil, fmt.Errorf("the key of %s does not open with this key file: %w", person, err)
	}
	return personKey(person, raw)
}

func personKey(person string, raw []byte) (*PersonKey, error) {
	a, err := subtle.NewAESGCM(raw)
	if err != nil {
		return nil, fmt.Errorf("key of %s: %w", person, err)
	}
	return &PersonKey{person: person, aead: a}, nil
}

// Seal encrypts a value. Context names where it is stored (a table and column);
// Open fails in any other context.
func (k *PersonKey) Seal(context string, value []byte) ([]byte, error) {
	return k.aead.Encrypt(value, []byte(k.person+"\x00"+context))
}

// Open decrypts a value of Seal with the same context.
func (k *PersonKey) Open(context string, sealed []byte) ([]byte, error) {
	value, err := k.aead.Decrypt(sealed, []byte(k.person+"\x00"+context))
	if err != nil {
		return nil, fmt.Errorf("sealed %s of %s does not open: %w", context, k.person, err)
	}
	return value, nil
}
