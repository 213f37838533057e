package main

import (
	"encoding/json"
	"net"
	"net/http"
)

const agent = "5.26.0-standin"

// handler answers the parts of the HTTP API that tell about readiness: see
// "Neo4j HTTP API", discovery and transactions.
func handler(auth *credentials) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]string{
			"bolt_routing":  "neo4j://" + hostOf(r) + ":7687",
			"bolt_direct":   "bolt://" + hostOf(r) + ":7687",
			"transaction":   "http://" + r.Host + "/db/{databaseName}/tx",
			"neo4j_version": agent,
			"neo4j_edition": "stand-in",
		})
	})
	mux.HandleFunc("POST /db/{name}/tx/commit", func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		switch {
		case !ok && auth != nil:
			w.Header().Set("WWW-Authenticate", `Basic realm="Neo4j", charset="UTF-8"`)
			failure(w, http.StatusUnauthorized, "Neo.ClientError.Security.Unauthorized", "No authentication header supplied.")
			return
		case !auth.admit(user, password):
			failure(w, http.StatusUnauthorized, "Neo.ClientError.Security.Unauthorized", "Invalid credential.")
			return
		case r.PathValue("name") != "neo4j" && r.PathValue("name") != "system":
			failure(w, http.StatusNotFound, "Neo.ClientError.Database.DatabaseNotFound", "Database does not exist.")
			return
		}
		var body struct {
			Statements []json.RawMessage `json:"statements"`
		}
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&body); err != nil {
			failure(w, http.StatusOK, "Neo.ClientError.Request.InvalidFormat", "Could not parse the incoming JSON.")
			return
		}
		if len(body.Statements) > 0 {
			failure(w, http.StatusOK, "Neo.ClientError.Statement.NotImplemented", notNeo4j)
			return
		}
		answer(w, http.StatusOK, map[string]any{"results": []any{}, "errors": []any{}})
	})
	return mux
}

func hostOf(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		return host
	}
	return r.Host
}

func failure(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, map[string]any{"results": []any{}, "errors": []any{map[string]string{"code": code, "message": message}}})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone: nobody to tell
}
