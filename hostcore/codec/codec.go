// Package codec encrypts what the host stores in Temporal: arguments, results,
// heartbeats, and the messages of failures. The server and its Web UI see key
// ids and lengths only.
//
// The form is that of Temporal's own encryption examples, so that their tools
// read it: a payload with encoding "binary/encrypted" and the key's id in
// "encryption-key-id", whose data is a random nonce followed by the AES-256-GCM
// sealed bytes of the original payload. The key's id is authenticated too.
//
// Several keys may be known; one of them encrypts. To rotate, add a key and make
// it the current one on every host: what older keys wrote stays readable until
// they are removed.
package codec

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
)

const (
	encodingEncrypted = "binary/encrypted"
	metadataKeyID     = "encryption-key-id"
	// KeyBytes is the length of a key.
	KeyBytes = 32
)

// Codec encrypts payloads with one key and decrypts them with any of several.
type Codec struct {
	current string
	keys    map[string]cipher.AEAD
}

var _ converter.PayloadCodec = (*Codec)(nil)

// New makes a codec that encrypts with keys[current], or, when current is "",
// encrypts nothing and reads what was encrypted before. The keys are in base64.
func New(current string, keys map[string]string) (*Codec, error) {
	c := &Codec{current: current, keys: map[string]cipher.AEAD{}}
	for id, text := range keys {
		aead, err := open(text)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", id, err)
		}
		c.keys[id] = aead
	}
	if current != "" && c.keys[current] == nil {
		return nil, &UnknownKeyError{ID: current, Known: slices.Sorted(maps.Keys(keys))}
	}
	return c, nil
}

// open reads a key. Its errors tell nothing of the text.
func open(text string) (cipher.AEAD, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("it is not base64; make one with: openssl rand -base64 %d", KeyBytes)
	}
	if len(key) != KeyBytes {
		return nil, fmt.Errorf("it has %d bytes instead of %d; make one with: openssl rand -base64 %d", len(key), KeyBytes, KeyBytes)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// UnknownKeyError says that a payload was encrypted with a key that this host
// does not have.
type UnknownKeyError struct {
	ID    string
	Known []string
}

func (e *UnknownKeyError) Error() string {
	return fmt.Sprintf("the encryption key %q is not known here (known: %s): add it to temporal.encryption.keys", e.ID, strings.Join(e.Known, ", "))
}

// Encode encrypts every payload.
func (c *Codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	if c.current == "" {
		return payloads, nil
	}
	out := make([]*commonpb.Payload, len(payloads))
	aead := c.keys[c.current]
	for i, p := range payloads {
		plain, err := p.Marshal()
		if err != nil {
			return nil, fmt.Errorf("encrypt a payload: %w", err)
		}
		sealed := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
		_, _ = rand.Read(sealed) // never fails
		out[i] = &commonpb.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte(encodingEncrypted), metadataKeyID: []byte(c.current)},
			Data:     aead.Seal(sealed, sealed, plain, []byte(c.current)),
		}
	}
	return out, nil
}

// Decode decrypts what is encrypted and leaves everything else as it is: runs
// that began before encryption was turned on go on.
func (c *Codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		if string(p.GetMetadata()[converter.MetadataEncoding]) != encodingEncrypted {
			out[i] = p
			continue
		}
		id := string(p.GetMetadata()[metadataKeyID])
		aead := c.keys[id]
		if aead == nil {
			return nil, &UnknownKeyError{ID: id, Known: slices.Sorted(maps.Keys(c.keys))}
		}
		if len(p.GetData()) < aead.NonceSize() {
			return nil, fmt.Errorf("decrypt a payload with key %q: it is cut short", id)
		}
		plain, err := aead.Open(nil, p.GetData()[:aead.NonceSize()], p.GetData()[aead.NonceSize():], []byte(id))
		if err != nil {
			return nil, fmt.Errorf("decrypt a payload with key %q: it was changed, or the key is another one of the same name", id)
		}
		out[i] = &commonpb.Payload{}
		if err := out[i].Unmarshal(plain); err != nil {
			return nil, fmt.Errorf("decrypt a payload with key %q: what was encrypted is no payload: %w", id, err)
		}
	}
	return out, nil
}
