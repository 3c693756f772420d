package sqldb

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestFloor: looks begin where the last empty one ended, but for what may still be committed, and once a minute at the beginning.
func TestFloor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f Floor
		f.Empty("eu-west-1", time.Now()) // before any look
		full, empty := 0, time.Time{}
		for range 300 {
			from := f.From("eu-west-1")
			switch {
			case from.IsZero():
				full++
			case !from.Equal(empty.Add(-margin)):
				t.Fatalf("a look begins at %v, the last one found nothing at %v", from, empty)
			}
			empty = time.Now()
			f.Empty("eu-west-1", empty)
			time.Sleep(time.Second)
		}
		if full != 5 {
			t.Errorf("%d full looks in five minutes", full)
		}
		if !f.From("us-east-1").IsZero() {
			t.Error("another region has its own")
		}
	})
}
