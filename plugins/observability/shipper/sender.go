package shipper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// sender delivers batches, one at a time, until each is acknowledged, set aside, or ctx ends.
type sender struct {
	o       *Options
	client  *http.Client
	enc     encoder
	comp    *compressor
	pay     payload
	dead    *deadLetters
	stats   *stats
	letters []DeadLetter
}

func (s *sender) run(ctx context.Context, work <-chan *batch, commits *committer) {
	for b := range work {
		if s.deliver(ctx, b) {
			commits.done(b)
		}
	}
}

// deliver says whether the batch's records are out of our hands.
func (s *sender) deliver(ctx context.Context, b *batch) bool {
	if len(b.aside) > 0 {
		s.letters = s.letters[:0]
		for _, a := range b.aside {
			s.letters = append(s.letters, DeadLetter{Reason: a.reason, File: a.path, Offset: a.offset, Body: a.body})
		}
		if !s.bury(ctx, len(b.aside), b.aside[0].reason) {
			return false
		}
	}
	return len(b.records) == 0 || s.send(ctx, b, 0, len(b.records))
}

// send delivers the records from..to-1 of b.
func (s *sender) send(ctx context.Context, b *batch, from, to int) bool {
	s.pay.compose(b, from, to)
	raw := s.pay.size
	if err := s.comp.compress(&s.pay); err != nil {
		return s.setAside(ctx, b, from, to, "compression", err.Error())
	}
	for attempt := 0; ; attempt++ {
		v := s.attempt(ctx)
		switch v.outcome {
		case accepted:
			s.stats.sent(raw, s.pay.size)
			if v.rejected >= int64(to-from) {
				return s.setAside(ctx, b, from, to, "partial_success", v.detail)
			}
			if v.rejected > 0 {
				s.letters = append(s.letters[:0], DeadLetter{Reason: "partial_success", Detail: v.detail,
					File: b.sections[b.sectionOf(from)].st.path, Offset: b.records[from].offset, Records: v.rejected})
				return s.bury(ctx, int(v.rejected), "partial_success")
			}
			return true
		case refused:
			return s.setAside(ctx, b, from, to, v.reason, v.detail)
		case tooLarge:
			if to-from == 1 {
				return s.setAside(ctx, b, from, to, v.reason, v.detail)
			}
			s.stats.retried(v.reason, v.detail)
			mid := (from + to) / 2
			return s.send(ctx, b, from, mid) && s.send(ctx, b, mid, to)
		}
		if ctx.Err() != nil {
			return false
		}
		s.stats.retried(v.reason, v.detail)
		if !pause(ctx, max(s.backoff(attempt), min(v.after, s.o.MaxRetryAfter))) {
			return false
		}
	}
}

// attempt makes one request and waits until net/http has done with its body.
func (s *sender) attempt(ctx context.Context) verdict {
	ctx, cancel := context.WithTimeout(ctx, s.o.RequestTimeout)
	defer s.pay.inUse.Wait()
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.o.Endpoint, nil)
	if err != nil {
		return verdict{outcome: retry, reason: "request", detail: err.Error()}
	}
	req.Body, req.ContentLength = s.pay.open(), int64(s.pay.size)
	req.GetBody = func() (io.ReadCloser, error) { return s.pay.open(), nil }
	for k, v := range s.o.Headers {
		if strings.EqualFold(k, "host") {
			req.Host = v
		}
		req.Header.Set(k, v)
	}
	req.Header.Set("Content-Type", s.enc.contentType())
	if s.o.Compression != None {
		req.Header.Set("Content-Encoding", string(s.o.Compression))
	}
	resp, err := s.client.Do(req)
	if err != nil {
		reason := "connection"
		if errors.Is(err, context.DeadlineExceeded) {
			reason = "timeout"
		}
		return verdict{outcome: retry, reason: reason, detail: err.Error()}
	}
	defer resp.Body.Close()
	return judge(resp, time.Now())
}

// backoff doubles from MinBackoff to MaxBackoff; half of it is random, so that senders do not return in step.
func (s *sender) backoff(attempt int) time.Duration {
	d := s.o.MaxBackoff
	if attempt < 30 && s.o.MinBackoff<<attempt > 0 {
		d = min(d, s.o.MinBackoff<<attempt)
	}
	return d/2 + rand.N(d/2+1)
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// setAside writes records to the dead-letter file.
func (s *sender) setAside(ctx context.Context, b *batch, from, to int, reason, detail string) bool {
	s.letters = s.letters[:0]
	for i := from; i < to; i++ {
		r := b.records[i]
		s.letters = append(s.letters, DeadLetter{Reason: reason, Detail: detail, File: b.sections[b.sectionOf(i)].st.path,
			Offset: r.offset, Body: s.enc.text(b.buf[r.body : r.body+r.bodyLen])})
	}
	return s.bury(ctx, to-from, reason)
}

// bury writes s.letters and tries again until it succeeds: as long as they are not kept, the file's offset stays.
func (s *sender) bury(ctx context.Context, records int, reason string) bool {
	now := time.Now().UTC()
	for i := range s.letters {
		s.letters[i].Time = now
	}
	for attempt := 0; ; attempt++ {
		err := s.dead.write(s.letters)
		if err == nil {
			clear(s.letters)
			s.stats.refuse(reason, records)
			return true
		}
		s.stats.retried("dead_letter_file", fmt.Sprintf("%d refused records wait: %v", records, err))
		if !pause(ctx, s.backoff(attempt)) {
			return false
		}
	}
}
