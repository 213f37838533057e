package shipper

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Encoding is the body format of the requests.
type Encoding string

// Compression is the Content-Encoding of the requests.
type Compression string

// The encodings and compressions that OTLP/HTTP receivers take.
const (
	Protobuf Encoding = "protobuf"
	JSON     Encoding = "json"

	None Compression = "none"
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
)

// TooOldAction says what happens to a record whose own time is older than TooOld.After.
type TooOldAction string

const (
	// TooOldObserved sends the record under the time at which it was read; its own time becomes the attribute
	// log.original_time. Nothing is lost: this is the default.
	TooOldObserved TooOldAction = "observed"
	// TooOldSetAside writes the record to the dead-letter file instead of sending it.
	TooOldSetAside TooOldAction = "set_aside"
)

// tooNew is how far ahead of this machine's clock a record's own time may be. Loki refuses what is more than ten minutes
// ahead (its limit creation_grace_period); a local time that is read in another zone is ahead by hours.
const tooNew = 5 * time.Minute

// TooOld guards against receivers that refuse old records (Loki refuses lines older than a week by default), and against
// records from the future, which are always sent as TooOldObserved says.
type TooOld struct {
	After  time.Duration // 0 switches the guard off
	Action TooOldAction  // default TooOldObserved
}

// Options configures a Shipper. The zero value of every field but Endpoint and StateDir means its default.
type Options struct {
	// Endpoint is the base URL of the receiver (http://host:4318); /v1/logs is added unless the path ends with it.
	Endpoint string
	// Headers are sent with every request.
	Headers map[string]string
	// Client replaces the HTTP client. Its Timeout should be 0: RequestTimeout applies.
	Client *http.Client `json:"-"`
	// StateDir holds lock, checkpoint and dead letters. One shipper at a time uses a folder; others wait for it.
	StateDir string

	Encoding         Encoding    // default Protobuf
	Compression      Compression // default None
	CompressionLevel int         // gzip 1..9, zstd 1..4 (klauspost levels); default 1

	BatchLines    int           // records per request at most; default 1000
	BatchBytes    int           // encoded bytes per request at most, before compression; default 1 MiB
	FlushInterval time.Duration // an incomplete batch is sent after this; default 500ms
	Senders       int           // requests in flight at most; default 2

	RequestTimeout time.Duration // one attempt; default 30s
	MinBackoff     time.Duration // first pause after a failed attempt; default 100ms
	MaxBackoff     time.Duration // longest pause, unless the receiver asks for more by Retry-After; default 5s
	MaxRetryAfter  time.Duration // longest Retry-After that is honoured; default 5m

	CheckpointInterval time.Duration // default 250ms; stretched by 100µs per file
	// MaxRecordBytes splits longer lines and multi-line records; default 250,000 (Loki refuses more than 262,144).
	MaxRecordBytes int
	// PartialTimeout is how long a last line without line end is held back; default 5s, negative means for good
	// (it is still sent when the file was rotated away).
	PartialTimeout time.Duration
	// PollInterval is the stat interval for files whose folder cannot be watched; default 250ms. It stretches so that
	// no more than 4000 files are checked per second.
	PollInterval time.Duration
	// SweepInterval is the stat interval for files whose folder is watched (a safety net: events may be lost); default
	// 1s. It stretches so that no more than 2000 files are checked per second.
	SweepInterval time.Duration
	DisableNotify bool // poll only

	RotatedGrace time.Duration // a rotated file is let go when nothing was added for this long; default 5s
	MaxOpenFiles int           // descriptors kept, rotated files included; default 256

	LinesPerSecond int // 0 = unlimited
	BytesPerSecond int // 0 = unlimited

	TooOld   TooOld
	Location *time.Location `json:"-"` // zone of timestamps that carry none; default time.Local

	DeadLetterMaxBytes int64 // the dead-letter file is rotated (one is kept) beyond this; default 64 MiB

	Logger *slog.Logger `json:"-"` // default: discards
}

func orDefault[T int | int64 | time.Duration | Encoding | Compression | TooOldAction](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (o Options) withDefaults() (Options, error) {
	orDefault(&o.Encoding, Protobuf)
	orDefault(&o.Compression, None)
	orDefault(&o.CompressionLevel, 1)
	orDefault(&o.BatchLines, 1000)
	orDefault(&o.BatchBytes, 1<<20)
	orDefault(&o.FlushInterval, 500*time.Millisecond)
	orDefault(&o.Senders, 2)
	orDefault(&o.RequestTimeout, 30*time.Second)
	orDefault(&o.MinBackoff, 100*time.Millisecond)
	orDefault(&o.MaxBackoff, 5*time.Second)
	orDefault(&o.MaxRetryAfter, 5*time.Minute)
	orDefault(&o.CheckpointInterval, 250*time.Millisecond)
	orDefault(&o.MaxRecordBytes, 250_000)
	orDefault(&o.PartialTimeout, 5*time.Second)
	orDefault(&o.PollInterval, 250*time.Millisecond)
	orDefault(&o.SweepInterval, time.Second)
	orDefault(&o.RotatedGrace, 5*time.Second)
	orDefault(&o.MaxOpenFiles, 256)
	orDefault(&o.TooOld.Action, TooOldObserved)
	orDefault(&o.DeadLetterMaxBytes, 64<<20)
	if o.Location == nil {
		o.Location = time.Local
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, o.check()
}

func (o *Options) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("shipper options: "+format, args...)) }
	u, err := url.Parse(o.Endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		bad("endpoint %q is not a URL: want http://host:4318 or https://host", o.Endpoint)
	} else if !strings.HasSuffix(u.Path, "/v1/logs") {
		o.Endpoint = u.JoinPath("v1/logs").String()
	}
	if o.StateDir == "" {
		bad("state folder is missing: checkpoint and dead letters need one")
	}
	if o.Encoding != Protobuf && o.Encoding != JSON {
		bad("encoding %q: want %q or %q", o.Encoding, Protobuf, JSON)
	}
	if o.Compression != None && o.Compression != Gzip && o.Compression != Zstd {
		bad("compression %q: want %q, %q or %q", o.Compression, None, Gzip, Zstd)
	}
	if o.TooOld.Action != TooOldObserved && o.TooOld.Action != TooOldSetAside {
		bad("too-old action %q: want %q or %q", o.TooOld.Action, TooOldObserved, TooOldSetAside)
	}
	within := func(name string, v, low, high int) {
		if v < low || v > high {
			bad("%s is %d: want %d to %d", name, v, low, high)
		}
	}
	top := 9
	if o.Compression == Zstd {
		top = 4
	}
	within("compression level", o.CompressionLevel, 1, top)
	within("batch lines", o.BatchLines, 1, 100_000)
	within("batch bytes", o.BatchBytes, 1024, 16<<20)
	within("senders", o.Senders, 1, 64)
	within("max record bytes", o.MaxRecordBytes, 64, 4<<20)
	within("max open files", o.MaxOpenFiles, 4, 1<<20)
	within("lines per second", o.LinesPerSecond, 0, 1<<40)
	within("bytes per second", o.BytesPerSecond, 0, 1<<50)
	for name, d := range map[string]time.Duration{"flush interval": o.FlushInterval, "request timeout": o.RequestTimeout,
		"min backoff": o.MinBackoff, "max backoff": o.MaxBackoff, "checkpoint interval": o.CheckpointInterval,
		"poll interval": o.PollInterval, "sweep interval": o.SweepInterval, "rotated grace": o.RotatedGrace} {
		if d < time.Millisecond {
			bad("%s is %s: want 1ms or more", name, d)
		}
	}
	return errors.Join(errs...)
}
