package plaintext_test

import (
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/plaintext"
)

func TestDeceives(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"Ada Lovelace": false, "نهى\u200f": false, "nhẫn-1 ™": false, "a\nb": true, "a\u0085b": true, "a\u2028b": true, "a\u202eb": true, "a\u2067b": true, "\x00": true,
	} {
		if got := strings.ContainsFunc(text, plaintext.Deceives); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
