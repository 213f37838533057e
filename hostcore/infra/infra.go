// Package infra brings up Temporal on PostgreSQL by compose, for machines that
// are servers. Its folder holds the compose files, which are written anew each
// time, and .env with the generated password and the operator's own settings,
// which is written once.
package infra

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"golang.org/x/sys/unix"

	"github.com/orch-host/orch/compose"
)

// patience is how long the stack has to get healthy.
const patience = 3 * time.Minute

// Stack is the compose project in a folder.
type Stack struct {
	dir     string
	out     io.Writer // what compose prints
	command []string  // docker compose, or docker-compose
	extra   []string  // environment of compose, beside this process's
	profile []string
}

// hostProfile is the profile of the host's own container.
const hostProfile = "host"

// WithHost has Up bring up a host as a container too, with the configuration
// file. Its user gets the group of the Docker socket.
func (s *Stack) WithHost(configFile string) error {
	file, err := filepath.Abs(configFile)
	if err == nil {
		_, err = os.Stat(file)
	}
	if err != nil {
		return fmt.Errorf("the configuration of the host's container: %w", err)
	}
	socket := s.setting("DOCKER_SOCKET", "/var/run/docker.sock")
	var st unix.Stat_t
	if err := unix.Stat(socket, &st); err != nil {
		return fmt.Errorf("the Docker socket %s, which the host's container shares: %w; set DOCKER_SOCKET in %s", socket, err, s.env())
	}
	s.extra = append(s.extra, "ORCH_CONFIG="+file, fmt.Sprintf("DOCKER_GID=%d", st.Gid))
	s.profile = []string{"--profile", hostProfile}
	return nil
}

// Open finds compose. Nothing is written yet.
func Open(dir string, out io.Writer) (*Stack, error) {
	s := &Stack{dir: dir, out: out}
	if exec.Command("docker", "compose", "version").Run() == nil {
		s.command = []string{"docker", "compose"}
	} else if path, err := exec.LookPath("docker-compose"); err == nil {
		s.command = []string{path}
	} else {
		return nil, errors.New("neither docker compose nor docker-compose is there: install one of them (Debian: apt-get install docker-compose)")
	}
	return s, nil
}

// Dir is the stack's folder.
func (s *Stack) Dir() string { return s.dir }

// Up writes the files, starts what does not run, and waits until Temporal
// serves its namespace. It returns the frontend's address.
func (s *Stack) Up(ctx context.Context) (address string, err error) {
	if err := s.write(); err != nil {
		return "", err
	}
	if err := s.checkImages(ctx); err != nil {
		return "", err
	}
	if err := s.run(ctx, s.out, "up", "-d"); err != nil {
		return "", err
	}
	address = "127.0.0.1:" + s.setting("TEMPORAL_PORT", "7233")
	if err := await(ctx, address, s.setting("TEMPORAL_NAMESPACE", "default")); err != nil {
		var logs bytes.Buffer
		_ = s.run(ctx, &logs, "logs", "--tail", "10") // what can be said of why
		return "", fmt.Errorf("the stack is up, and Temporal at %s is not ready after %s: %w\n%s", address, patience, err, logs.String())
	}
	return address, nil
}

// Down ends the stack. Its histories stay, unless purge removes them.
func (s *Stack) Down(ctx context.Context, purge bool) error {
	if err := s.write(); err != nil {
		return err
	}
	s.profile = []string{"--profile", hostProfile}
	args := []string{"down"}
	if purge {
		args = append(args, "--volumes")
	}
	return s.run(ctx, s.out, args...)
}

// Status shows the stack's containers.
func (s *Stack) Status(ctx context.Context) error {
	if err := s.write(); err != nil {
		return err
	}
	s.profile = []string{"--profile", hostProfile}
	return s.run(ctx, s.out, "ps")
}

