package rpc_test

import (
	"encoding/base64"
	"math"
	"net/url"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	moneyv1 "github.com/meridian-commerce/meridian/api/gen/meridian/money/v1"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/rpc"
)

type cursor struct {
	At     time.Time `json:"t"`
	ID     string    `json:"i"`
	Offset int       `json:"o"`
}

func TestPageSize(t *testing.T) {
	t.Parallel()
	for requested, want := range map[int32]int{0: 20, 1: 1, 20: 20, 100: 100} {
		if got, err := rpc.PageSize(requested); err != nil || got != want {
			t.Errorf("PageSize(%d) = %d, %v, want %d", requested, got, err, want)
		}
	}
	for _, requested := range []int32{-1, 101, math.MinInt32, math.MaxInt32} {
		if got, err := rpc.PageSize(requested); fault.Reason(err) != "PAGE_SIZE_INVALID" || !fault.Is(err, fault.Invalid) {
			t.Errorf("PageSize(%d) = %d, %v", requested, got, err)
		}
	}
}

func TestPageTokenIsReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := cursor{
			At: time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "micros")).UTC(), ID: rapid.String().Draw(t, "id"),
			Offset: rapid.Int().Draw(t, "offset"),
		}
		token := rpc.PageToken(want)
		if token == "" || url.QueryEscape(token) != token {
			t.Fatalf("%q does not fit a URL", token)
		}
		var got cursor
		if err := rpc.ReadPageToken(token, &got); err != nil || got != want {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestPageTokenRefuses(t *testing.T) {
	t.Parallel()
	start := cursor{ID: "start"}
	at := start
	if err := rpc.ReadPageToken("", &at); err != nil || at != start {
		t.Errorf("no token moved the start to %+v (%v)", at, err)
	}
	of, err := base64.RawURLEncoding.DecodeString(rpc.PageToken(cursor{}))
	if err != nil {
		t.Fatal(err)
	}
	encoded := func(s string) string { return base64.RawURLEncoding.EncodeToString(append(of[:6:6], s...)) }
	if err := rpc.ReadPageToken(encoded(`{"i":"x"}`), &at); err != nil || at.ID != "x" {
		t.Fatalf("the pattern of all of them is %+v, %v", at, err)
	}
	for name, token := range map[string]string{
		"of no list":        base64.RawURLEncoding.EncodeToString([]byte(`{"i":"x"}`)),
		"no base64":         "%%%",
		"padded":            base64.URLEncoding.EncodeToString([]byte(`{"i":"x"}`)) + "=",
		"no JSON":           encoded("hello"),
		"another type":      encoded(`{"o":"seven"}`),
		"a list":            encoded(`[1]`),
		"more than one":     encoded(`{"i":"x"}{"i":"y"}`),
		"number too large":  encoded(`{"o":1e99}`),
		"impossible moment": encoded(`{"t":"2026-13-41T00:00:00Z"}`),
	} {
		var at cursor
		if err := rpc.ReadPageToken(token, &at); fault.Reason(err) != "PAGE_TOKEN_INVALID" || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPageTokensAreOfTheirList: a token counts for the list that it was written for.
func TestPageTokensAreOfTheirList(t *testing.T) {
	t.Parallel()
	for _, written := range [][]string{nil, {"a"}, {"a", "b"}, {"ab"}, {"", "ab"}, {`a" "b`}} {
		for _, read := range [][]string{nil, {"a"}, {"a", "b"}, {"ab"}, {"", "ab"}, {`a" "b`}} {
			var at cursor
			err := rpc.ReadPageToken(rpc.PageToken(cursor{ID: "x"}, written...), &at, read...)
			if same := slices.Equal(written, read); same != (err == nil) || !same && at != (cursor{}) {
				t.Errorf("written for %q, read for %q: %+v, %v", written, read, at, err)
			}
		}
	}
}

// Whatever a caller sends is read or refused as the caller's fault.
func FuzzReadPageToken(f *testing.F) {
	f.Add(rpc.PageToken(cursor{ID: "x", Offset: 3}))
	f.Add("e30")
	f.Add("====")
	f.Fuzz(func(t *testing.T, token string) {
		var at cursor
		if err := rpc.ReadPageToken(token, &at); err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("%q: %v", token, err)
			}
			return
		}
		var again cursor
		if err := rpc.ReadPageToken(rpc.PageToken(at), &again); err != nil || !again.At.Equal(at.At) || again.ID != at.ID || again.Offset != at.Offset {
			t.Fatalf("%q is %+v and then %+v (%v)", token, at, again, err)
		}
	})
}

func TestMoney(t *testing.T) {
	t.Parallel()
	want := money.Money{Minor: -12999, Currency: "USD"}
	if got, err := rpc.ReadMoney(rpc.Money(want)); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := rpc.ReadMoney(nil); err != nil || got != (money.Money{}) {
		t.Errorf("no message is %+v, %v", got, err)
	}
	for _, m := range []*moneyv1.Money{{}, {MinorUnits: 5}, {MinorUnits: 5, Currency: "EURO"}} {
		if got, err := rpc.ReadMoney(m); fault.Reason(err) != "CURRENCY_UNKNOWN" || !fault.Is(err, fault.Invalid) {
			t.Errorf("%v is %+v, %v", m, got, err)
		}
	}
}
