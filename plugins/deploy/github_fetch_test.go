package deploy

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
	"github.com/orch-host/orch/sdk"
)

// commitByHand puts a commit with one file on a branch of the test's server.
func commitByHand(t *testing.T, f *deploytest.GitHub, branch, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	blob := f.Git("acme/shop", "hash-object", "-w", path)
	tree := strings.TrimSpace(runGit(t, f, "acme/shop", "100644 blob "+blob+"\t"+name+"\n", "mktree"))
	args := []string{"commit-tree", "-m", "by hand", tree}
	if parent := f.Git("acme/shop", "for-each-ref", "--format=%(objectname)", "refs/heads/"+branch); parent != "" {
		args = append(args, "-p", parent)
	}
	commit := f.Git("acme/shop", args...)
	f.Git("acme/shop", "update-ref", "refs/heads/"+branch, commit)
	return commit
}

func TestOfABranchOnlyItsNewestCommitIsRead(t *testing.T) {
	f, _ := newGitHub(t, "")
	f.AddRepository("acme/shop")
	large := make([]byte, 2<<20)
	_, _ = rand.Read(large) // never fails
	commitByHand(t, f, "main", "large.bin", large)
	for range 3 {
		commitByHand(t, f, "main", "README.md", []byte("hello"))
	}
	head := commitByHand(t, f, "main", "README.md", []byte("hello again"))
	g := gitPush{url: f.URL + "/acme/shop.git", token: canaryToken, branch: "main", message: "x",
		files: map[string]pushFile{"a.txt": {data: []byte("a")}}, limit: 1 << 20}
	pushed, err := g.push(t.Context())
	if err != nil || f.Git("acme/shop", "rev-parse", "main^") != head || f.Git("acme/shop", "rev-list", "--count", "main") != "6" {
		t.Fatalf("%+v, %v", pushed, err)
	}
	// A branch of its own begins there, and then goes on.
	for i, text := range []string{"b", "c"} {
		g.branch, g.files = "own", map[string]pushFile{"b.txt": {data: []byte(text)}}
		if _, err := g.push(t.Context()); err != nil || f.Git("acme/shop", "rev-parse", "own~"+string(rune('1'+i))) != pushed.commit {
			t.Errorf("push %d: %v", i, err)
		}
	}
	g.force = true
	if forced, err := g.push(t.Context()); err != nil || f.Git("acme/shop", "rev-list", "--count", "own") != "1" {
		t.Errorf("%+v, %v", forced, err)
	}
	if out := f.Git("acme/shop", "fsck", "--strict", "--full"); strings.Contains(out, "error") || strings.Contains(out, "missing") {
		t.Errorf("git fsck: %s", out)
	}
}

func TestABranchThatIsTooLargeIsRefused(t *testing.T) {
	f, _ := newGitHub(t, "")
	f.AddRepository("acme/shop")
	large := make([]byte, 2<<20)
	_, _ = rand.Read(large) // never fails
	head := commitByHand(t, f, "main", "large.bin", large)
	g := gitPush{url: f.URL + "/acme/shop.git", token: canaryToken, branch: "main", message: "x",
		files: map[string]pushFile{"a.txt": {data: []byte("a")}}, limit: 1 << 20}
	_, err := g.push(t.Context())
	var fail *sdk.Error
	if err == nil || !errors.As(gitFailed(&settings{}, "acme/shop", "main", err), &fail) || fail.Type != "InvalidRequest" || !fail.NonRetryable || !strings.Contains(fail.Message, "more than 1 MB") {
		t.Errorf("%v, %+v", err, fail)
	}
	if f.Git("acme/shop", "rev-parse", "main") != head {
		t.Error("something was pushed")
	}
}
