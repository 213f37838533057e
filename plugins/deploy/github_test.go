package deploy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
)

func newGitHub(t *testing.T, source string) (*deploytest.GitHub, *run) {
	t.Helper()
	f := deploytest.NewGitHub(t, canaryToken, "acme")
	config := map[string]any{"github": map[string]any{"token": canaryToken, "api_url": f.URL, "git_url": f.URL}}
	if source != "" {
		config["source_dir"] = source
	}
	r := newRun(t, config, f)
	t.Cleanup(func() { noCanaryIn(t, f.Root) })
	return f, r
}

// noCanaryIn unpacks everything that git holds and looks for the test's secrets.
func noCanaryIn(t *testing.T, root string) {
	repos, _ := filepath.Glob(filepath.Join(root, "*", "*.git"))
	for _, dir := range repos {
		full, _ := filepath.Rel(root, strings.TrimSuffix(dir, ".git"))
		f := &deploytest.GitHub{Root: root}
		f.T = t
		if content := f.Git(full, "cat-file", "--batch-all-objects", "--batch"); isCanary([]byte(content)) {
			t.Errorf("repository %s holds a secret", full)
		}
	}
}

func pushIn(more map[string]any) map[string]any {
	return with(renderApp(map[string]any{"github_repo": "acme/shop"}), more)
}

func sourceDir(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPushMakesTheRepositoryAndCommitsOnce(t *testing.T) {
	f, r := newGitHub(t, "")
	var first, again Pushed
	r.must("push_to_github_activity", pushIn(nil), &first)
	if !first.Changed || first.Branch != "main" || first.RepoURL != f.URL+"/acme/shop" || len(first.CommitSHA) != 40 {
		t.Errorf("%+v", first)
	}
	if head := f.Git("acme/shop", "rev-parse", "main"); head != first.CommitSHA {
		t.Errorf("the branch is at %s, want %s", head, first.CommitSHA)
	}
	if out := f.Git("acme/shop", "fsck", "--strict"); strings.Contains(out, "error") {
		t.Errorf("git fsck: %s", out)
	}
	yaml := f.Git("acme/shop", "show", "main:render.yaml")
	if !strings.Contains(yaml, "- key: DATABASE_URL\n          sync: false") {
		t.Errorf("render.yaml:\n%s", yaml)
	}
	r.must("push_to_github_activity", pushIn(nil), &again)
	if again.Changed || again.CommitSHA != first.CommitSHA || f.Git("acme/shop", "rev-list", "--count", "main") != "1" {
		t.Errorf("the second push: %+v", again)
	}
	r.must("push_to_github_activity", pushIn(map[string]any{"image": "ghcr.io/acme/shop:v2"}), &again)
	if !again.Changed || f.Git("acme/shop", "rev-list", "--count", "main") != "2" {
		t.Errorf("the next version: %+v", again)
	}
}

func TestPushKeepsWhatItDoesNotOwn(t *testing.T) {
	dir := sourceDir(t, map[string]string{"Dockerfile": "FROM scratch\n", "src/app/main.go": "package main\n", "notes.txt": "private\n"})
	f, r := newGitHub(t, dir)
	f.AddRepository("acme/shop")
	blob := f.Git("acme/shop", "hash-object", "-w", filepath.Join(dir, "notes.txt"))
	tree := strings.TrimSpace(runGit(t, f, "acme/shop", fmt.Sprintf("100644 blob %s\tREADME.md\n", blob), "mktree"))
	commit := f.Git("acme/shop", "commit-tree", "-m", "by hand", tree)
	f.Git("acme/shop", "update-ref", "refs/heads/main", commit)

	var out Pushed
	r.must("push_to_github_activity", pushIn(map[string]any{"paths": []string{"Dockerfile", "src/**"}}), &out)
	if diff := cmp.Diff([]string{"Dockerfile", "render.yaml", "src/app/main.go"}, out.Files); diff != "" {
		t.Errorf("files:\n%s", diff)
	}
	if got := f.Git("acme/shop", "ls-tree", "-r", "--name-only", "main"); got != "Dockerfile\nREADME.md\nrender.yaml\nsrc/app/main.go" {
		t.Errorf("tree:\n%s", got)
	}
	if f.Git("acme/shop", "rev-parse", "main^") != commit {
		t.Error("the history before is gone")
	}
	// A branch of its own begins at the default branch.
	r.must("push_to_github_activity", pushIn(map[string]any{"branch": "deploy/shop"}), &out)
	if f.Git("acme/shop", "rev-parse", "deploy/shop") != out.CommitSHA || f.Git("acme/shop", "merge-base", "main", "deploy/shop") == "" {
		t.Errorf("%+v", out)
	}
	// Replacing the history takes asking for it.
	r.must("push_to_github_activity", pushIn(map[string]any{"force": true}), &out)
	if got := f.Git("acme/shop", "ls-tree", "-r", "--name-only", "main"); got != "render.yaml" || f.Git("acme/shop", "rev-list", "--count", "main") != "1" {
		t.Errorf("forced tree:\n%s", got)
	}
}

func runGit(t *testing.T, f *deploytest.GitHub, repo, stdin string, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "stdin")
	if err := os.WriteFile(file, []byte(stdin), 0o600); err != nil {
		t.Fatal(err)
	}
	return f.GitStdin(repo, file, args...)
}

