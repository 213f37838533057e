// Command standin-grafana stands in for Grafana where its image cannot be had:
// health, administrator's password, datasources with their proxy, dashboards
// and file provisioning, as documented at grafana.com/docs (HTTP API and
// provisioning). It has no interface and shows nothing.
package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

type object = map[string]any

// state is what Grafana keeps in its database.
type state struct {
	mu          sync.Mutex
	file        string
	User        string            `json:"user"`
	Password    string            `json:"password"` // its SHA-256
	Datasources []object          `json:"datasources"`
	Dashboards  map[string]object `json:"dashboards"` // by uid: {dashboard, meta}
	Next        int               `json:"next"`
}

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("standin-grafana: ", err)
	}
}

func run() error {
	s, err := open(env("GF_PATHS_DATA", "/var/lib/grafana"))
	if err != nil {
		return err
	}
	if err := s.provision(env("GF_PATHS_PROVISIONING", "/etc/grafana/provisioning")); err != nil {
		return err
	}
	if err := s.save(); err != nil {
		return err
	}
	address := ":" + env("GF_SERVER_HTTP_PORT", "3000")
	log.Print("standin-grafana: listening on ", address)
	return http.ListenAndServe(address, s.handler())
}

func env(name, standard string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return standard
}

// open reads the data folder. As in Grafana, user and password of the
// environment count only when the folder is new.
func open(dir string) (*state, error) {
	s := &state{file: filepath.Join(dir, "standin.json"), Dashboards: map[string]object{}}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(s.file)
	if err == nil {
		return s, json.Unmarshal(text, s)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	password := env("GF_SECURITY_ADMIN_PASSWORD", "admin")
	if f := os.Getenv("GF_SECURITY_ADMIN_PASSWORD__FILE"); f != "" {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		password = strings.TrimSpace(string(text))
	}
	s.User, s.Password = env("GF_SECURITY_ADMIN_USER", "admin"), sum(password)
	return s, nil
}

func sum(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:])
}

// save keeps the state; the lock is held, or nobody else is there yet.
func (s *state) save() error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.file+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(s.file+".new", s.file)
}

func (s *state) authentic(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	return ok && user == s.User && subtle.ConstantTimeCompare([]byte(sum(password)), []byte(s.Password)) == 1
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // a client that went away
}

func message(w http.ResponseWriter, code int, format string, args ...any) {
	answer(w, code, object{"message": fmt.Sprintf(format, args...)})
}
