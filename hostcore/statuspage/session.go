package statuspage

import (
	"crypto/rand"
	"net/http"
	"sync"
	"time"
)

const (
	cookieName  = "orch_session"
	sessionLife = 12 * time.Hour
	maxSessions = 100 // the oldest makes way
)

// sessions are those who have entered the token. They end with the host.
type sessions struct {
	mu   sync.Mutex
	byID map[string]time.Time // until
}

func (s *sessions) open(w http.ResponseWriter) {
	id, until := rand.Text(), time.Now().Add(sessionLife)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = map[string]time.Time{}
	}
	if len(s.byID) >= maxSessions {
		oldest := ""
		for k, t := range s.byID {
			if oldest == "" || t.Before(s.byID[oldest]) {
				oldest = k
			}
		}
		delete(s.byID, oldest)
	}
	s.byID[id] = until
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Expires: until})
}

func (s *sessions) valid(r *http.Request) bool {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.byID[c.Value])
}

func (s *sessions) end(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(cookieName); err == nil {
		s.mu.Lock()
		delete(s.byID, c.Value)
		s.mu.Unlock()
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: -1})
}
