package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/storage/memory"
)

// maxBranch is how much the files of a branch's newest commit may hold: it is read into memory, unpacked.
const maxBranch = 256 << 20

// errBranchTooLarge ends the reading of a branch that holds more than its limit.
var errBranchTooLarge = errors.New("its newest commit holds")

// gitPush puts files on a branch in one commit on top of what is there. All happens in memory, with the newest commit only.
type gitPush struct {
	url, token, branch string
	files              map[string]pushFile
	message, run       string
	at                 time.Time
	force, dryRun      bool
	limit              int64 // of what is read; 0: maxBranch
}

// boundedStorage takes objects up to a limit.
type boundedStorage struct {
	*memory.Storage
	left, limit int64
}

// SetEncodedObject is called for every object that is fetched or made.
func (s *boundedStorage) SetEncodedObject(o plumbing.EncodedObject) (plumbing.Hash, error) {
	if s.left -= o.Size(); s.left < 0 {
		return plumbing.ZeroHash, fmt.Errorf("%w more than %d MB", errBranchTooLarge, s.limit>>20)
	}
	return s.Storage.SetEncodedObject(o)
}

type gitPushed struct {
	commit  string
	changed bool
	differ  []string // in a dry run: files that would change
}

// runTrailer marks commits with the execution that made them, so that a later attempt of it knows its own.
const runTrailer = "Orch-Run: "

// firstCommit is the time of a commit without a parent: a fixed one gives a fixed hash.
var firstCommit = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func (g gitPush) push(ctx context.Context) (gitPushed, error) {
	limit := cmp.Or(g.limit, maxBranch)
	repo, err := git.Init(&boundedStorage{memory.NewStorage(), limit, limit}, nil)
	if err != nil {
		return gitPushed{}, err
	}
	remote, err := repo.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{g.url}})
	if err != nil {
		return gitPushed{}, err
	}
	auth := &githttp.BasicAuth{Username: "x-access-token", Password: g.token}
	head, base, err := g.fetch(ctx, repo, remote, auth)
	if err != nil {
		return gitPushed{}, fmt.Errorf("read the branch: %w", err)
	}
	var baseTree *object.Tree
	if base != nil && !g.force {
		if baseTree, err = base.Tree(); err != nil {
			return gitPushed{}, err
		}
	}
	tree, differ, err := writeTree(repo, baseTree, g.files)
	if err != nil {
		return gitPushed{}, err
	}
	if head != nil && head.TreeHash == tree {
		return gitPushed{commit: head.Hash.String(), changed: g.run != "" && strings.Contains(head.Message, runTrailer+g.run)}, nil
	}
	if g.dryRun {
		return gitPushed{differ: differ}, nil
	}
	commit, err := g.commit(repo, tree, base)
	if err != nil {
		return gitPushed{}, err
	}
	ref := plumbing.NewBranchReferenceName(g.branch)
	if err := repo.Storer.SetReference(plumbing.NewHashReference(ref, commit)); err != nil {
		return gitPushed{}, err
	}
	said := &tail{}
	opts := &git.PushOptions{RemoteName: "origin", Auth: auth, Progress: said, RefSpecs: []config.RefSpec{config.RefSpec(ref + ":" + ref)}}
	if g.force && head != nil {
		// Only over the history that was read: a push in between is not lost.
		opts.Force = true
		opts.ForceWithLease = &git.ForceWithLease{RefName: ref, Hash: head.Hash}
	}
	err = repo.PushContext(ctx, opts)
	if err != nil && !errors.Is(err, git.NoErrAlreadyUpToDate) {
		// Why a push is declined is in what the server says beside the protocol.
		if text := said.String(); text != "" {
			err = fmt.Errorf("%w; the server says: %s", err, text)
		}
		return gitPushed{}, err
	}
	return gitPushed{commit: commit.String(), changed: true}, nil
}

// tail keeps the last 2 KB that are written to it.
type tail struct{ data []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	t.data = t.data[max(0, len(t.data)-2048):]
	return len(p), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.data)) }

