package hostcore

import (
	"strings"
	"testing"
	"time"
)

func TestAStartWaitsForTheHostBeforeItToBeGone(t *testing.T) {
	dir := t.TempDir()
	before, err := lockState(dir)
	if err != nil {
		t.Fatal(err)
	}
	gone := time.AfterFunc(300*time.Millisecond, func() { _ = before.Close() })
	defer gone.Stop()
	after, err := lockState(dir)
	if err != nil {
		t.Fatalf("the host before it was just being ended: %v", err)
	}
	defer after.Close()
	began := time.Now()
	if _, err := lockState(dir); err == nil || !strings.Contains(err.Error(), "already uses the state folder") {
		t.Errorf("two hosts in one folder: %v", err)
	}
	if took := time.Since(began); took > 2*lockTime {
		t.Errorf("it was refused after %s", took)
	}
}
