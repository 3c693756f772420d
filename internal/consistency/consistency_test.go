package consistency_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/meridian-commerce/meridian/internal/consistency"
	"github.com/meridian-commerce/meridian/internal/fault"
)

var now = time.Unix(1_800_000_000, 0)

func encode(json string) string { return base64.RawURLEncoding.EncodeToString([]byte(json)) }

func TestParse(t *testing.T) {
	t.Parallel()
	const later, over = `"u":1800000060`, `"u":1800000000`
	many := make([]string, 9)
	for i := range many {
		many[i] = fmt.Sprintf(`"product/%d":1`, i)
	}
	for _, tt := range []struct {
		name, text string
		tea        int64 // the least version
		ok         bool
	}{
		{"none", "", 0, true},
		{"a mark", encode(`{` + later + `,"v":{"product/tea":7}}`), 7, true},
		{"of something else", encode(`{` + later + `,"v":{"product/coffee":7,"order/tea":8}}`), 0, true},
		{"of all of a kind", encode(`{` + later + `,"v":{"product/*":9223372036854775807}}`), consistency.Newest, true},
		{"its time is over", encode(`{` + over + `,"v":{"product/tea":7}}`), 0, true},
		{"a name with slashes", encode(`{` + later + `,"v":{"product/tea/green":7}}`), 0, true},
		{"a clock ahead", encode(`{"u":1800000240,"v":{"product/tea":7}}`), 7, true},
		{"longer than any is issued for", encode(`{"u":1800000241,"v":{"product/tea":7}}`), 0, false},
		{"no base64", "é", 0, false},
		{"padded", encode(`{`+later+`}`) + "=", 0, false},
		{"no JSON", encode("tea"), 0, false},
		{"no object", encode("7"), 0, false},
		{"no kind", encode(`{` + later + `,"v":{"/tea":7}}`), 0, false},
		{"no name", encode(`{` + later + `,"v":{"product/":7}}`), 0, false},
		{"neither", encode(`{` + later + `,"v":{"tea":7}}`), 0, false},
		{"a version before the first", encode(`{` + later + `,"v":{"product/tea":0}}`), 0, false},
		{"no whole number", encode(`{` + later + `,"v":{"product/tea":7.5}}`), 0, false},
		{"too large a number", encode(`{` + later + `,"v":{"product/tea":9223372036854775808}}`), 0, false},
		{"too many", encode(`{` + later + `,"v":{` + strings.Join(many, ",") + `}}`), 0, false},
		{"too long", encode(`{` + later + `,"v":{"product/` + strings.Repeat("x", 1024) + `":7}}`), 0, false},
	} {
		m, err := consistency.Parse(tt.text, now)
		if got := m.Least("product", "tea"); got != tt.tea {
			t.Errorf("%s: version %d of tea; want %d", tt.name, got, tt.tea)
		}
		if (err == nil) != tt.ok || !tt.ok && (!fault.Is(err, fault.Invalid) || fault.Reason(err) != "CONSISTENCY_TOKEN_INVALID") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestTokenEndsByItself(t *testing.T) {
	t.Parallel()
	token := consistency.Marks{}.With("product", "tea", 7).Token(now)
	for age, want := range map[time.Duration]int64{0: 7, consistency.Life - time.Second: 7, consistency.Life: 0, time.Hour: 0} {
		m, err := consistency.Parse(token, now.Add(age))
		if got := m.Least("product", "tea"); err != nil || got != want {
			t.Errorf("after %v: version %d, %v; want %d", age, got, err, want)
		}
	}
	if got := (consistency.Marks{}).Token(now); got != "" {
		t.Errorf("the token of no marks is %q", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(consistency.Marks{}.With("product", "tea", 7).Token(now))
	f.Add(encode(`{"u":1800000060,"v":{"product/*":1}}`))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := consistency.Parse(text, now)
		if err != nil {
			return
		}
		again, err := consistency.Parse(m.Token(now), now)
		if err != nil || again.Least("product", "tea") != m.Least("product", "tea") {
			t.Errorf("%q is read and written as %q: %v", text, m.Token(now), err)
		}
	})
}

// Whatever was written, however much, the token asks for at least that, is short, and is read again.
func TestTokensAskForWhatWasWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.StringMatching(`[a-zé/"]{1,200}`), 1, 30).Draw(t, "names")
		written := map[string]int64{}
		var m consistency.Marks
		for _, name := range names {
			version := rapid.Int64Range(1, 1000).Draw(t, "version")
			written[name] = max(written[name], version)
			m = m.With("product", name, version)
		}
		token := m.Token(now)
		read, err := consistency.Parse(token, now)
		if err != nil || len(token) > 1<<10 {
			t.Fatalf("a token of %d bytes: %v", len(token), err)
		}
		for name, version := range written {
			if got := read.Least("product", name); got < version {
				t.Fatalf("%q was written at %d, and %d will do", name, version, got)
			}
		}
		if got := read.Least("order", names[0]); got != 0 {
			t.Fatalf("nothing of that kind was written, and %d is asked for", got)
		}
	})
}

func TestSession(t *testing.T) {
	t.Parallel()
	consistency.Wrote(context.Background(), "product", "tea", 7) // outside of a session: nothing
	if got := consistency.Least(context.Background(), "product", "tea"); got != 0 {
		t.Errorf("outside of a session %d is asked for", got)
	}
	ctx, s := consistency.Begin(t.Context(), consistency.Marks{}.With("product", "tea", 7))
	if got := consistency.Least(ctx, "product", "tea"); got != 7 {
		t.Errorf("%d is asked for", got)
	}
	if _, changed := s.Next(); changed {
		t.Error("nothing was written")
	}
	var all sync.WaitGroup
	for version := range int64(5) {
		all.Go(func() { consistency.Wrote(ctx, "product", "coffee", version+1) })
	}
	all.Wait()
	consistency.Wrote(ctx, "product", "tea", 6)
	next, changed := s.Next()
	if !changed || next.Least("product", "tea") != 7 || next.Least("product", "coffee") != 5 {
		t.Errorf("the next request asks for tea at %d and coffee at %d", next.Least("product", "tea"), next.Least("product", "coffee"))
	}
	if got := consistency.Least(ctx, "product", "coffee"); got != 0 {
		t.Errorf("what is written changes what was asked for: %d", got)
	}
}
