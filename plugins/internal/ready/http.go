package ready

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/tracing"
)

// HTTPOptions of [HTTP]. The zero value is GET and any 2xx status.
type HTTPOptions struct {
	Method   string
	Header   http.Header
	Body     string
	Username string // basic authentication, when not ""
	Password sdk.Secret
	Status   int    // the expected status; 0: any 2xx
	Contains string // what the body has to contain
	// Refused is what to tell the user about a 401 or 403. When set, these are
	// final: a wrong password does not get right by asking again.
	Refused string
}

// HTTP asks a URL. Redirects are answers, not followed. The default transport
// is not used: a probe keeps no connection to a component that may go away.
func HTTP(url string, o HTTPOptions) Probe {
	return func(ctx context.Context) error {
		var body io.Reader
		if o.Body != "" {
			body = strings.NewReader(o.Body)
		}
		req, err := http.NewRequestWithContext(ctx, cmp.Or(o.Method, http.MethodGet), url, body)
		if err != nil {
			return sdk.NonRetryable(fmt.Errorf("ask %s: %w", url, err))
		}
		for k, v := range o.Header {
			req.Header[k] = v
		}
		if o.Username != "" {
			req.SetBasicAuth(o.Username, o.Password.Reveal())
		}
		transport := tracing.Transport(&http.Transport{DisableKeepAlives: true, Proxy: nil})
		client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		if err != nil {
			return fmt.Errorf("%s %s: read the answer: %w", req.Method, url, err)
		}
		if (resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden) && o.Refused != "" {
			return sdk.NonRetryable(fmt.Errorf("%s answers %s: %s", url, resp.Status, o.Refused))
		}
		if wanted := o.Status == resp.StatusCode || (o.Status == 0 && resp.StatusCode/100 == 2); !wanted {
			return fmt.Errorf("%s answers %s: %s", url, resp.Status, firstLine(text))
		}
		if !strings.Contains(string(text), o.Contains) {
			return fmt.Errorf("%s answers without %q: %s", url, o.Contains, firstLine(text))
		}
		return nil
	}
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if r := []rune(line); len(r) > 200 {
		line = string(r[:200]) + "..."
	}
	return line
}
