package main

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strings"
)

// handler answers the health paths and collections of Qdrant's REST API.
func handler(s *store, key string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, map[string]string{"title": "stand-in for qdrant", "version": "1.13.4-standin"})
	})
	for path, text := range map[string]string{
		"/livez": "healthz check passed", "/healthz": "healthz check passed", "/readyz": "all shards are ready",
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
	}
	type named struct {
		Name string `json:"name"`
	}
	mux.HandleFunc("GET /collections", func(w http.ResponseWriter, _ *http.Request) {
		all := []named{}
		for _, n := range s.names() {
			all = append(all, named{n})
		}
		result(w, map[string]any{"collections": all})
	})
	mux.HandleFunc("GET /collections/{name}", func(w http.ResponseWriter, r *http.Request) {
		if !s.has(r.PathValue("name")) {
			problem(w, http.StatusNotFound, "Not found: Collection `"+r.PathValue("name")+"` doesn't exist!")
			return
		}
		result(w, map[string]any{"status": "green", "points_count": 0})
	})
	mux.HandleFunc("PUT /collections/{name}", func(w http.ResponseWriter, r *http.Request) {
		if err := s.add(r.PathValue("name")); err != nil {
			problem(w, http.StatusConflict, err.Error())
			return
		}
		result(w, true)
	})
	mux.HandleFunc("DELETE /collections/{name}", func(w http.ResponseWriter, r *http.Request) {
		had, err := s.remove(r.PathValue("name"))
		if err != nil {
			problem(w, http.StatusInternalServerError, err.Error())
			return
		}
		result(w, had)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if key != "" && !open(r.URL.Path) && !sameKey(key, r) {
			http.Error(w, "Must provide an API key or an Authorization bearer token", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// open tells the paths that ask for no key.
func open(path string) bool {
	return path == "/" || path == "/livez" || path == "/healthz" || path == "/readyz"
}

func sameKey(key string, r *http.Request) bool {
	got := r.Header.Get("api-key")
	if got == "" {
		got = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	return subtle.ConstantTimeCompare([]byte(got), []byte(key)) == 1
}

func result(w http.ResponseWriter, value any) {
	write(w, http.StatusOK, map[string]any{"result": value, "status": "ok", "time": 0})
}

func problem(w http.ResponseWriter, status int, message string) {
	write(w, status, map[string]any{"status": map[string]string{"error": message}, "time": 0})
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone: nobody to tell
}
