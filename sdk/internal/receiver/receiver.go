// Package receiver watches the OTLP receiver that a program sends to.
package receiver

import (
	"log/slog"
	"sync"
)

// Watch logs when the receiver goes away and when it is back, not each time.
type Watch struct {
	What     string // what is sent, in plural
	Endpoint string
	Logger   *slog.Logger // nil: slog.Default at the time

	mu   sync.Mutex
	away bool
}

// Note takes how an export ended.
func (w *Watch) Note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	logger := w.Logger
	if logger == nil {
		logger = slog.Default()
	}
	switch {
	case err != nil && !w.away:
		logger.Warn(w.What+" cannot be pushed; it goes on trying", "otlp_endpoint", w.Endpoint, "error", err)
	case err == nil && w.away:
		logger.Info(w.What+" are pushed again", "otlp_endpoint", w.Endpoint)
	}
	w.away = err != nil
}