func TestPushRefusesWhatHoldsASecret(t *testing.T) {
	files := map[string]string{
		".env": "A=1", "deploy/server.pem": "x", "id_ed25519": "x", ".env.example": "DATABASE_URL=\n", "id_ed25519.pub": "ssh-ed25519 AAAA\n",
		"config.py":  "url = '" + canarySecret + "'",
		"token.txt":  "ghp_" + strings.Repeat("a", 36),
		"key.txt":    "-----BEGIN RSA PRIVATE KEY-----\n",
		"aws.txt":    "AKIA" + strings.Repeat("A", 16),
		"base64.txt": "Y2FuYXJ5LXNlY3JldC1iOGUwNGQ2NjEy",
		"fine.txt":   "nothing here",
	}
	dir := sourceDir(t, files)
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "outside")); err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{ // path -> error type
		".env": "SecretInFiles", "deploy/**": "SecretInFiles", "id_*": "SecretInFiles", "config.py": "SecretInFiles", "token.txt": "SecretInFiles",
		"key.txt": "SecretInFiles", "aws.txt": "SecretInFiles", "base64.txt": "SecretInFiles",
		"../x": "InvalidRequest", "/etc/passwd": "InvalidRequest", "a/../../b": "InvalidRequest", "missing.txt": "InvalidRequest", "outside": "InvalidRequest",
		"fine.txt": "", ".env.example": "", "id_ed25519.pub": "",
	}
	for path, want := range cases {
		t.Run(path, func(t *testing.T) {
			f, r := newGitHub(t, dir)
			fail := r.do("push_to_github_activity", pushIn(map[string]any{"paths": []string{path}}), nil)
			got := ""
			if fail != nil {
				got = fail.Type
				if !fail.Final {
					t.Errorf("%v is retried", fail)
				}
			}
			if got != want {
				t.Errorf("verdict %v, want %q", fail, want)
			}
			if want != "" && len(f.Created) != 0 {
				t.Error("a refused push left a repository behind")
			}
		})
	}
}

func TestPushCommitsOnceWhereverThePluginDies(t *testing.T) {
	push := func(r *run) (first, second Pushed, fail *failure) {
		if fail = r.do("push_to_github_activity", pushIn(nil), &first); fail == nil {
			fail = r.do("push_to_github_activity", pushIn(map[string]any{"image": "ghcr.io/acme/shop:v2"}), &second)
		}
		return first, second, fail
	}
	f, r := newGitHub(t, "")
	_, _, fail := push(r)
	if fail != nil {
		t.Fatal(fail)
	}
	calls := f.Calls()
	for n := 1; n <= calls; n++ {
		for _, when := range []deploytest.When{deploytest.BeforeWork, deploytest.AfterWork} {
			t.Run(fmt.Sprintf("call %d/after work %v", n, when == deploytest.AfterWork), func(t *testing.T) {
				matrix(t)
				f, r := newGitHub(t, "")
				r.amnes = true
				f.CutAt(n, when)
				first, second, fail := push(r)
				if fail != nil || r.crashes != 1 {
					t.Fatalf("verdict %v, %d crashes after %v", fail, r.crashes, f.Log())
				}
				if len(f.Created) != 1 || f.Git("acme/shop", "rev-list", "--count", "main") != "2" {
					t.Errorf("created %v, history:\n%s", f.Created, f.Git("acme/shop", "log", "--format=%H %s", "main"))
				}
				if !second.Changed || f.Git("acme/shop", "rev-parse", "main") != second.CommitSHA || f.Git("acme/shop", "rev-parse", "main^") != first.CommitSHA {
					t.Errorf("%+v, %+v", first, second)
				}
			})
		}
	}
}

