package admin

import (
	"net"
	"net/http"
	"strings"
)

// ownNames refuses names that only a rebound DNS entry can lead to a loopback
// address: a page of somebody else, open in a browser on this machine, would read
// what is served here. name is the host's.
func ownNames(next http.Handler, name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ownName(r.Host, name) {
			answer(w, http.StatusMisdirectedRequest, failure{r.Host + " is not a name of this host: ask for 127.0.0.1, localhost or its host.name"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownName tells whether a request's host is an address, localhost or the host's name.
func ownName(asked, name string) bool {
	if h, _, err := net.SplitHostPort(asked); err == nil {
		asked = h
	}
	asked = strings.TrimSuffix(asked, ".")
	return strings.EqualFold(asked, "localhost") || name != "" && strings.EqualFold(asked, name) || net.ParseIP(strings.Trim(asked, "[]")) != nil
}
