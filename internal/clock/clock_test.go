package clock_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
)

func TestSystem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := clock.System()
		first := now()
		// Equal by == is what rows give back: UTC, and no reading of the monotonic clock.
		if first != time.Now().UTC().Round(0) || first.Location() != time.UTC {
			t.Errorf("the clock shows %s, want %s", first, time.Now().UTC())
		}
		time.Sleep(time.Hour)
		if got := now().Sub(first); got != time.Hour {
			t.Errorf("after an hour the clock went on by %s", got)
		}
	})
}

func TestSleepEndsWithTheContext(t *testing.T) {
	t.Parallel()
	if err := clock.Sleep(t.Context(), time.Microsecond); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	if err := clock.Sleep(ctx, time.Hour); !errors.Is(err, cause) {
		t.Errorf("got %v, want the cause", err)
	}
}
