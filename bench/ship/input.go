package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// writeInput writes the numbered lines, spread over the files, and leaves them in the page cache.
func writeInput(dir string, c config) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	words := strings.Repeat("request handled by the shop backend with a result that the user liked very much indeed ", 1+c.size/80)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	n := 0
	for f := range c.files {
		file, err := os.Create(filepath.Join(dir, fmt.Sprintf("app-%05d.log", f)))
		if err != nil {
			return err
		}
		w := bufio.NewWriterSize(file, 1<<18)
		line := make([]byte, 0, c.size+64)
		for last := c.lines * (f + 1) / c.files; n < last; n++ {
			line = at.Add(time.Duration(n)*time.Millisecond).AppendFormat(line[:0], "2006-01-02T15:04:05.000Z")
			line = fmt.Appendf(line, " INFO n=%09d user=%d ", n, n*7919%10007)
			if fill := c.size - 1 - len(line); fill > 0 {
				line = append(line, words[n%40:n%40+fill]...)
			}
			if _, err := w.Write(append(line, '\n')); err != nil {
				return err
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	return nil
}
