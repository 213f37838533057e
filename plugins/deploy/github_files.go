package deploy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"sync"
)

const (
	maxPushFiles = 2000
	maxPushBytes = 64 << 20
)

// forbiddenNames are never committed, whatever the allow-list says.
var forbiddenNames = []string{".env", ".env.*", "*.env", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "id_*", ".netrc", ".npmrc",
	".pypirc", ".git-credentials", "credentials", "credentials.json", "*.tfstate", "*.tfstate.*", ".htpasswd", "*.kdbx"}

// allowedDespite are templates that carry names only; their content is scanned like any other.
var allowedDespite = []string{".env.example", ".env.sample", ".env.template", "id_*.pub"}

// forbiddenDirs hold secrets or history.
var forbiddenDirs = []string{".git", ".ssh", ".aws", ".gnupg", ".kube", ".docker"}

// secretPatterns are tokens that give themselves away by their form. They are
// compiled when the first file is scanned: most processes never do.
var secretPatterns = sync.OnceValue(func() []secretPattern {
	return []secretPattern{
		{"a private key", regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`)},
		{"a GitHub token", regexp.MustCompile(`\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})`)},
		{"an AWS key", regexp.MustCompile(`\b(AKIA|ASIA)[A-Z0-9]{16}\b`)},
		{"a Fly.io token", regexp.MustCompile(`\bfm[12][ar]?_[A-Za-z0-9+/=_-]{40,}`)},
		{"a Render key", regexp.MustCompile(`\brnd_[A-Za-z0-9]{24,}\b`)},
		{"a Slack token", regexp.MustCompile(`\bxox[abprs]-[A-Za-z0-9-]{20,}`)},
		{"a Stripe key", regexp.MustCompile(`\b[rs]k_live_[A-Za-z0-9]{20,}`)},
		{"a Google API key", regexp.MustCompile(`\bAIza[A-Za-z0-9_-]{35}\b`)},
		{"an Anthropic or OpenAI key", regexp.MustCompile(`\bsk-(ant-|proj-)?[A-Za-z0-9_-]{32,}`)},
	}
})

type secretPattern struct {
	what string
	re   *regexp.Regexp
}

// pushFile is a file to be committed.
type pushFile struct {
	data []byte
	exec bool
}

// pushFiles collects what is committed: the generated render.yaml, and of the configured source folder what the
// allow-list names. Anything that looks like a secret refuses the whole push.
func (s *settings) pushFiles(ctx context.Context, in GitHubInput) (map[string]pushFile, error) {
	out := map[string]pushFile{}
	if len(in.Paths) > 0 {
		if s.SourceDir == "" {
			return nil, invalid("paths are given, but no source_dir is configured in [plugins.deploy.config]")
		}
		if err := s.sourceFiles(ctx, in.Paths, out); err != nil {
			return nil, err
		}
	}
	r := RenderInput{App: in.App, RenderSettings: in.RenderSettings, GitHubRepo: in.GitHubRepo}
	if err := r.check(); err != nil {
		return nil, err
	}
	yaml, err := r.renderYAML()
	if err != nil {
		return nil, err
	}
	if err := s.withoutSecrets("render.yaml", yaml, r); err != nil {
		return nil, err
	}
	out["render.yaml"] = pushFile{data: yaml}
	if err := s.scan("the commit message", []byte(in.message())); err != nil {
		return nil, err
	}
	for _, name := range sorted(out) {
		if err := s.scan(name, out[name].data); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *settings) sourceFiles(ctx context.Context, allow []string, out map[string]pushFile) error {
	for _, p := range allow {
		if p == "" || path.IsAbs(p) || strings.Contains("/"+p+"/", "/../") {
			return invalid("paths: %q must be relative and stay inside source_dir", p)
		}
	}
	// os.Root keeps symbolic links from leading out of the folder.
	root, err := os.OpenRoot(s.SourceDir)
	if err != nil {
		return fmt.Errorf("open source_dir: %w", err)
	}
	defer root.Close()
	total := 0
	used := map[string]bool{}
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if cancelled(ctx) {
			return context.Cause(ctx)
		}
		if e.IsDir() {
			if matchAny(forbiddenDirs, e.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		by, ok := allowedBy(allow, name)
		if !ok || !e.Type().IsRegular() {
			return nil
		}
		used[by] = true
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		data, err := io.ReadAll(io.LimitReader(f, maxPushBytes+1))
		if err != nil {
			return err
		}
		if total += len(data); total > maxPushBytes || len(out) >= maxPushFiles {
			return invalid("paths match more than %d files or %d MB; narrow them", maxPushFiles, maxPushBytes>>20)
		}
		info, err := e.Info()
		out[name] = pushFile{data: data, exec: err == nil && info.Mode()&0o111 != 0}
		return err
	})
	var missing []string
	for _, p := range allow {
		if !used[p] {
			missing = append(missing, p)
		}
	}
	if err == nil && len(missing) > 0 {
		err = invalid("paths: nothing in source_dir matches %s", strings.Join(missing, ", "))
	}
	if err != nil {
		return fmt.Errorf("collect files of source_dir: %w", err)
	}
	return nil
}

// allowedBy matches a file against the allow-list: a glob for the whole path, or a folder as "dir/" or "dir/**".
func allowedBy(allow []string, name string) (string, bool) {
	for _, p := range allow {
		dir, folder := strings.CutSuffix(p, "/**")
		if !folder {
			dir, folder = strings.CutSuffix(p, "/")
		}
		if folder && strings.HasPrefix(name, dir+"/") {
			return p, true
		}
		if ok, _ := path.Match(p, name); ok && !folder {
			return p, true
		}
	}
	return "", false
}

func matchAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, _ := path.Match(p, name); ok {
			return true
		}
	}
	return false
}

// scan refuses a file whose name or content gives a secret away. The text of the refusal holds no part of it.
func (s *settings) scan(name string, data []byte) error {
	base := path.Base(name)
	if matchAny(forbiddenNames, base) && !matchAny(allowedDespite, base) {
		return final(typeSecretInFiles, "%s is not committed: files of this name hold secrets; take it out of paths", name)
	}
	if s.redact.In(data) {
		return final(typeSecretInFiles, "%s is not committed: it holds the value of a configured secret; name the secret in secret_refs instead", name)
	}
	for _, p := range secretPatterns() {
		if loc := p.re.FindIndex(data); loc != nil {
			line := 1 + bytes.Count(data[:loc[0]], []byte("\n"))
			return final(typeSecretInFiles, "%s is not committed: line %d looks like %s", name, line, p.what)
		}
	}
	return nil
}
