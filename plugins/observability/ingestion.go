package observability

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/orch-host/orch/sdk"
)

// ingestion is a piece of collector configuration that a service asked for. It
// is merged into the generated one, each time the collector is started, until
// it is removed.
type ingestion struct {
	name   string // of the service
	text   string // YAML, under its head line
	config object
}

// ingestHead begins the text of an ingestion, which travels as a plain string.
const ingestHead = "# orch ingest: "

func parseIngestion(text string) (ingestion, error) {
	in := ingestion{name: "default", text: text}
	if head, _, _ := strings.Cut(text, "\n"); strings.HasPrefix(head, ingestHead) {
		in.name = strings.TrimSpace(strings.TrimPrefix(head, ingestHead))
	}
	if err := checkIngestName(in.name); err != nil {
		return in, err
	}
	var err error
	if in.config, err = unmarshalObject([]byte(text)); err != nil {
		return in, sdk.NonRetryable(fmt.Errorf("the configuration is not YAML: %w", err))
	}
	return in, nil
}

// checkIngestName refuses a name that cannot be a file's; pieces of
// configuration are kept under their service's name, and carry it in their head line.
func checkIngestName(name string) error {
	if !stackRE.MatchString(name) {
		return sdk.NonRetryable(fmt.Errorf("service_name %q: want letters, digits, \"_\", \".\" or \"-\"", name))
	}
	return nil
}

func ingestFolder(state string) string { return filepath.Join(state, "collector") }

func (in ingestion) file(state string) string {
	return filepath.Join(ingestFolder(state), in.name+".yaml")
}

// loadIngests reads what services asked for, in the order of their names.
func loadIngests(state string) ([]ingestion, error) {
	files, err := filepath.Glob(filepath.Join(ingestFolder(state), "*.yaml"))
	if err != nil {
		return nil, err
	}
	var all []ingestion
	for _, f := range files { // sorted
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("read what the collector ingests: %w", err)
		}
		in, err := parseIngestion(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w; remove the file and run the ingest again", f, err)
		}
		all = append(all, in)
	}
	return all, nil
}

// keep writes the ingestion and returns how to end that: for good, or by taking
// it back. Until then what was there before lies beside it, nothing as an empty
// file, so that the attempt after one that was killed takes back to the same.
func (in ingestion) keep(state string) (end func(good bool) error, err error) {
	if err := os.MkdirAll(ingestFolder(state), 0o700); err != nil {
		return nil, fmt.Errorf("keep what the collector ingests: %w", err)
	}
	file := in.file(state)
	aside := file + ".before"
	before, err := os.ReadFile(aside)
	if errors.Is(err, fs.ErrNotExist) {
		before, err = os.ReadFile(file)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = replaceFile(aside, before)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("keep what the collector ingests: %w", err)
	}
	end = func(good bool) (err error) {
		switch {
		case good:
		case len(before) == 0:
			if err = os.Remove(file); errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
		default:
			err = replaceFile(file, before)
		}
		if err != nil {
			return err
		}
		return os.Remove(aside)
	}
	return end, replaceFile(file, []byte(in.text))
}

// with replaces the ingestion of the same name, or adds it.
func with(all []ingestion, in ingestion) []ingestion {
	all = slices.DeleteFunc(slices.Clone(all), func(o ingestion) bool { return o.name == in.name })
	all = append(all, in)
	slices.SortFunc(all, func(a, b ingestion) int { return strings.Compare(a.name, b.name) })
	return all
}

// mergeIngests adds the ingests to the generated configuration. They may
// change what is generated, but no two may differ about the same thing.
func mergeIngests(config object, ingests []ingestion) error {
	asked := object{}
	for _, in := range ingests {
		if at := merge(asked, in.config, true); at != "" {
			return sdk.NonRetryable(fmt.Errorf("service %s and another one ask the collector for different %s: give theirs a name of its own, such as %s/%s", in.name, at, at[strings.LastIndex(at, ".")+1:], in.name))
		}
	}
	merge(config, asked, false)
	return nil
}

// merge puts from into to; lists of extensions are joined. With strict, a value
// that is there and differs is not replaced: its place is returned.
func merge(to, from object, strict bool) (conflict string) {
	for _, k := range slices.Sorted(maps.Keys(from)) {
		v := from[k]
		have, there := to[k]
		into, isMap := have.(object)
		value, fromMap := v.(object)
		switch {
		case !there && fromMap:
			clone := object{}
			merge(clone, value, false)
			to[k] = clone
		case !there:
			to[k] = v
		case isMap && fromMap:
			if at := merge(into, value, strict); at != "" {
				return k + "." + at
			}
		case k == "extensions":
			to[k] = joined(have, v)
		case strict && !reflect.DeepEqual(have, v):
			return k
		default:
			to[k] = v
		}
	}
	return ""
}

func joined(lists ...any) []string {
	var all []string
	for _, l := range lists {
		switch l := l.(type) {
		case []string:
			all = append(all, l...)
		case []any:
			for _, e := range l {
				all = append(all, fmt.Sprint(e))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// readFolders are the folders of this machine that file receivers read below.
func readFolders(config object) ([]string, error) {
	var all []string
	receivers, _ := config["receivers"].(object)
	for name, r := range receivers {
		kind, _, _ := strings.Cut(name, "/")
		if kind != "filelog" && kind != "file_log" {
			continue
		}
		settings, _ := r.(object)
		for _, glob := range joined(settings["include"]) {
			dir := path.Dir(glob)
			if at := strings.IndexAny(glob, "*?[{"); at >= 0 {
				dir = path.Dir(glob[:at] + "x")
			}
			if !path.IsAbs(glob) || dir == "/" {
				return nil, sdk.NonRetryable(fmt.Errorf("the collector cannot read %q: want an absolute glob below a folder of its own, such as /var/log/app/*.log", glob))
			}
			all = append(all, dir)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return slices.DeleteFunc(all, func(dir string) bool { // a folder above it is there
		return slices.ContainsFunc(all, func(o string) bool { return o != dir && strings.HasPrefix(dir, o+"/") })
	}), nil
}
