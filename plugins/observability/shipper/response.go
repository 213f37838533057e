package shipper

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// outcome is what an attempt came to.
type outcome int

const (
	accepted outcome = iota
	retry            // the same again, later
	tooLarge         // smaller requests may pass
	refused          // never again
)

type verdict struct {
	outcome  outcome
	reason   string // a short fixed word: "http_503", "connection", ...
	detail   string
	after    time.Duration // what Retry-After asked for
	rejected int64         // partial success: records dropped
}

const maxResponse = 64 << 10

// judge reads a response to its end and decides. Only answers that say that the records themselves are at fault are
// final: everything else (a wrong token, a missing route, an overload) may be mended, and the lines stay where they are.
func judge(resp *http.Response, now time.Time) verdict {
	body, readErr := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	v := verdict{reason: "http_" + strconv.Itoa(resp.StatusCode)}
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		v.outcome = accepted
		if readErr == nil {
			v.rejected, v.detail = partialSuccess(resp.Header.Get("Content-Type"), body)
		}
		return v
	case code == http.StatusRequestEntityTooLarge:
		v.outcome = tooLarge
	case code == http.StatusBadRequest || code == http.StatusUnprocessableEntity:
		v.outcome = refused
	default:
		v.outcome = retry
		v.after = retryAfter(resp.Header.Get("Retry-After"), now)
	}
	v.detail = strings.ToValidUTF8(printable(body), "\uFFFD")
	return v
}

func printable(b []byte) string {
	s := strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, string(b))
	if s = strings.TrimSpace(s); len(s) > 500 {
		s = s[:500] + "..."
	}
	return s
}

// retryAfter reads the header's two forms, seconds and a date.
func retryAfter(h string, now time.Time) time.Duration {
	if h == "" {
		return 0
	}
	if n, err := strconv.Atoi(strings.TrimSpace(h)); err == nil {
		return time.Duration(min(max(n, 0), 1<<31)) * time.Second
	}
	if at, err := http.ParseTime(h); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// partialSuccess reads ExportLogsServiceResponse.partial_success.
func partialSuccess(contentType string, body []byte) (rejected int64, message string) {
	if strings.HasPrefix(contentType, "application/json") {
		var v struct {
			PartialSuccess struct {
				Rejected json.RawMessage `json:"rejectedLogRecords"` // int64: a string in proto3's JSON
				Message  string          `json:"errorMessage"`
			} `json:"partialSuccess"`
		}
		if json.Unmarshal(body, &v) != nil {
			return 0, ""
		}
		n, _ := strconv.ParseInt(strings.Trim(string(v.PartialSuccess.Rejected), `"`), 10, 64)
		return max(n, 0), v.PartialSuccess.Message
	}
	eachField(body, func(field int, _ uint64, data []byte) {
		if field != 1 || data == nil {
			return
		}
		eachField(data, func(field int, n uint64, text []byte) {
			switch field {
			case 1:
				rejected = max(int64(n), 0)
			case 2:
				message = string(text)
			}
		})
	})
	return rejected, message
}

// eachField walks over the fields of a protobuf message and stops where it is damaged.
func eachField(b []byte, fn func(field int, varint uint64, data []byte)) {
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 || key>>3 == 0 || key>>3 > 1<<29 {
			return
		}
		b = b[n:]
		switch key & 7 {
		case 0:
			v, n := binary.Uvarint(b)
			if n <= 0 {
				return
			}
			fn(int(key>>3), v, nil)
			b = b[n:]
		case 1, 5:
			size := 8
			if key&7 == 5 {
				size = 4
			}
			if len(b) < size {
				return
			}
			b = b[size:]
		case 2:
			v, n := binary.Uvarint(b)
			if n <= 0 || v > uint64(len(b)-n) {
				return
			}
			fn(int(key>>3), 0, b[n:n+int(v):n+int(v)])
			b = b[n+int(v):]
		default:
			return
		}
	}
}
