package bridge

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestSeatsAreTakenForAllLimitsOrNone(t *testing.T) {
	s := NewSeats()
	plugin, activity := Limit{Key: "plugin", Max: 2}, Limit{Key: "activity", Max: 1}
	both := []Limit{plugin, activity}
	if ok, _ := s.tryTake(both); !ok {
		t.Fatal("no seat in an empty plugin")
	}
	if ok, _ := s.tryTake(both); ok {
		t.Error("the activity ran twice")
	}
	if ok, _ := s.tryTake([]Limit{plugin}); !ok {
		t.Error("the refused attempt kept the plugin's seat")
	}
	if ok, _ := s.room([]Limit{plugin}, 0); ok {
		t.Error("there is room in a full plugin")
	}
	s.free(both)
	if ok, _ := s.room([]Limit{plugin}, 0); !ok {
		t.Error("there is no room though a seat is free")
	}
	if ok, _ := s.room([]Limit{plugin}, 1); ok {
		t.Error("a task that is on its way was not counted")
	}
}

func TestAWaitForASeatEndsWhenOneIsFreeOrTheAttemptIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSeats()
		one := []Limit{{Key: "plugin", Max: 1}}
		if err := s.take(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.take(ctx, one); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("want the wait to end with the context, got %v", err)
		}
		time.AfterFunc(time.Hour, func() { s.free(one) })
		if err := s.take(t.Context(), one); err != nil {
			t.Error(err)
		}
	})
}

func TestAFloodOfLogRecordsIsCutAndCounted(t *testing.T) {
	var b logBucket
	now := time.Unix(0, 0)
	written := 0
	for range 10 * logBurst {
		if ok, _ := b.take(now); ok {
			written++
		}
	}
	if written != logBurst {
		t.Errorf("%d records were written at once, want %d", written, logBurst)
	}
	ok, dropped := b.take(now.Add(time.Second))
	if !ok || dropped != 9*logBurst {
		t.Errorf("a second later: written %v, told of %d dropped records, want %d", ok, dropped, 9*logBurst)
	}
}
