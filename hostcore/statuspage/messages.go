package statuspage

import (
	"crypto/rand"
	"sync"
	"time"
)

const (
	messageLife = 10 * time.Minute
	maxMessages = 100 // the oldest makes way
)

// messages are what the page has to say after a redirect. The address names the
// message and does not hold it: a link would have the page show anybody's words.
type messages struct {
	mu  sync.Mutex
	all []kept
}

type kept struct {
	id, text string
	until    time.Time
}

// keep returns the name under which the text is found for a while.
func (m *messages) keep(text string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.all) >= maxMessages {
		m.all = m.all[1:]
	}
	id := rand.Text()
	m.all = append(m.all, kept{id, text, time.Now().Add(messageLife)})
	return id
}

// find is the text of a name; "" when there is none.
func (m *messages) find(id string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, one := range m.all {
		if one.id == id && time.Now().Before(one.until) {
			return one.text
		}
	}
	return ""
}
