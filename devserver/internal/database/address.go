package database

import (
	"encoding/json"
	"fmt"
	"os"
)

// Address tells other processes of the same user where a database is served.
type Address struct {
	// Frontend is host:port of the gRPC frontend.
	Frontend string `json:"frontend"`
	// UI is the URL of the Web UI; empty when there is none.
	UI string `json:"ui"`
	// Pid is the serving process.
	Pid int `json:"pid"`
}

// Publish writes the address file. Call it only when the server answers: a
// reader takes its existence, together with a held lock, as "running".
func Publish(path string, a Address) error {
	raw, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if err := replaceFile(path+".addr", append(raw, '\n')); err != nil {
		return fmt.Errorf("publish the server's address: %w", err)
	}
	return nil
}

// Retract removes the address file, first thing on the way down.
func Retract(path string) { _ = os.Remove(path + ".addr") }

// ReadAddress reads the address file of the database at path.
func ReadAddress(path string) (Address, error) {
	var a Address
	raw, err := os.ReadFile(path + ".addr")
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(raw, &a)
}
