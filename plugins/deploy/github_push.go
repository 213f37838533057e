package deploy

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"

	"github.com/orch-host/orch/plugins/deploy/internal/github"
	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
	"github.com/orch-host/orch/sdk"
)

// GitHubInput is the input of push_to_github_activity.
type GitHubInput struct {
	App
	RenderSettings
	GitHubRepo string    `json:"github_repo,omitempty" jsonschema:"owner/name; default: taken from repo_url"`
	Paths      []string  `json:"paths,omitempty" jsonschema:"allow-list inside the configured source_dir: globs, or folders as dir/**"`
	Message    string    `json:"commit_message,omitempty"`
	CommitTime time.Time `json:"commit_time,omitzero" jsonschema:"default: one second after the parent commit, which every attempt agrees on"`
	Public     bool      `json:"public_repo,omitempty" jsonschema:"make a new repository public; default private"`
	Force      bool      `json:"force,omitempty" jsonschema:"replace the branch's history by one commit with these files only"`
}

// Pushed is what push_to_github_activity reports. It has no deployment_url: a repository is not a deployment.
type Pushed struct {
	RepoURL   string   `json:"repo_url,omitempty"`
	Branch    string   `json:"branch,omitempty"`
	CommitSHA string   `json:"commit_sha,omitempty"`
	Files     []string `json:"files,omitempty"`
	Changed   bool     `json:"changed"`
	DryRun    bool     `json:"dry_run,omitempty"`
	Plan      []string `json:"plan"`
}

var errNoRepo = errors.New("no repository is given")

var (
	repoName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}$`)
	branchName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,200}$`)
)

// pushToGitHub makes the repository exist and its branch hold the files. The commit has the same hash on every attempt.
func (d *deployer) pushToGitHub(ctx context.Context, in GitHubInput) (Pushed, error) {
	s := d.settings()
	out := Pushed{DryRun: in.DryRun, Plan: []string{}}
	err := d.runPush(ctx, s, in, &out)
	return out, fail(err)
}

func (d *deployer) runPush(ctx context.Context, s *settings, in GitHubInput, out *Pushed) error {
	if err := in.App.check(); err != nil {
		return err
	}
	in.Branch = firstOf(in.Branch, "main")
	if !branchName.MatchString(in.Branch) || strings.Contains(in.Branch, "..") || strings.Contains(in.Branch, "//") || strings.HasSuffix(in.Branch, "/") || strings.HasSuffix(in.Branch, ".lock") {
		return invalid("branch %q is not a branch name", in.Branch)
	}
	repo, err := in.repository()
	if errors.Is(err, errNoRepo) && in.Image != "" {
		out.Plan = append(out.Plan, "nothing is pushed: the image is deployed, and no github_repo is given")
		return nil
	}
	if err != nil {
		return invalid("github_repo: %w; write owner/name", err)
	}
	if s.GitHub.Token == "" {
		return notConfigured("github.token")
	}
	// Files come first: a refused one must not leave an empty repository behind.
	files, err := s.pushFiles(ctx, in)
	if err != nil {
		return err
	}
	out.Branch, out.Files = in.Branch, sorted(files)
	owner, name, _ := strings.Cut(repo, "/")
	found, err := d.ensureRepository(ctx, s, owner, name, in, out)
	if err != nil {
		return err
	}
	// The address is ours to build: what a foreign answer says is not where the token goes.
	out.RepoURL = strings.TrimRight(s.GitHub.GitURL, "/") + "/" + repo
	if !found { // only in a dry run
		out.Plan = append(out.Plan, fmt.Sprintf("commit %s to branch %s", strings.Join(out.Files, ", "), in.Branch))
		return nil
	}
	sdk.Heartbeat(ctx, map[string]string{"repo_url": out.RepoURL})
	g := gitPush{url: out.RepoURL + ".git", token: s.GitHub.Token.Reveal(), branch: in.Branch, files: files,
		message: in.message(), run: runKey(sdk.GetInfo(ctx).IdempotencyKey), at: in.CommitTime, force: in.Force, dryRun: in.DryRun}
	pushed, err := g.push(ctx)
	switch {
	case err != nil && cancelled(ctx):
		return context.Cause(ctx)
	case err != nil:
		return gitFailed(s, repo, in.Branch, err)
	}
	out.CommitSHA = pushed.commit
	out.Changed = out.Changed || pushed.changed
	switch {
	case pushed.changed && !in.DryRun:
		out.Plan = append(out.Plan, fmt.Sprintf("pushed commit %s to branch %s", pushed.commit[:12], in.Branch))
	case len(pushed.differ) > 0:
		out.Plan = append(out.Plan, fmt.Sprintf("commit %s to branch %s", strings.Join(pushed.differ, ", "), in.Branch))
	}
	return nil
}