// write puts the files in place, and .env if there is none.
func (s *Stack) write() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil { // it may be what makes the state folder
		return fmt.Errorf("make the folder of the compose stack: %w", err)
	}
	err := fs.WalkDir(compose.Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := compose.Files.ReadFile(path)
		if err != nil {
			return err
		}
		to := filepath.Join(s.dir, path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o644)
	})
	if err != nil {
		return fmt.Errorf("write the compose files: %w", err)
	}
	f, err := os.OpenFile(s.env(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		_, err = fmt.Fprintf(f, "# Settings of the compose stack: see %s.\n# The password counts when the volume is new.\nPOSTGRES_PASSWORD=%s\n", compose.File, rand.Text()+rand.Text())
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("write the settings of the compose stack: %w", err)
	}
	return nil
}

func (s *Stack) env() string { return filepath.Join(s.dir, ".env") }

// setting is a variable of the compose file: the environment goes before .env.
func (s *Stack) setting(name, standard string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	text, err := os.ReadFile(s.env())
	if err != nil {
		return standard
	}
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if ok && strings.TrimSpace(key) == name && value != "" {
			return unquoted(value)
		}
	}
	return standard
}

// unquoted is a value of .env as compose takes it: without quotes around it, or a
// comment behind it.
func unquoted(value string) string {
	value = strings.TrimSpace(value)
	for _, quote := range []string{`"`, "'"} {
		if rest, ok := strings.CutPrefix(value, quote); ok {
			if inner, _, closed := strings.Cut(rest, quote); closed {
				return inner
			}
		}
	}
	value, _, _ = strings.Cut(value, " #")
	return strings.TrimSpace(value)
}

// checkImages tells what to do about images that nobody publishes.
func (s *Stack) checkImages(ctx context.Context) error {
	var config bytes.Buffer
	if err := s.run(ctx, &config, "config"); err != nil {
		return err
	}
	var missing []string
	for line := range strings.Lines(config.String()) {
		image, ok := strings.CutPrefix(strings.TrimSpace(line), "image: ")
		if !ok || !strings.HasPrefix(image, "orch/") || slices.Contains(missing, image) {
			continue
		}
		if len(s.profile) == 0 && image == s.setting("HOST_IMAGE", "orch/host:dev") {
			continue // docker-compose 1.29 lists the services of other profiles too
		}
		if exec.CommandContext(ctx, "docker", "image", "inspect", image).Run() != nil {
			missing = append(missing, image)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("images are missing: %s; build them with \"make -C images infra\" (ten minutes) and \"make host-image\" in a checkout and bring them here (docker save, docker load), or name others in %s (POSTGRES_IMAGE, TEMPORAL_IMAGE, TEMPORAL_UI_IMAGE, HOST_IMAGE)",
			strings.Join(missing, ", "), s.env())
	}
	return nil
}

func (s *Stack) run(ctx context.Context, out io.Writer, args ...string) error {
	project := s.setting("PREFIX", "") + "temporal-orchestrator"
	all := slices.Concat(s.command[1:], []string{"--project-name", project, "--file", filepath.Join(s.dir, compose.File)}, s.profile, args)
	c := exec.CommandContext(ctx, s.command[0], all...)
	c.Dir = s.dir // .env is read from here
	c.Env = append(os.Environ(), s.extra...)
	var errs bytes.Buffer
	c.Stdout, c.Stderr = out, io.MultiWriter(&errs, stderrOf(out, s.out))
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", strings.Join(s.command, " "), args[0], err, strings.TrimSpace(errs.String()))
	}
	return nil
}

// stderrOf shows compose's progress where its output is shown.
func stderrOf(out, shown io.Writer) io.Writer {
	if out == shown {
		return shown
	}
	return io.Discard
}

// await asks until the frontend serves the namespace.
func await(ctx context.Context, address, namespace string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := ask(ctx, address, namespace)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// ask makes a call that needs what starting a workflow needs: the frontend has to
// have taken the namespace up, which it does some seconds after it was registered.
func ask(ctx context.Context, address, namespace string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := client.DialContext(ctx, client.Options{HostPort: address, Namespace: namespace, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.DescribeTaskQueue(ctx, "orch-infra", enumspb.TASK_QUEUE_TYPE_WORKFLOW)
	return err
}
