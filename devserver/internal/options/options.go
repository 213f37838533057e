// Package options reads the command line of the devserver.
package options

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
)

// Options is the command line.
type Options struct {
	// DB is the absolute path of the database file.
	DB string
	// IP is the listen address of the frontend and the Web UI.
	IP string
	// Port is the frontend's; UIPort the Web UI's, 0 for none.
	Port, UIPort int
	// Namespaces are created, with Retention and SearchAttributes.
	Namespaces       []string
	Retention        time.Duration
	SearchAttributes map[string]enumspb.IndexedValueType
	LogLevel         slog.Level
	// LogFormat is "text" or "json".
	LogFormat string
	// ReadyFD receives the ready line; ParentFD is read until EOF. -1: not used.
	ReadyFD, ParentFD int
}

// Parse reads args (without the program's name). Help and complaints go to
// usage; the error is flag.ErrHelp when help was asked for.
func Parse(args []string, usage io.Writer) (Options, error) {
	o := Options{
		SearchAttributes: map[string]enumspb.IndexedValueType{},
		LogLevel:         slog.LevelWarn,
		LogFormat:        "text",
	}
	fs := flag.NewFlagSet("devserver", flag.ContinueOnError)
	fs.SetOutput(usage)
	fs.Usage = func() {
		fmt.Fprint(usage, "devserver runs a Temporal server with its Web UI on one SQLite file.\n\n"+
			"  devserver --db FILE [flags]\n  devserver version\n\n")
		fs.PrintDefaults()
	}
	fs.StringVar(&o.DB, "db", "", "database `file`; created when missing (required)")
	fs.StringVar(&o.IP, "ip", "127.0.0.1", "listen `address`; nothing here asks for a password, so think before you leave the loopback")
	fs.IntVar(&o.Port, "port", 7233, "`port` of the gRPC frontend")
	fs.IntVar(&o.UIPort, "ui-port", 8080, "`port` of the Web UI; 0 for none")
	fs.Func("namespace", "`name` of a namespace to have; repeatable (default default)", o.addNamespace)
	fs.DurationVar(&o.Retention, "retention", 720*time.Hour, "how long closed workflows are kept in those namespaces")
	fs.Func("search-attribute", "custom search attribute `Name=Type` to have in those namespaces; repeatable\n"+
		"(default ServiceName=Keyword, PluginVersion=Keyword)", o.addSearchAttribute)
	fs.TextVar(&o.LogLevel, "log-level", slog.LevelWarn, "least `level` to log: debug, info, warn, error")
	fs.StringVar(&o.LogFormat, "log-format", "text", "`form` of log lines on stderr: text or json")
	fs.IntVar(&o.ReadyFD, "ready-fd", -1, "write one JSON line to this `descriptor` when serving, or why not")
	fs.IntVar(&o.ParentFD, "parent-fd", -1, "stop when this `descriptor` reaches its end")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q; see devserver --help", fs.Arg(0))
	}
	return o, o.complete()
}

func (o *Options) addNamespace(name string) error {
	if name == "" {
		return fmt.Errorf("a namespace needs a name")
	}
	if !slices.Contains(o.Namespaces, name) {
		o.Namespaces = append(o.Namespaces, name)
	}
	return nil
}

func (o *Options) addSearchAttribute(pair string) error {
	name, kind, ok := strings.Cut(pair, "=")
	if !ok || name == "" {
		return fmt.Errorf("want Name=Type, for example ServiceName=Keyword")
	}
	var known []string
	for _, label := range slices.Sorted(maps.Keys(enumspb.IndexedValueType_shorthandValue)) {
		v := enumspb.IndexedValueType(enumspb.IndexedValueType_shorthandValue[label])
		if v == enumspb.INDEXED_VALUE_TYPE_UNSPECIFIED {
			continue
		}
		if strings.EqualFold(kind, label) {
			o.SearchAttributes[name] = v
			return nil
		}
		known = append(known, label)
	}
	return fmt.Errorf("unknown type %q; the types are %s", kind, strings.Join(known, ", "))
}

// complete fills defaults and refuses impossible values.
func (o *Options) complete() error {
	if o.DB == "" {
		return fmt.Errorf("--db is missing: say which file keeps the workflows, for example --db temporal.db")
	}
	abs, err := filepath.Abs(o.DB)
	if err != nil {
		return fmt.Errorf("find the database %q: %w", o.DB, err)
	}
	o.DB = abs
	if o.IP == "localhost" {
		o.IP = "127.0.0.1"
	}
	if net.ParseIP(o.IP) == nil {
		return fmt.Errorf("--ip %q is not an IP address; for example 127.0.0.1", o.IP)
	}
	if o.Port < 1 || o.Port > 65535 {
		return fmt.Errorf("--port %d is not a port; choose one from 1 to 65535", o.Port)
	}
	if o.UIPort < 0 || o.UIPort > 65535 {
		return fmt.Errorf("--ui-port %d is not a port; choose one from 1 to 65535, or 0 for no Web UI", o.UIPort)
	}
	if o.UIPort == o.Port {
		return fmt.Errorf("--port and --ui-port are both %d; choose two different ones", o.Port)
	}
	if o.Retention < time.Hour {
		return fmt.Errorf("--retention %s is below Temporal's minimum of 1h", o.Retention)
	}
	if o.LogFormat != "text" && o.LogFormat != "json" {
		return fmt.Errorf("--log-format %q is neither text nor json", o.LogFormat)
	}
	if len(o.Namespaces) == 0 {
		o.Namespaces = []string{"default"}
	}
	if len(o.SearchAttributes) == 0 {
		o.SearchAttributes["ServiceName"] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
		o.SearchAttributes["PluginVersion"] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
	}
	return nil
}
