package webtoken

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestGuessesSideBySideAreNoFasterThanOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		token, began := New("canary"), time.Now()
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if err := token.Check(t.Context(), "wrong"); !errors.Is(err, ErrWrong) {
					t.Errorf("a wrong one: %v", err)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took != 10*pause {
			t.Errorf("ten guesses took %s", took)
		}
		if err := token.Check(t.Context(), "canary"); err != nil || time.Since(began) != 10*pause {
			t.Errorf("the right one after them: %v, %s", err, time.Since(began))
		}
	})
}

func TestWhoGuessesAndGoesIsNoFaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		token, began := New("canary"), time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = token.Check(ctx, "wrong") }()
		synctest.Wait()
		cancel()
		if err := token.Check(t.Context(), "canary"); err != nil || time.Since(began) != pause {
			t.Errorf("the next one: %v after %s", err, time.Since(began))
		}
	})
}

func TestWhoGoesWhileWaitingIsNotLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		token := New("canary")
		go func() { _ = token.Check(context.Background(), "wrong") }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), pause/5)
		defer cancel()
		if err := token.Check(ctx, "canary"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it got %v", err)
		}
		time.Sleep(pause)
	})
}

func TestALineThatIsTooLongIsSentAwayAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		token := New("canary")
		for range maxLine {
			go func() { _ = token.Check(context.Background(), "wrong") }()
		}
		synctest.Wait()
		began := time.Now()
		for _, given := range []string{"wrong", "canary"} { // an answer to the right one would tell it apart
			if err := token.Check(t.Context(), given); !errors.Is(err, ErrBusy) || time.Since(began) != 0 {
				t.Errorf("%q: %v after %s", given, err, time.Since(began))
			}
		}
		time.Sleep(maxLine * pause)
		synctest.Wait()
		if err := token.Check(t.Context(), "canary"); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestWithoutATokenNothingIsRight(t *testing.T) {
	for _, given := range []string{"", "x"} {
		if err := New("").Check(t.Context(), given); !errors.Is(err, ErrWrong) {
			t.Errorf("%q: %v", given, err)
		}
	}
}
