package statuspage

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"
)

const (
	cookieName  = "orch_session"
	sessionLife = 12 * time.Hour
	maxSessions = 100 // the oldest makes way
)

// csrfMark stands in what is rendered for everybody where each reader gets the
// token of their own session.
const (
	csrfMark  = "@csrf@"
	csrfField = `<input type="hidden" name="csrf" value="` + csrfMark + `">`
)

// session is one browser that has entered the token.
type session struct {
	csrf  string // sent along by each form
	until time.Time
}

// fill puts the session's token into the forms of a page.
func (s *session) fill(page []byte) []byte {
	if s == nil {
		return page
	}
	return bytes.ReplaceAll(page, []byte(csrfMark), []byte(s.csrf))
}

// sent tells whether a form came from a page of the session.
func (s *session) sent(r *http.Request) bool {
	return subtle.ConstantTimeCompare([]byte(r.PostFormValue("csrf")), []byte(s.csrf)) == 1
}

// sessions end with the host.
type sessions struct {
	secure bool // the cookie travels over TLS only

	mu   sync.Mutex
	byID map[string]*session
}

func (s *sessions) open(w http.ResponseWriter) {
	id, n := rand.Text(), &session{csrf: rand.Text(), until: time.Now().Add(sessionLife)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = map[string]*session{}
	}
	if len(s.byID) >= maxSessions {
		oldest := ""
		for k, v := range s.byID {
			if oldest == "" || v.until.Before(s.byID[oldest].until) {
				oldest = k
			}
		}
		delete(s.byID, oldest)
	}
	s.byID[id] = n
	http.SetCookie(w, s.cookie(http.Cookie{Value: id, Expires: n.until}))
}

func (s *sessions) cookie(c http.Cookie) *http.Cookie {
	c.Name, c.Path, c.HttpOnly, c.Secure, c.SameSite = cookieName, "/", true, s.secure, http.SameSiteStrictMode
	return &c
}

// of is the session of a request; nil when it has none.
func (s *sessions) of(r *http.Request) *session {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.byID[c.Value]; found != nil && time.Now().Before(found.until) {
		return found
	}
	return nil
}

func (s *sessions) end(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(cookieName); err == nil {
		s.mu.Lock()
		delete(s.byID, c.Value)
		s.mu.Unlock()
	}
	http.SetCookie(w, s.cookie(http.Cookie{MaxAge: -1}))
}
