// Command plugin is a plugin whose identity and behaviour can be changed in the
// built binary; see [github.com/orch-host/orch/bench/load.Variant]. Its modes:
//
//	good          serves
//	crash-start   exits before the handshake
//	crash-config  exits when it is configured
//	crash-later   exits one second after it is ready
//	never-ready   never says that it is ready
//	narrow        offers no "work": callers break
//	next          offers "work" and "work@2"
//	noisy         also offers "hog", which misbehaves as it is asked to
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"github.com/orch-host/orch/sdk"
)

// identity is exchanged in the binary: name, version and mode.
var identity = "orch load plugin|load|1.0.0|good|------------------------------------------------|"

type job struct {
	N      int `json:"n"`
	Millis int `json:"millis"` // how long it takes
}

type answer struct {
	N       int    `json:"n"`
	Square  int    `json:"square"`
	Version string `json:"version"`
	Pid     int    `json:"pid"`
	Ended   int64  `json:"ended"` // Unix time in milliseconds
}

type hogJob struct {
	How    string `json:"how"`
	Amount int    `json:"amount"`
}

func main() {
	parts := strings.Split(identity, "|")
	name, version, mode := parts[1], parts[2], parts[3]
	suffix := ""
	if name != "load" {
		suffix = "_" + name
	}
	work := func(ctx context.Context, j job) (answer, error) {
		for end := time.Now().Add(time.Duration(j.Millis) * time.Millisecond); time.Now().Before(end); {
			select {
			case <-time.After(min(time.Until(end), 500*time.Millisecond)):
				sdk.Heartbeat(ctx, j.N)
			case <-ctx.Done():
				return answer{}, context.Cause(ctx)
			}
		}
		return answer{j.N, j.N * j.N, version, os.Getpid(), time.Now().UnixMilli()}, nil
	}
	p := sdk.Plugin{
		Name: name, Version: version, Doc: "Works and misbehaves for tests.",
		Activities: []sdk.ActivityDef{sdk.Activity("work"+suffix, "Takes a while and squares a number.", work)},
	}
	switch mode {
	case "crash-start":
		fmt.Fprintln(os.Stderr, "the licence is missing")
		os.Exit(3)
	case "crash-config":
		p.Config = sdk.Config(func(context.Context, struct{}) error { os.Exit(4); return nil })
	case "crash-later":
		p.Ready = func(context.Context) error {
			time.AfterFunc(time.Second, func() { panic("it worked on my machine") })
			return nil
		}
	case "never-ready":
		p.Ready = func(context.Context) error { return errors.New("the database is away") }
	case "narrow":
		p.Activities = []sdk.ActivityDef{sdk.Activity("other", "Is something else.", work)}
	case "next":
		p.Activities = append(p.Activities, sdk.Activity("work@2", "Takes a while and squares a number.", work))
	case "noisy":
		p.Activities = append(p.Activities, sdk.Activity("hog", "Misbehaves.", hog))
	}
	sdk.Serve(p)
}

func hog(ctx context.Context, j hogJob) (string, error) {
	switch j.How {
	case "leak":
		var held [][]byte
		for ctx.Err() == nil {
			held = append(held, bytes.Repeat([]byte{1}, 16<<20))
			time.Sleep(5 * time.Millisecond)
		}
		return fmt.Sprint(len(held)), context.Cause(ctx)
	case "spin":
		for range 4 {
			go func() {
				for x := 1.0; ctx.Err() == nil; x = math.Sqrt(x + 1) {
				}
			}()
		}
		<-ctx.Done()
		return "", context.Cause(ctx)
	case "lines":
		out := bufio.NewWriterSize(os.Stdout, 64<<10)
		for n := range j.Amount {
			fmt.Fprintf(out, "line %d of a plugin that has a lot to say\n", n)
		}
		return "wrote", out.Flush()
	case "logs":
		log := sdk.Logger(ctx)
		for n := range j.Amount {
			log.Info("a plugin that has a lot to say", "line", n)
		}
		return "logged", nil
	case "heartbeats":
		for n := range j.Amount {
			sdk.Heartbeat(ctx, n)
		}
		return "beat", nil
	case "answer":
		return strings.Repeat("x", j.Amount), nil
	}
	return "", fmt.Errorf("nobody misbehaves like %q", j.How)
}
