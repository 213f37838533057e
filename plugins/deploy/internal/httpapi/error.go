package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Kind is the class of a provider's refusal. It is also the error type that Temporal shows, so the words are public.
type Kind string

// The classes. Retryable says which of them another attempt may mend.
const (
	Auth       Kind = "AuthError"            // the token is missing, wrong or expired
	Permission Kind = "PermissionError"      // the token is good, but may not do this
	Billing    Kind = "BillingError"         // the account must pay first
	Invalid    Kind = "InvalidRequest"       // the provider will never accept this request
	NotFound   Kind = "NotFound"             // the object does not exist, or no longer
	NameTaken  Kind = "NameTaken"            // the name belongs to somebody else
	Capacity   Kind = "InsufficientCapacity" // the region has no room
	Conflict   Kind = "Conflict"             // the state changed under us: read again
	Throttled  Kind = "Throttled"            // too many requests; RetryAfter says when
	Server     Kind = "ServerError"          // the provider failed
	Network    Kind = "NetworkError"         // no answer: the request may or may not have been carried out
)

// Retryable reports whether the same request may succeed later.
func (k Kind) Retryable() bool {
	switch k {
	case Conflict, Throttled, Server, Network:
		return true
	}
	return false
}

// Error is a refusal by a provider, or the lack of an answer. Its text never holds a secret.
type Error struct {
	Provider   string        // "fly", "railway", "render", "github"
	Op         string        // what was attempted on which object, e.g. "create app demo"
	Kind       Kind          //
	Status     int           // HTTP status; 0 without an answer
	Code       string        // the provider's own word, e.g. "name_taken"
	Message    string        // the provider's text, redacted
	RetryAfter time.Duration // from the answer; 0 when it did not say
	Err        error         // cause, when there was no answer
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Provider, e.Op)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": HTTP %d", e.Status)
	}
	if e.Code != "" {
		fmt.Fprintf(&b, " (%s)", e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if hint := e.hint(); hint != "" {
		b.WriteString("; " + hint)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// hint tells the person what to do, where the class alone says so.
func (e *Error) hint() string {
	switch e.Kind {
	case Auth:
		return "check the " + e.Provider + " token in [plugins.deploy.config]"
	case Permission:
		return "the " + e.Provider + " token lacks the right for this; use one with a wider scope"
	case Billing:
		return "add a payment method or a larger plan at " + e.Provider
	}
	return ""
}

// Is reports whether err is a provider's Error of one of the kinds.
func Is(err error, kinds ...Kind) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	for _, k := range kinds {
		if e.Kind == k {
			return true
		}
	}
	return false
}

// KindOf is the table for HTTP statuses that all providers share.
func KindOf(status int) Kind {
	switch {
	case status == http.StatusUnauthorized:
		return Auth
	case status == http.StatusForbidden:
		return Permission
	case status == http.StatusPaymentRequired:
		return Billing
	case status == http.StatusNotFound, status == http.StatusGone:
		return NotFound
	case status == http.StatusConflict, status == http.StatusPreconditionFailed:
		return Conflict
	case status == http.StatusTooManyRequests:
		return Throttled
	case status == http.StatusRequestTimeout, status >= 500:
		return Server
	}
	return Invalid
}

// RetryAfter reads the header in both of its forms, seconds and date. It is capped at ten minutes, so that a wrong
// clock cannot park a deployment for a day.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	var d time.Duration
	if n, err := strconv.Atoi(v); err == nil {
		d = time.Duration(min(max(n, 0), 86400)) * time.Second // a number that is too large must not become none
	} else if at, err := http.ParseTime(v); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), 10*time.Minute)
}
