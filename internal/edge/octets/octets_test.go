package octets_test

import (
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/edge/octets"
)

// TestLineEnd has every byte stand at every place.
func TestLineEnd(t *testing.T) {
	t.Parallel()
	for length := range 20 {
		for from := range length + 1 {
			if got := octets.LineEnd(strings.Repeat("a", length), from); got != length {
				t.Fatalf("from %d of %d: %d", from, length, got)
			}
			for at := from; at < length; at++ {
				for c := range 256 {
					b := []byte(strings.Repeat("~", length))
					b[at] = byte(c)
					want := length
					if c < ' ' && c != '\t' || c >= 0x7f {
						want = at
					}
					if got, same := octets.LineEnd(b, from), octets.LineEnd(string(b), from); got != want || same != want {
						t.Fatalf("from %d of %q: %d, %d, want %d", from, b, got, same, want)
					}
				}
			}
		}
	}
}

func FuzzLineEnd(f *testing.F) {
	f.Add([]byte("a\tvalue \x7f of some length \x80"))
	f.Fuzz(func(t *testing.T, b []byte) {
		want := 0
		for want < len(b) && (b[want] >= ' ' && b[want] < 0x7f || b[want] == '\t') {
			want++
		}
		if got := octets.LineEnd(b, 0); got != want {
			t.Errorf("%q: %d, want %d", b, got, want)
		}
	})
}

func BenchmarkLineEnd(b *testing.B) {
	text := strings.Repeat("x", 300)
	for b.Loop() {
		octets.LineEnd(text, 0)
	}
}
