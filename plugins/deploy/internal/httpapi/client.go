// Package httpapi is the small JSON-over-HTTP client under the provider clients. It sends a request once: retries are
// Temporal's, because a blind second POST makes a second app. It follows no redirect, so that a token goes to the
// configured host only, and everything it says about a failure is redacted.
package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/orch-host/orch/sdk/tracing"
)

const (
	// DefaultTimeout bounds one call unless the request says otherwise.
	DefaultTimeout = 30 * time.Second
	maxBody        = 8 << 20
)

// Client talks to one provider. Safe for concurrent use.
type Client struct {
	Provider  string              // for error texts
	BaseURL   string              // without a trailing slash
	UserAgent string              //
	Header    http.Header         // sent with every request: authorization, accept
	HTTP      *http.Client        // nil = NewHTTPClient()
	Redact    func(string) string // applied to every text taken from an answer; nil = none
	// Refine adjusts an error after the shared table has classified it: it sees the body and may set Kind, Code and
	// Message.
	Refine func(e *Error, header http.Header, body []byte)
}

// Request is one call.
type Request struct {
	Op          string // for error texts: what is attempted on which object
	Method      string
	Path        string // begins with a slash, already escaped
	Query       url.Values
	Header      http.Header
	Body        any           // JSON-encoded unless it is an io.Reader
	ContentType string        // for an io.Reader
	Timeout     time.Duration // 0 = DefaultTimeout
}

// NewHTTPClient returns a client that follows no redirects.
func NewHTTPClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = 90 * time.Second
	t.MaxIdleConnsPerHost = 8
	return &http.Client{
		Transport:     tracing.Transport(t),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Do sends r once and decodes a 2xx answer into out (nil = ignore the body; an empty body leaves out as it is).
// Any other outcome is an *Error.
func (c *Client) Do(ctx context.Context, r Request, out any) (status int, err error) {
	timeout := r.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := c.request(ctx, r)
	if err != nil {
		return 0, &Error{Provider: c.Provider, Op: r.Op, Kind: Invalid, Message: c.redact(err.Error()), Err: err}
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, c.network(r.Op, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return resp.StatusCode, c.network(r.Op, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.StatusCode, c.refusal(r.Op, resp, body)
	}
	if out != nil && len(bytes.TrimSpace(body)) > 0 {
		if err := json.Unmarshal(body, out); err != nil {
			return resp.StatusCode, &Error{Provider: c.Provider, Op: r.Op, Kind: Server, Status: resp.StatusCode,
				Message: "the answer is not the JSON that was expected: " + c.redact(err.Error()), Err: err}
		}
	}
	return resp.StatusCode, nil
}

func (c *Client) request(ctx context.Context, r Request) (*http.Request, error) {
	var body io.Reader
	contentType := r.ContentType
	switch b := r.Body.(type) {
	case nil:
	case io.Reader:
		body = b
	default:
		data, err := json.Marshal(b)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		body, contentType = bytes.NewReader(data), "application/json"
	}
	target := strings.TrimRight(c.BaseURL, "/") + r.Path
	if len(r.Query) > 0 {
		target += "?" + r.Query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, target, body)
	if err != nil {
		return nil, err
	}
	for _, h := range []http.Header{c.Header, r.Header} {
		for k, v := range h {
			req.Header[k] = v
		}
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	if c.UserAgent != "" {
		req.Header.Set("User-Agent", c.UserAgent)
	}
	return req, nil
}

func (c *Client) network(op string, err error) *Error {
	// url.Error repeats the whole address, query included; the operation already says what was attempted.
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return &Error{Provider: c.Provider, Op: op, Kind: Network, Message: c.redact(err.Error()), Err: err}
}

func (c *Client) refusal(op string, resp *http.Response, body []byte) *Error {
	e := &Error{
		Provider: c.Provider, Op: op, Kind: KindOf(resp.StatusCode), Status: resp.StatusCode,
		RetryAfter: RetryAfter(resp.Header, time.Now()),
	}
	var m struct {
		Message string `json:"message"`
		Error   any    `json:"error"`
		Status  any    `json:"status"`
	}
	if json.Unmarshal(body, &m) == nil {
		e.Message = m.Message
		if s, ok := m.Error.(string); ok && e.Message == "" {
			e.Message = s
		}
		if s, ok := m.Status.(string); ok {
			e.Code = s
		}
	} else {
		e.Message = strings.TrimSpace(string(body))
	}
	if c.Refine != nil {
		c.Refine(e, resp.Header, body)
	}
	e.Message = c.redact(e.Message)
	if len(e.Message) > 1000 {
		e.Message = e.Message[:1000] + "..."
	}
	// An error page in another encoding, or a letter that was cut in two, could not leave the plugin.
	e.Message = strings.ToValidUTF8(e.Message, "")
	return e
}

func (c *Client) redact(s string) string {
	if c.Redact == nil {
		return s
	}
	return c.Redact(s)
}
