package httpapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestTheTableOfStatuses(t *testing.T) {
	for status, want := range map[int]Kind{
		400: Invalid, 401: Auth, 402: Billing, 403: Permission, 404: NotFound, 406: Invalid, 408: Server, 409: Conflict, 410: NotFound,
		412: Conflict, 422: Invalid, 429: Throttled, 500: Server, 502: Server, 503: Server, 504: Server, 301: Invalid,
	} {
		if got := KindOf(status); got != want {
			t.Errorf("%d is %s, want %s", status, got, want)
		}
	}
	for kind, want := range map[Kind]bool{Auth: false, Permission: false, Billing: false, Invalid: false, NotFound: false, NameTaken: false,
		Capacity: false, Conflict: true, Throttled: true, Server: true, Network: true} {
		if kind.Retryable() != want {
			t.Errorf("%s is retryable: %v", kind, !want)
		}
	}
}

func TestRetryAfterInItsForms(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "-1": 0, "soon": 0, "86400": 10 * time.Minute, "9223372037": 10 * time.Minute,
		"Thu, 01 Jan 2026 12:00:30 GMT": 30 * time.Second, "Thu, 01 Jan 2026 11:00:00 GMT": 0,
	} {
		if got := RetryAfter(http.Header{"Retry-After": {v}}, now); got != want {
			t.Errorf("%q: %s, want %s", v, got, want)
		}
	}
}

func serve(t *testing.T, f http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	hc := NewHTTPClient()
	t.Cleanup(hc.CloseIdleConnections)
	return &Client{Provider: "p", BaseURL: s.URL, UserAgent: "ua", HTTP: hc, Header: http.Header{"Authorization": {"Bearer secret-token"}},
		Redact: func(s string) string { return strings.ReplaceAll(s, "secret-token", "***") }}
}

func TestAMutationIsSentOnce(t *testing.T) {
	var calls atomic.Int64
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) > 1 {
			panic(http.ErrAbortHandler)
		}
		if r.Header.Get("User-Agent") != "ua" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("headers %v", r.Header)
		}
		_, _ = io.WriteString(w, `{"n":1}`)
	})
	var out struct{ N int }
	if _, err := c.Do(context.Background(), Request{Op: "make", Method: "POST", Path: "/x", Body: map[string]int{"a": 1}}, &out); err != nil || out.N != 1 {
		t.Fatal(err, out)
	}
	// The connection is a kept one now, on which the transport is tempted to try again.
	_, err := c.Do(context.Background(), Request{Op: "make", Method: "POST", Path: "/x", Body: map[string]int{"a": 1}}, &out)
	if !Is(err, Network) || calls.Load() != 2 {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
}

func TestATokenDoesNotFollowARedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the redirect was followed with %v", r.Header)
	}))
	defer elsewhere.Close()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) })
	if _, err := c.Do(context.Background(), Request{Op: "read", Method: "GET", Path: "/"}, nil); !Is(err, Invalid) {
		t.Errorf("%v", err)
	}
}

func TestAnErrorSaysWhatWasAttemptedAndHidesTheToken(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "4")
		w.WriteHeader(429)
		_, _ = io.WriteString(w, `{"message":"slow down, secret-token","status":"limited"}`)
	})
	_, err := c.Do(context.Background(), Request{Op: "create app shop", Method: "POST", Path: "/apps"}, nil)
	var e *Error
	if !errors.As(err, &e) || e.RetryAfter != 4*time.Second || err.Error() != "p: create app shop: HTTP 429 (limited): slow down, ***" {
		t.Errorf("%v", err)
	}
	c.BaseURL = "http://127.0.0.1:1/secret-token"
	_, err = c.Do(context.Background(), Request{Op: "read", Method: "GET", Path: "/?key=secret-token"}, nil)
	if !Is(err, Network) || strings.Contains(err.Error(), "secret-token") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("%v", err)
	}
}

func TestASlowAnswerIsANetworkErrorAndAnEmptyOneIsFine(t *testing.T) {
	stop := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-stop
		}
		w.WriteHeader(202)
	})
	t.Cleanup(func() { close(stop) })
	if _, err := c.Do(context.Background(), Request{Op: "x", Method: "GET", Path: "/slow", Timeout: 20 * time.Millisecond}, nil); !Is(err, Network) {
		t.Errorf("%v", err)
	}
	out := struct{ A string }{"kept"}
	if status, err := c.Do(context.Background(), Request{Op: "x", Method: "GET", Path: "/"}, &out); err != nil || status != 202 || out.A != "kept" {
		t.Errorf("%d %v %v", status, err, out)
	}
}
