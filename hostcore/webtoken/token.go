// Package webtoken compares what somebody gives for the token of the host's HTTP
// address with the token. All guesses together are slow, however many are made at
// once and whoever makes them: one is looked at at a time, and a wrong one keeps the
// next one waiting, also when its sender has gone.
package webtoken

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"
)

const (
	pause   = 500 * time.Millisecond // after a wrong one
	maxLine = 16                     // who wait for their turn; more are sent away
)

// Reasons not to let somebody in.
var (
	ErrWrong = errors.New("that is not the token of host.http_token")
	ErrBusy  = errors.New("too many wrong tokens are tried now: try again in a moment")
)

// Token is what is asked for; nil when there is none, which nobody has.
type Token struct {
	text string
	turn chan struct{} // held by whoever is looked at
	line chan struct{} // held by everybody who waits, and that one
}

// New makes a Token; nil of an empty text.
func New(text string) *Token {
	if text == "" {
		return nil
	}
	return &Token{text: text, turn: make(chan struct{}, 1), line: make(chan struct{}, maxLine)}
}

// Check is nil when the token was given, and ErrWrong, ErrBusy or the context's
// error when not.
func (t *Token) Check(ctx context.Context, given string) error {
	if t == nil {
		return ErrWrong
	}
	select {
	case t.line <- struct{}{}:
	default:
		return ErrBusy
	}
	defer func() { <-t.line }()
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-t.turn }()
	if subtle.ConstantTimeCompare([]byte(given), []byte(t.text)) == 1 {
		return nil
	}
	time.Sleep(pause) // not cut when the sender goes: it would guess faster by going
	return ErrWrong
}