func TestPushVerdicts(t *testing.T) {
	cases := map[string]struct {
		prepare func(f *deploytest.GitHub)
		input   map[string]any
		typ     string
		final   bool
		text    string
	}{
		"a token that GitHub refuses": {prepare: func(f *deploytest.GitHub) {
			f.Script(&deploytest.Fault{Op: "GET /repos", Status: 401, Body: `{"message":"Bad credentials"}`})
		}, typ: "AuthError", final: true},
		"a token that git refuses": {prepare: func(f *deploytest.GitHub) { f.NoAccess = true }, typ: "AuthError", final: true, text: "contents:write"},
		"a limit that is used up":  {prepare: func(f *deploytest.GitHub) { f.Throttle = 99 }, typ: "Throttled"},
		"a token without the right": {prepare: func(f *deploytest.GitHub) {
			f.Script(&deploytest.Fault{Op: "POST /user/repos", Status: 403, Body: `{"message":"Resource not accessible"}`})
		}, typ: "PermissionError", final: true},
		"a branch that no ref can be": {input: map[string]any{"branch": "a..b"}, typ: "InvalidRequest", final: true},
		"a repository that is a path": {input: map[string]any{"github_repo": "acme/../x"}, typ: "InvalidRequest", final: true},
		"an address elsewhere":        {input: map[string]any{"github_repo": "", "repo_url": "https://example.com/a/b"}, typ: "InvalidRequest", final: true},
		"a hook that refuses": {prepare: func(f *deploytest.GitHub) {
			f.AddRepository("acme/shop")
			hook := filepath.Join(f.Root, "acme/shop.git/hooks/pre-receive")
			_ = os.MkdirAll(filepath.Dir(hook), 0o755)
			_ = os.WriteFile(hook, []byte("#!/bin/sh\necho GH013: push protection found "+canarySecret+" >&2\nexit 1\n"), 0o755)
		}, typ: "SecretInFiles", final: true, text: "push protection found ***"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f, r := newGitHub(t, "")
			if c.prepare != nil {
				c.prepare(f)
			}
			fail := r.do("push_to_github_activity", pushIn(c.input), nil)
			if fail == nil || fail.Type != c.typ || fail.Final != c.final || !strings.Contains(fail.Message, c.text) {
				t.Fatalf("verdict %+v, want %s (final %v) with %q", fail, c.typ, c.final, c.text)
			}
			if c.typ == "Throttled" && fail.RetryAfter != 33*time.Second {
				t.Errorf("retry after %s", fail.RetryAfter)
			}
		})
	}
}

func TestPushDryRunAndPushOfAnImageAlone(t *testing.T) {
	f, r := newGitHub(t, "")
	var out Pushed
	r.must("push_to_github_activity", pushIn(map[string]any{"dry_run": true}), &out)
	if len(out.Plan) != 2 || out.Changed || len(f.Created) != 0 {
		t.Errorf("%+v", out)
	}
	f.AddRepository("acme/shop")
	r.must("push_to_github_activity", pushIn(map[string]any{"dry_run": true}), &out)
	if diff := cmp.Diff([]string{"commit render.yaml to branch main"}, out.Plan); diff != "" || out.CommitSHA != "" {
		t.Errorf("%+v", out)
	}
	var nothing map[string]any
	r.must("push_to_github_activity", renderApp(nil), &nothing)
	for _, key := range []string{"repo_url", "branch", "commit_sha", "deployment_url"} {
		if _, ok := nothing[key]; ok {
			t.Errorf("a push of nothing reports %s: it would override the deployment's own input", key)
		}
	}
}
