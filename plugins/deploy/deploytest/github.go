package deploytest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// GitHub is a real git server (git-http-backend) with the few REST calls around it played by hand.
type GitHub struct {
	Gate
	*httptest.Server
	Root  string // bare repositories: Root/owner/name.git
	token string
	login string

	// Behaviour, set before the first call.
	Throttle int  // REST calls that answer 403 with an exhausted limit
	NoAccess bool // git refuses the token

	mu      sync.Mutex
	backend string
	Created []string
}

// NewGitHub starts a server for one account. Without git's http-backend the test is skipped.
func NewGitHub(t testing.TB, token, login string) *GitHub {
	t.Helper()
	out, err := exec.Command("git", "--exec-path").Output()
	backend := filepath.Join(strings.TrimSpace(string(out)), "git-http-backend")
	if _, serr := os.Stat(backend); err != nil || serr != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("git's http-backend is not installed")
		}
		t.Skip("git http-backend not available")
	}
	f := &GitHub{Root: t.TempDir(), token: token, login: login, backend: backend}
	f.T = t
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *GitHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.URL.Path, ".git/") {
		f.git(w, r)
		return
	}
	op := r.Method + " " + r.URL.Path
	if strings.HasPrefix(r.URL.Path, "/repos/") {
		op = r.Method + " /repos"
	}
	var in obj
	_ = json.NewDecoder(r.Body).Decode(&in)
	f.serve(op, w, func(a *answer) {
		f.mu.Lock()
		defer f.mu.Unlock()
		body := f.rest(r, in, a)
		a.body, _ = json.Marshal(body)
	})
}

func (f *GitHub) rest(r *http.Request, in obj, a *answer) any {
	if r.Header.Get("Authorization") != "Bearer "+f.token {
		a.status = 401
		return obj{"message": "Bad credentials"}
	}
	if r.Header.Get("Accept") != "application/vnd.github+json" || r.Header.Get("X-GitHub-Api-Version") == "" || r.Header.Get("User-Agent") == "" {
		f.T.Errorf("github: headers %v", r.Header)
	}
	if f.Throttle > 0 {
		f.Throttle--
		a.status = 403
		a.header.Set("X-RateLimit-Remaining", "0")
		a.header.Set("Retry-After", "33")
		return obj{"message": "API rate limit exceeded"}
	}
	wire := func(full string) obj {
		return obj{"full_name": full, "html_url": "https://github.com/" + full, "default_branch": "main", "private": true, "archived": false}
	}
	create := func(owner string) any {
		full := owner + "/" + in["name"].(string)
		if in["private"] != true || in["auto_init"] != false {
			f.T.Errorf("github: repository %v", in)
		}
		dir := filepath.Join(f.Root, full+".git")
		if _, err := os.Stat(dir); err == nil {
			a.status = 422
			return obj{"message": "Repository creation failed.", "errors": []any{obj{"resource": "Repository", "code": "custom", "field": "name", "message": "name already exists on this account"}}}
		}
		f.initBare(full)
		f.Created = append(f.Created, full)
		a.status = 201
		return wire(full)
	}
	switch {
	case r.Method == "GET" && r.URL.Path == "/user":
		return obj{"login": f.login}
	case r.Method == "POST" && r.URL.Path == "/user/repos":
		return create(f.login)
	case r.Method == "POST" && strings.HasPrefix(r.URL.Path, "/orgs/"):
		return create(strings.Split(r.URL.Path, "/")[2])
	case r.Method == "GET" && strings.HasPrefix(r.URL.Path, "/repos/"):
		full := strings.TrimPrefix(r.URL.Path, "/repos/")
		if _, err := os.Stat(filepath.Join(f.Root, full+".git")); err == nil {
			return wire(full)
		}
		a.status = 404
		return obj{"message": "Not Found"}
	}
	f.T.Errorf("github: %s %s is not played", r.Method, r.URL.Path)
	a.status = 599
	return nil
}

func (f *GitHub) initBare(full string) {
	dir := filepath.Join(f.Root, full+".git")
	for _, args := range [][]string{{"init", "-q", "--bare", "-b", "main", dir}, {"-C", dir, "config", "http.receivepack", "true"}} {
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			f.T.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
}

// AddRepository makes an empty repository exist.
func (f *GitHub) AddRepository(full string) { f.initBare(full) }

// Git runs git in a repository and returns what it prints.
func (f *GitHub) Git(full string, args ...string) string {
	cmd := exec.Command("git", append([]string{"-C", filepath.Join(f.Root, full+".git")}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x@example.com", "GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		f.T.Fatalf("git %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// git hands the call to git's own server, behind the token.
func (f *GitHub) git(w http.ResponseWriter, r *http.Request) {
	op := "git " + r.URL.Query().Get("service")
	if r.Method == http.MethodPost {
		op = "git " + r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:] + " POST"
	}
	f.serve(op, w, func(a *answer) {
		user, pass, ok := r.BasicAuth()
		if !ok || user != "x-access-token" || pass != f.token || f.NoAccess {
			a.status = http.StatusUnauthorized
			a.header.Set("WWW-Authenticate", `Basic realm="git"`)
			return
		}
		rec := httptest.NewRecorder()
		h := &cgi.Handler{Path: f.backend, Root: "/", Env: []string{"GIT_PROJECT_ROOT=" + f.Root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=orch"},
			InheritEnv: []string{"PATH"}, Stderr: io.Discard}
		h.ServeHTTP(rec, r)
		a.status, a.body = rec.Code, rec.Body.Bytes()
		for k, v := range rec.Header() {
			a.header[k] = v
		}
	})
}

// GitStdin is Git with a file as standard input.
func (f *GitHub) GitStdin(full, file string, args ...string) string {
	in, err := os.Open(file)
	if err != nil {
		f.T.Fatal(err)
	}
	defer in.Close()
	cmd := exec.Command("git", append([]string{"-C", filepath.Join(f.Root, full+".git")}, args...)...)
	cmd.Stdin = in
	out, err := cmd.CombinedOutput()
	if err != nil {
		f.T.Fatalf("git %v: %v: %s", args, err, out)
	}
	return string(out)
}
