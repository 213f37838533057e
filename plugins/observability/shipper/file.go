package shipper

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"time"
)

// Format says how time and severity are found in a line.
type Format string

const (
	// Auto looks at each line: JSON object, syslog, or a leading RFC 3339 timestamp. The default.
	Auto Format = "auto"
	// Plain ships lines under the time at which they were read.
	Plain Format = "plain"
	// RFC3339 expects a leading timestamp (also "2006-01-02 15:04:05,000", and logfmt's time=...).
	RFC3339 Format = "rfc3339"
	// Syslog expects RFC 5424 or RFC 3164, with or without <PRI>.
	Syslog Format = "syslog"
	// JSONLog expects one JSON object per line with a time and a level member.
	JSONLog Format = "json"
	// Docker is the json-file log driver's format: the body is unwrapped and parsed as Auto.
	Docker Format = "docker"
	// DockerLocal is the local log driver's format, which is binary.
	DockerLocal Format = "docker-local"
)

// Multiline joins lines to one record.
type Multiline struct {
	Start    string        // regular expression; a line that matches begins a record
	MaxLines int           // default 500
	MaxBytes int           // default and upper limit: Options.MaxRecordBytes
	Timeout  time.Duration // a record is complete when nothing was added for this long; default 1s
}

// File is one path to tail. The path may not exist yet, and may be a symbolic link.
type File struct {
	Path string // absolute
	// Attributes become resource attributes (service.name, host.name, ...). log.file.path and log.file.name are added.
	Attributes map[string]string
	Format     Format // default Auto
	Multiline  *Multiline
	// SkipExisting starts at the end of a file that exists when it is first added and has no checkpoint.
	SkipExisting bool
}

type multiline struct {
	given              Multiline
	start              *regexp.Regexp
	maxLines, maxBytes int
	timeout            time.Duration
}

// settings is what a File says, checked and ready to use; it is replaced as a whole when a file is added again. There is
// one for each file, so what files have in common is kept once.
type settings struct {
	path string
	*shared
}

type shared struct {
	labels  map[string]string // File.Attributes
	encoded []byte            // the same as resource attributes
	format  Format
	multi   *multiline
	skip    bool
}

// Check says what AddFiles would refuse.
func Check(files ...File) error {
	o, err := Options{Endpoint: "http://localhost", StateDir: "."}.withDefaults()
	errs := []error{err}
	for _, f := range files {
		_, err := o.settingsFor(f, nil)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// settingsFor checks f. like may be nil, or the settings of another file, to share with it what is the same.
func (o *Options) settingsFor(f File, like *settings) (*settings, error) {
	if !filepath.IsAbs(f.Path) {
		return nil, fmt.Errorf("add file %q: the path must be absolute", f.Path)
	}
	f.Path = filepath.Clean(f.Path)
	c := shared{format: f.Format, skip: f.SkipExisting}
	switch f.Format {
	case "":
		c.format = Auto
	case Auto, Plain, RFC3339, Syslog, JSONLog, Docker, DockerLocal:
	default:
		return nil, fmt.Errorf("add file %s: format %q is unknown: want auto, plain, rfc3339, syslog, json, docker or docker-local", f.Path, f.Format)
	}
	if m := f.Multiline; m == nil {
	} else if like != nil && like.multi != nil && like.multi.given == *m {
		c.multi = like.multi
	} else {
		re, err := regexp.Compile(m.Start)
		if err != nil {
			return nil, fmt.Errorf("add file %s: multiline start pattern: %w", f.Path, err)
		}
		c.multi = &multiline{given: *m, start: re, maxLines: m.MaxLines, maxBytes: m.MaxBytes, timeout: m.Timeout}
		orDefault(&c.multi.maxLines, 500)
		orDefault(&c.multi.timeout, time.Second)
		if c.multi.maxBytes <= 0 || c.multi.maxBytes > o.MaxRecordBytes {
			c.multi.maxBytes = o.MaxRecordBytes
		}
	}
	if like != nil && like.format == c.format && like.multi == c.multi && like.skip == c.skip && maps.Equal(like.labels, f.Attributes) {
		return &settings{f.Path, like.shared}, nil
	}
	c.labels = maps.Clone(f.Attributes)
	c.encoded = encodeAttributes(c.labels, o.Encoding)
	return &settings{f.Path, &c}, nil
}
