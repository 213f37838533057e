package chat

import (
	"archive/tar"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/build"

	"github.com/orch-host/orch/plugins/chat/front"
	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/sdk"
)

const (
	frontComponent = "front"
	frontBinary    = "/chat"
)

// alias is the application's name in the service's network.
const alias = "chat"

// frontSpec describes the proxy that holds the application's address.
func (g *group) frontSpec(c Config, service, image string) container.Spec {
	return container.Spec{
		Service: service, Component: frontComponent, Image: image, ImageSetting: settings + ".app.front_image",
		Entrypoint: []string{frontBinary}, Cmd: []string{"front", "serve"},
		Ports:    []container.Port{{Container: front.Port, Host: c.App.hostPort(), HostIP: c.Bind, Setting: settings + ".app.host_port"}},
		Volumes:  []container.Volume{{Name: "state", Path: front.StateDir}},
		Networks: []container.Network{{Name: container.ServiceNetwork(service), Aliases: []string{alias}}},
		Limits:   container.Limits{PIDs: 256},
		CapDrop:  []string{"ALL"}, ReadOnlyRoot: true, StopTimeout: 15 * time.Second,
		ReadyTimeout: time.Minute,
	}
}

// ensureFront has the front run and returns what it does.
func (g *group) ensureFront(ctx context.Context, engine *container.Engine, c Config, service string) (front.Status, error) {
	return g.runFront(ctx, engine, c, service, func() (string, error) {
		if c.App.Front != "" {
			return c.App.Front, nil
		}
		return frontImage(ctx, engine, self)
	})
}

// maxGone is how often the front's image may be gone between being found and used.
const maxGone = 3

// runFront has the front of the image run. While no container has our own
// image, the cleanup of another service may remove it: then it is made again.
func (g *group) runFront(ctx context.Context, engine *container.Engine, c Config, service string, find func() (image string, err error)) (front.Status, error) {
	for gone := 0; ; gone++ {
		image, err := find()
		if err != nil {
			return front.Status{}, err
		}
		status, err := g.runFrontOf(ctx, engine, c, service, image)
		var missing *container.ImageError
		if c.App.Front != "" || gone == maxGone || !errors.As(err, &missing) {
			return status, err
		}
	}
}

func (g *group) runFrontOf(ctx context.Context, engine *container.Engine, c Config, service, image string) (front.Status, error) {
	spec := g.frontSpec(c, service, image)
	var status front.Status
	spec.Ready = func(ctx context.Context, _ container.Endpoints) (err error) {
		status, err = askFront(ctx, engine, service, "status")
		return err
	}
	_, err := engine.Ensure(ctx, spec)
	return status, err
}

// switchFront makes target, an [address], the one that serves, and waits for
// the others to end their requests.
func switchFront(ctx context.Context, engine *container.Engine, c Config, service, target string) (front.Status, error) {
	return askFront(ctx, engine, service, "switch", "-target", target, "-drain", c.App.drain().String())
}

// address is where the front reaches a container of the application.
func address(c Config, target string) string { return target + ":" + strconv.Itoa(c.App.port()) }

// askFront runs a command of the front in its container.
func askFront(ctx context.Context, engine *container.Engine, service string, args ...string) (front.Status, error) {
	res, err := engine.Exec(ctx, container.ContainerName(service, frontComponent), append([]string{frontBinary, "front"}, args...)...)
	if err != nil {
		return front.Status{}, err
	}
	if res.ExitCode != 0 {
		return front.Status{}, fmt.Errorf("the front of service %s: %s", service, strings.TrimSpace(strings.TrimPrefix(res.Stderr, "front: ")))
	}
	var s front.Status
	if err := json.Unmarshal([]byte(res.Stdout), &s); err != nil {
		return front.Status{}, fmt.Errorf("the front of service %s answers with something else: %w", service, err)
	}
	return s, nil
}

// serving is the alias that the front's target names; "" for none.
func serving(s front.Status) string {
	name, _, _ := strings.Cut(s.Target, ":")
	return name
}

// self is the running program.
const self = "/proc/self/exe"

// frontImage returns the front's image and makes it from the plugin's program
// when there is none: no registry is needed.
func frontImage(ctx context.Context, engine *container.Engine, program string) (string, error) {
	name := "orch/chat-front:" + front.Version()
	img, err := engine.FindImage(ctx, name)
	if err != nil || img != nil {
		return name, err
	}
	binary, err := staticBinary(ctx, engine, program)
	if err != nil {
		return "", sdk.NonRetryable(fmt.Errorf("the front's image %s cannot be made: %w; or name an image that holds it in %s.app.front_image", name, err, settings))
	}
	defer binary.Close()
	sdk.Progress(ctx, "making the image of the front", 0, 0)
	reader, writer := io.Pipe()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_ = writer.CloseWithError(writeFront(writer, binary)) // never fails
	}()
	resp, err := engine.Client().ImageBuild(ctx, reader, build.ImageBuildOptions{
		Tags: []string{name}, Remove: true, ForceRemove: true,
		Labels: map[string]string{container.LabelManaged: "true", container.LabelComponent: frontComponent},
	})
	if err == nil {
		err = (&imageBuild{repository: name, layers: &layers{os.DevNull}}).follow(ctx, resp.Body)
		resp.Body.Close()
	}
	_ = reader.CloseWithError(errBuildEnded)
	<-sent
	if err != nil {
		return "", fmt.Errorf("make the image of the front: %w", err)
	}
	return name, nil
}

// writeFront writes the front's build context.
func writeFront(w io.Writer, binary *os.File) error {
	info, err := binary.Stat()
	if err != nil {
		return err
	}
	dockerfile := "FROM scratch\nCOPY chat " + frontBinary + "\nENTRYPOINT [\"" + frontBinary + "\", \"front\", \"serve\"]\n"
	archive := tar.NewWriter(w)
	if err := archive.WriteHeader(&tar.Header{Name: "Dockerfile", Mode: 0o644, Size: int64(len(dockerfile))}); err != nil {
		return err
	}
	if _, err := io.WriteString(archive, dockerfile); err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Name: "chat", Mode: 0o755, Size: info.Size()}); err != nil {
		return err
	}
	if _, err := io.Copy(archive, binary); err != nil {
		return err
	}
	return archive.Close()
}

// staticBinary opens the program, if an empty image on the engine can run it.
func staticBinary(ctx context.Context, engine *container.Engine, path string) (*os.File, error) {
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("this plugin is built for %s", runtime.GOOS)
	}
	info, err := engine.Client().Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask for the engine's processor: %w", err)
	}
	if arch := map[string]string{"x86_64": "amd64", "aarch64": "arm64"}[info.Architecture]; arch != "" && arch != runtime.GOARCH {
		return nil, fmt.Errorf("this plugin is built for %s and the engine runs %s", runtime.GOARCH, arch)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	program, err := elf.NewFile(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			return nil, errors.Join(errors.New("this plugin needs shared libraries: build it with CGO_ENABLED=0"), f.Close())
		}
	}
	return f, nil
}
