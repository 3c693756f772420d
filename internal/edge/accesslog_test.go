package edge

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"
)

// lines collects what is logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// codes returns how many requests have a line, by code; what was slow, on a busy machine, is of the code "slow".
func (l *lines) codes(t *testing.T) map[string]int {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	out, d := map[string]int{}, json.NewDecoder(bytes.NewReader(l.text.Bytes()))
	for d.More() {
		var line struct {
			Msg, Code string
			Took      time.Duration
		}
		if err := d.Decode(&line); err != nil {
			t.Fatal(err)
		}
		if line.Code == "200" && line.Took > slow {
			line.Code = "slow"
		}
		if line.Msg == "request" {
			out[line.Code]++
		}
	}
	return out
}

// TestAccessLog: of the requests that go well, and are not slow, about as many as configured have a line, of the others
// all.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	const sent = 200
	for percent, want := range map[uint64][2]int{0: {0, 0}, 50: {60, 140}, 100: {sent, sent}} {
		s, log := newSite(t), &lines{}
		s.edge.log, s.edge.logPercent = slog.New(slog.NewJSONHandler(log, nil)), percent
		s.add(t, eu, "a", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == setItem {
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
		for range sent {
			s.send(t, http.MethodPost, product, "{}")
		}
		for range 3 {
			s.send(t, http.MethodPost, setItem, "{}", "Authorization", "Bearer home:eu-west-1")
		}
		eventually(t, "every failure and enough of the others have a line", func() bool {
			got := log.codes(t)
			return got["500"] == 3 && got["200"]+got["slow"] >= want[0]
		})
		if got := log.codes(t)["200"]; got > want[1] {
			t.Errorf("%d percent: %d of %d have a line, want %d at most", percent, got, sent, want[1])
		}
	}
}