func (in GitHubInput) message() string {
	return firstOf(in.Message, "Deploy "+in.AppName)
}

// repository is owner/name, from github_repo or a github address in repo_url.
func (in GitHubInput) repository() (string, error) {
	repo := in.GitHubRepo
	if repo == "" && in.RepoURL != "" {
		u, err := url.Parse(in.RepoURL)
		if err != nil || (u.Hostname() != "github.com" && !loopback(u.Hostname())) {
			return "", fmt.Errorf("repo_url is not a GitHub address")
		}
		repo = strings.Trim(u.Path, "/")
	}
	if repo == "" {
		return "", errNoRepo
	}
	repo = strings.TrimSuffix(repo, ".git")
	if !repoName.MatchString(repo) || strings.HasSuffix(repo, "/.") || strings.HasSuffix(repo, "/..") {
		return "", fmt.Errorf("%q is not owner/name", repo)
	}
	return repo, nil
}

// ensureRepository makes the repository exist. "Exists already" after a creation is what an earlier attempt did.
func (d *deployer) ensureRepository(ctx context.Context, s *settings, owner, name string, in GitHubInput, out *Pushed) (bool, error) {
	r, err := s.github.Repository(ctx, owner, name)
	if err == nil {
		if r.Archived {
			return false, invalid("github: repository %s/%s is archived", owner, name)
		}
		return true, nil
	}
	if !httpapi.Is(err, httpapi.NotFound) {
		return false, err
	}
	if in.DryRun {
		out.Plan = append(out.Plan, fmt.Sprintf("create repository %s/%s", owner, name))
		return false, nil
	}
	login, err := s.github.Login(ctx)
	if err != nil {
		return false, err
	}
	org := owner
	if strings.EqualFold(login, owner) {
		org = ""
	}
	_, err = s.github.CreateRepository(ctx, org, name, !in.Public)
	if e, ok := asAPI(err); ok && e.Code == github.CodeExists {
		_, err = s.github.Repository(ctx, owner, name)
		return err == nil, err
	}
	if err != nil {
		return false, err
	}
	out.Changed = true
	out.Plan = append(out.Plan, fmt.Sprintf("created repository %s/%s", owner, name))
	return true, nil
}

// gitFailed classifies git's errors, which come as text.
func gitFailed(s *settings, repo, branch string, err error) error {
	text := strings.ToValidUTF8(s.redact.String(err.Error()), "") // what the server says is cut to its end
	low := strings.ToLower(text)
	has := func(signs ...string) bool {
		for _, x := range signs {
			if strings.Contains(low, x) {
				return true
			}
		}
		return false
	}
	what := fmt.Sprintf("git: push to %s branch %s: %s", repo, branch, text)
	switch {
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed), has("authentication required", "authorization failed"):
		return final(string(httpapi.Auth), "%s; check github.token in [plugins.deploy.config]: it needs contents:write on the repository", what)
	case errors.Is(err, errBranchTooLarge):
		return invalid("%s, too much to build a commit upon; name a repository with less in it (github_repo)", what)
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return final(string(httpapi.NotFound), "%s; the token may not see the repository", what)
	case has("gh013", "push protection", "secret scanning"):
		return final(typeSecretInFiles, "%s; GitHub found a secret in the commit", what)
	case has("gh006", "protected branch", "protected ref"):
		return final(string(httpapi.Permission), "%s; the branch is protected: push to another one", what)
	case has("non-fast-forward", "stale info", "fetch first", "reference has changed", "failed to update ref", "remote ref"):
		return sdk.Fail(string(httpapi.Conflict), "%s; somebody pushed meanwhile, the next attempt builds on that", what)
	case has("declined", "rejected", "hook"):
		return final(string(httpapi.Permission), "%s", what)
	}
	return sdk.Fail(string(httpapi.Network), "%s", what)
}
