package deploytest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Registry takes pushes by the distribution protocol, and keeps them in memory.
type Registry struct {
	*httptest.Server
	User, Password string

	mu        sync.Mutex
	blobs     map[string][]byte
	uploads   map[string][]byte
	manifests map[string][]byte
}

// NewRegistry starts a registry behind one login.
func NewRegistry(t testing.TB, user, password string) *Registry {
	r := &Registry{User: user, Password: password, blobs: map[string][]byte{}, uploads: map[string][]byte{}, manifests: map[string][]byte{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// Manifest returns what was pushed under a name.
func (r *Registry) Manifest(repo, ref string) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.manifests[repo+":"+ref]
}

// Refs lists what was pushed.
func (r *Registry) Refs() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for k := range r.manifests {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(h[:])
}

func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if user, pass, ok := req.BasicAuth(); !ok || user != r.User || pass != r.Password {
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	body, _ := io.ReadAll(req.Body)
	path := strings.TrimPrefix(req.URL.Path, "/v2/")
	if repo, ref, ok := strings.Cut(path, "/manifests/"); ok {
		key := repo + ":" + ref
		if req.Method == http.MethodPut {
			r.manifests[key] = body
			r.manifests[repo+":"+sum(body)] = body
			w.Header().Set("Docker-Content-Digest", sum(body))
			w.WriteHeader(http.StatusCreated)
			return
		}
		if m, ok := r.manifests[key]; ok {
			w.Header().Set("Docker-Content-Digest", sum(m))
			w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
			_, _ = w.Write(m)
			return
		}
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if repo, rest, ok := strings.Cut(path, "/blobs/"); ok {
		r.blob(w, req, repo, rest, body)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (r *Registry) blob(w http.ResponseWriter, req *http.Request, repo, rest string, body []byte) {
	id, uploading := strings.CutPrefix(rest, "uploads/")
	switch {
	case !uploading:
		data, ok := r.blobs[rest]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Docker-Content-Digest", rest)
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		if req.Method == http.MethodGet {
			_, _ = w.Write(data)
		}
	case req.Method == http.MethodPost:
		id = fmt.Sprintf("u%d", len(r.uploads)+1)
		r.uploads[id] = nil
		w.Header().Set("Location", "/v2/"+repo+"/blobs/uploads/"+id)
		w.Header().Set("Docker-Upload-UUID", id)
		w.Header().Set("Range", "0-0")
		w.WriteHeader(http.StatusAccepted)
	default:
		r.uploads[id] = append(r.uploads[id], body...)
		if req.Method == http.MethodPatch {
			w.Header().Set("Location", "/v2/"+repo+"/blobs/uploads/"+id)
			w.Header().Set("Docker-Upload-UUID", id)
			w.Header().Set("Range", fmt.Sprintf("0-%d", len(r.uploads[id])-1))
			w.WriteHeader(http.StatusAccepted)
			return
		}
		digest := req.URL.Query().Get("digest")
		if sum(r.uploads[id]) != digest {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.blobs[digest] = r.uploads[id]
		w.Header().Set("Docker-Content-Digest", digest)
		w.WriteHeader(http.StatusCreated)
	}
}