// fetch reads the branch. head is its newest commit, nil when there is no such branch; base is what to build on: head, or
// the newest commit of the repository's default branch.
func (g gitPush) fetch(ctx context.Context, repo *git.Repository, remote *git.Remote, auth transport.AuthMethod) (head, base *object.Commit, err error) {
	refs, err := remote.ListContext(ctx, &git.ListOptions{Auth: auth})
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	want := plumbing.NewBranchReferenceName(g.branch)
	var fallback plumbing.ReferenceName
	hashes := map[plumbing.ReferenceName]plumbing.Hash{}
	for _, r := range refs {
		if r.Name() == plumbing.HEAD && r.Type() == plumbing.SymbolicReference {
			fallback = r.Target()
		}
		hashes[r.Name()] = r.Hash()
	}
	from := want
	if _, ok := hashes[want]; !ok {
		if _, ok := hashes[fallback]; !ok {
			return nil, nil, nil
		}
		from = fallback
	}
	err = remote.FetchContext(ctx, &git.FetchOptions{Auth: auth, Tags: git.NoTags, Depth: 1,
		RefSpecs: []config.RefSpec{config.RefSpec("+" + from + ":" + tracking(from))}})
	if err != nil && !errors.Is(err, git.NoErrAlreadyUpToDate) {
		return nil, nil, err
	}
	at, err := repo.Reference(tracking(from), true)
	if err != nil {
		return nil, nil, err
	}
	base, err = repo.CommitObject(at.Hash())
	if err == nil && from == want {
		head = base
	}
	return head, base, err
}

func tracking(branch plumbing.ReferenceName) plumbing.ReferenceName {
	return plumbing.NewRemoteReferenceName("origin", branch.Short())
}

// commit writes the commit object. Everything in it follows from the input and the parent.
func (g gitPush) commit(repo *git.Repository, tree plumbing.Hash, base *object.Commit) (plumbing.Hash, error) {
	when := firstCommit
	var parents []plumbing.Hash
	if base != nil {
		when = base.Committer.When.Add(time.Second)
		if !g.force {
			parents = []plumbing.Hash{base.Hash}
		}
	}
	if g.at.After(when) {
		when = g.at
	}
	message := strings.TrimSpace(g.message) + "\n"
	if g.run != "" {
		message += "\n" + runTrailer + g.run + "\n"
	}
	who := object.Signature{Name: "orch", Email: "orch@users.noreply.github.com", When: when.UTC().Truncate(time.Second)}
	c := &object.Commit{Author: who, Committer: who, Message: message, TreeHash: tree, ParentHashes: parents}
	o := repo.Storer.NewEncodedObject()
	if err := c.Encode(o); err != nil {
		return plumbing.ZeroHash, err
	}
	return repo.Storer.SetEncodedObject(o)
}

// writeTree puts files over a tree and returns the new tree and the paths that differ.
func writeTree(repo *git.Repository, base *object.Tree, files map[string]pushFile) (plumbing.Hash, []string, error) {
	here := map[string]pushFile{}
	below := map[string]map[string]pushFile{}
	for name, f := range files {
		dir, rest, nested := strings.Cut(name, "/")
		if !nested {
			here[name] = f
			continue
		}
		if below[dir] == nil {
			below[dir] = map[string]pushFile{}
		}
		below[dir][rest] = f
	}
	entries := map[string]object.TreeEntry{}
	if base != nil {
		for _, e := range base.Entries {
			entries[e.Name] = e
		}
	}
	var differ []string
	for name, f := range here {
		e := object.TreeEntry{Name: name, Mode: filemode.Regular}
		if f.exec {
			e.Mode = filemode.Executable
		}
		o := repo.Storer.NewEncodedObject()
		o.SetType(plumbing.BlobObject)
		w, err := o.Writer()
		if err != nil {
			return plumbing.ZeroHash, nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return plumbing.ZeroHash, nil, err
		}
		if err := w.Close(); err != nil {
			return plumbing.ZeroHash, nil, err
		}
		if e.Hash, err = repo.Storer.SetEncodedObject(o); err != nil {
			return plumbing.ZeroHash, nil, err
		}
		if entries[name] != e {
			differ = append(differ, name)
		}
		entries[name] = e
	}
	for dir, inside := range below {
		var sub *object.Tree
		if e, ok := entries[dir]; ok && e.Mode == filemode.Dir {
			var err error
			if sub, err = object.GetTree(repo.Storer, e.Hash); err != nil {
				return plumbing.ZeroHash, nil, err
			}
		}
		hash, changed, err := writeTree(repo, sub, inside)
		if err != nil {
			return plumbing.ZeroHash, nil, err
		}
		for _, c := range changed {
			differ = append(differ, dir+"/"+c)
		}
		entries[dir] = object.TreeEntry{Name: dir, Mode: filemode.Dir, Hash: hash}
	}
	t := &object.Tree{}
	for _, e := range entries {
		t.Entries = append(t.Entries, e)
	}
	sort.Sort(object.TreeEntrySorter(t.Entries))
	sort.Strings(differ)
	o := repo.Storer.NewEncodedObject()
	if err := t.Encode(o); err != nil {
		return plumbing.ZeroHash, nil, err
	}
	hash, err := repo.Storer.SetEncodedObject(o)
	return hash, differ, err
}
