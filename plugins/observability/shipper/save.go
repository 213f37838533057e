package shipper

import "time"

// checkpointEvery is the interval in force: with many files, writing the checkpoint must not become the main work.
func (s *Shipper) checkpointEvery(files int) time.Duration {
	return max(s.o.CheckpointInterval, time.Duration(files)*100*time.Microsecond)
}

// saveLoop writes checkpoints while something changes.
func (s *Shipper) saveLoop(stop <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case <-timer.C:
		}
		began := time.Now()
		files := s.save(false)
		timer.Reset(max(time.Millisecond, s.checkpointEvery(files)-time.Since(began)))
	}
}

// save writes a checkpoint if anything changed since the last one, and returns the number of paths.
func (s *Shipper) save(force bool) int {
	t := s.tail
	t.commits.mu.Lock()
	version := t.commits.version
	t.commits.mu.Unlock()
	s.mu.Lock()
	idle := version == s.saved && s.saveErr == nil && !force
	s.mu.Unlock()
	t.mu.Lock()
	files := len(t.sources)
	t.mu.Unlock()
	if idle {
		return files
	}
	now := time.Now()
	var lines uint64
	s.entries, version, lines = t.snapshot(now, s.entries[:0])
	err := s.slots.save(s.entries, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.saveErr == nil && err != nil {
		s.o.Logger.Warn("log shipping: checkpoint was not written; shipping goes on, more lines would repeat after a crash", "error", err)
	}
	if s.saveErr = err; err != nil {
		s.saveFails++
		return files
	}
	s.saves++
	s.saved, s.savedLines, s.savedAt = version, lines, now
	return files
}
