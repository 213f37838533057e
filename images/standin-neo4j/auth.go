package main

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// credentials tell whether a user and password may come in.
type credentials struct{ salt, sum string }

func (c *credentials) admit(user, password string) bool {
	return c == nil || (user == "neo4j" && subtle.ConstantTimeCompare([]byte(c.sum), []byte(hash(c.salt, password))) == 1)
}

func hash(salt, password string) string {
	sum := sha256.Sum256([]byte(salt + password))
	return hex.EncodeToString(sum[:])
}

// initialAuth reads the password that an earlier start left in dir, or else
// leaves there the one that the environment gives; nil: authentication is off.
func initialAuth(dir string) (*credentials, error) {
	wanted := os.Getenv("NEO4J_AUTH")
	if path := os.Getenv("NEO4J_AUTH_PATH"); path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("the password file '%s' does not exist: %w", path, err)
		}
		wanted = strings.TrimSpace(string(data))
	}
	if wanted == "none" {
		return nil, nil
	}
	stored := filepath.Join(dir, "dbms", "auth.ini")
	data, err := os.ReadFile(stored)
	switch {
	case err == nil:
		salt, sum, ok := strings.Cut(strings.TrimSpace(string(data)), " ")
		if !ok {
			return nil, fmt.Errorf("%s is damaged", stored)
		}
		return &credentials{salt, sum}, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	user, password, ok := strings.Cut(wanted, "/")
	switch {
	case wanted == "": // the image's default asks for a change at the first login
		password = "neo4j"
	case !ok || user != "neo4j":
		return nil, errors.New("invalid admin username, it must be neo4j")
	case len(password) < 8:
		return nil, errors.New("invalid value for password, the minimum password length is 8 characters")
	}
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, err
	}
	c := &credentials{salt: hex.EncodeToString(random[:])}
	c.sum = hash(c.salt, password)
	if err := os.MkdirAll(filepath.Dir(stored), 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(stored+".new", []byte(c.salt+" "+c.sum+"\n"), 0o600); err != nil {
		return nil, err
	}
	return c, os.Rename(stored+".new", stored)
}
