package connection

import (
	"fmt"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/codec"
)

// Codec is the encryption that is configured; nil when there is none.
func Codec(e config.Encryption) (*codec.Codec, error) {
	if len(e.Keys) == 0 {
		return nil, nil
	}
	keys := map[string]string{}
	for id, k := range e.Keys {
		text, err := k.Key.Resolve()
		if err != nil {
			return nil, fmt.Errorf("temporal.encryption.keys.%s.key: %w", id, err)
		}
		keys[id] = text
	}
	c, err := codec.New(e.KeyID, keys)
	if err != nil {
		return nil, fmt.Errorf("temporal.encryption: %w", err)
	}
	return c, nil
}
