package statuspage

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orch-host/orch/hostcore/webtoken"
)

// slowToStop is a host whose service takes its time to stop.
type slowToStop struct {
	fakeHost
	began, goOn chan struct{}
	ended       chan error
}

func (s *slowToStop) Stop(ctx context.Context, _ string) error {
	close(s.began)
	select {
	case <-s.goOn:
	case <-ctx.Done():
	}
	s.ended <- ctx.Err()
	return ctx.Err()
}

// stopAndGo asks for a stop and closes the browser while it goes on.
func stopAndGo(t *testing.T) (*slowToStop, *site) {
	t.Helper()
	h := &slowToStop{began: make(chan struct{}), goOn: make(chan struct{}), ended: make(chan error, 1)}
	s := serving(t, New(h, Options{Token: webtoken.New("canary-token")}))
	_, text := s.do("POST", "/status/login", url.Values{"token": {"canary-token"}}.Encode(), nil)
	_, csrf, _ := strings.Cut(text, `name="csrf" value="`)
	csrf, _, _ = strings.Cut(csrf, `"`)
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", s.url+"/status/services/chat/stop", strings.NewReader(url.Values{"csrf": {csrf}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answered := make(chan error, 1)
	go func() {
		resp, err := s.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		answered <- err
	}()
	<-h.began
	leave()
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Fatalf("the browser got %v", err)
	}
	return h, s
}

func TestAStopIsDoneToItsEndWhenTheBrowserGoesAway(t *testing.T) {
	h, _ := stopAndGo(t)
	select {
	case err := <-h.ended:
		t.Fatalf("it was given up: %v", err)
	case <-time.After(300 * time.Millisecond): // long enough for the server to see that the browser has gone
	}
	close(h.goOn)
	if err := <-h.ended; err != nil {
		t.Errorf("it was given up: %v", err)
	}
}

func TestAStopThatGoesOnEndsWithThePage(t *testing.T) {
	h, s := stopAndGo(t)
	s.page.Close()
	select {
	case err := <-h.ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it goes on after the page was closed")
	}
}

func TestThePageShowsItsOwnMessagesOnly(t *testing.T) {
	s := newSite(t, Options{Token: webtoken.New("canary-token")})
	const foreign = "Your token has expired: enter it at evil.example"
	if _, text := s.do("GET", "/?"+url.Values{"message": {foreign}}.Encode(), "", nil); strings.Contains(text, "expired") || strings.Contains(text, `role="alert"`) {
		t.Errorf("it shows what somebody has put into a link:\n%s", text)
	}
	var shown string
	s.CheckRedirect = func(r *http.Request, _ []*http.Request) error { shown = r.URL.RequestURI(); return nil }
	if _, text := s.do("POST", "/status/login", url.Values{"token": {"wrong"}}.Encode(), nil); !strings.Contains(text, "That is not the token") {
		t.Errorf("its own message is missing:\n%s", text)
	}
	if _, text := s.do("GET", shown, "", nil); !strings.Contains(text, "That is not the token") {
		t.Errorf("its own message is gone when the page is loaded again:\n%s", text)
	}
	for range maxMessages {
		s.page.messages.keep("another one")
	}
	if _, text := s.do("GET", shown, "", nil); strings.Contains(text, "That is not the token") || len(s.page.messages.all) != maxMessages {
		t.Errorf("%d messages are kept", len(s.page.messages.all))
	}
}

func TestGuessesOfTheTokenCountTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(&fakeHost{}, Options{Token: webtoken.New("canary-token")})
		defer p.Close()
		login := func(token string) int {
			r := httptest.NewRequest("POST", "/status/login", strings.NewReader(url.Values{"token": {token}}.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			p.ServeHTTP(w, r)
			return w.Code
		}
		began := time.Now()
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() { login("wrong") })
		}
		synctest.Wait()
		if code := login("canary-token"); code != http.StatusTooManyRequests {
			t.Errorf("while many guess: %d", code)
		}
		all.Wait()
		if took := time.Since(began); took != 8*time.Second {
			t.Errorf("16 guesses side by side took %s", took)
		}
		if code := login("canary-token"); code != http.StatusSeeOther {
			t.Errorf("afterwards: %d", code)
		}
	})
}
