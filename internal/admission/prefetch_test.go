package admission

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// deadlines records the read deadlines that are set.
type deadlines struct {
	http.ResponseWriter
	last time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.last = t
	return nil
}

// TestPrefetchLeavesTheRestItsDeadline: a body that is here is under no deadline any more, and what is left of a longer one
// is under the same: who sends slowly has one time, not one for each part.
func TestPrefetchLeavesTheRestItsDeadline(t *testing.T) {
	t.Parallel()
	for size, limited := range map[int]bool{10: false, prefetchMost - 1: false, prefetchMost + 1: true, 2 * prefetchMost: true} {
		w := &deadlines{ResponseWriter: httptest.NewRecorder()}
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", size)))
		prefetch(w, r, 0)
		if w.last.IsZero() == limited {
			t.Errorf("%d bytes: the deadline is %v", size, w.last)
		}
		if got, err := io.ReadAll(r.Body); err != nil || len(got) != size {
			t.Errorf("%d bytes: read %d, %v", size, len(got), err)
		}
	}
}

// TestPrefetchOfWhatIsTooLong leaves the body to be refused unread, so that nobody is told to send it.
func TestPrefetchOfWhatIsTooLong(t *testing.T) {
	t.Parallel()
	for size, read := range map[int]bool{100: true, 101: false} {
		text := strings.NewReader(strings.Repeat("x", size))
		r := httptest.NewRequest(http.MethodPost, "/", text)
		prefetch(httptest.NewRecorder(), r, 100)
		if (text.Len() == 0) != read {
			t.Errorf("%d bytes: %d are not read", size, text.Len())
		}
	}
}
