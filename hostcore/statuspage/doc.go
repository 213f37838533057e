// Package statuspage is the host's page for people: services with their steps,
// the hosts that share the work, plugins, problems and links, kept up to date by
// server-sent events.
//
// Everything is rendered here; the page's script only replaces what the server
// sends. One poller asks for the state while somebody looks, and all that look
// get the same rendering: a slow reader misses renderings and holds up nobody.
//
// Without a token the page is read-only. With one, whoever has entered it may
// start and stop services and roll plugins back, from this origin only: the
// session is a SameSite=Strict cookie, and requests of other origins are refused.
package statuspage
