package id_test

import (
	"encoding/base32"
	"errors"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	random   = "0123456789abcdefghjkmnpqrs" // a good random part
)

func TestNewIsReadBack(t *testing.T) {
	t.Parallel()
	set := regions.Default()
	seen := map[string]bool{}
	for _, region := range set.All() {
		for _, kind := range []id.Kind{id.User, id.Order, id.Payment, id.Event, id.Entry} {
			for range 20 {
				s := id.New(kind, region.Code)
				if seen[s] {
					t.Fatalf("%s was made twice", s)
				}
				seen[s] = true
				if k, code, err := id.Parse(s); err != nil || k != kind || code != region.Code {
					t.Errorf("Parse(%s) = %s, %s, %v", s, k, code, err)
				}
				if home, err := id.Home(set, kind, s); err != nil || home != region.Name {
					t.Errorf("Home(%s) = %s, %v, want %s", s, home, err, region.Name)
				}
			}
		}
	}
}

func TestOfKeepsHomeAndRandomPart(t *testing.T) {
	t.Parallel()
	order := id.New(id.Order, "eu1")
	payment := id.Of(id.Payment, order)
	if home, err := id.Home(regions.Default(), id.Payment, payment); err != nil || home != "eu-west-1" {
		t.Errorf("%s: %s, %v", payment, home, err)
	}
	if back := id.Of(id.Order, payment); back != order || payment == order {
		t.Errorf("%s became %s and %s", order, payment, back)
	}
}

func TestNewHoldsAVersion4UUID(t *testing.T) {
	t.Parallel()
	for range 100 {
		s := id.New(id.Order, "eu1")
		_, text, _ := strings.Cut(strings.TrimPrefix(s, "ord_"), "_")
		b, err := base32.NewEncoding(alphabet).WithPadding(base32.NoPadding).DecodeString(text)
		if err != nil || len(b) != 16 || b[6]>>4 != 4 || b[8]>>6 != 0b10 {
			t.Fatalf("%s holds % x (%v), want a UUID of version 4 and variant 10", s, b, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]string{
		"empty":               "",
		"one part":            "ord",
		"two parts":           "ord_eu1",
		"no random part":      "ord_eu1_",
		"short random part":   "ord_eu1_" + random[1:],
		"long random part":    "ord_eu1_" + random + "0",
		"long kind":           "order_eu1_" + random,
		"empty kind":          "_eu1_" + random,
		"short code":          "ord_eu_" + random,
		"long code":           "ord_europe1_" + random,
		"upper case":          "ORD_EU1_" + random,
		"upper case random":   "ord_eu1_" + strings.ToUpper(random),
		"letter outside":      "ord_eu1_" + random[:25] + "u",
		"line breaks":         "ord_eu1_" + random[:24] + "\n\n",
		"carriage returns":    "ord_eu1_\r\r" + random[:24],
		"NUL":                 "ord_eu1_" + random[:25] + "\x00",
		"another kind's dash": "ord-eu1-" + random,
		"a fourth part":       "ord_eu1_" + random[:22] + "_abc",
		"quote in the kind":   "o'd_eu1_" + random,
		"space around":        " ord_eu1_" + random,
	} {
		if kind, code, err := id.Parse(s); !errors.Is(err, id.ErrMalformed) || kind != "" || code != "" {
			t.Errorf("%s: Parse(%q) = %q, %q, %v, want ErrMalformed", name, s, kind, code, err)
		}
	}
	if _, _, err := id.Parse(strings.Repeat("x", 1<<20)); err == nil || len(err.Error()) > 200 {
		t.Errorf("a megabyte of input makes an error of %d bytes", len(err.Error()))
	}
}

func TestHomeRefuses(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]string{
		"no id":          "eu-west-1",
		"another kind":   "usr_eu1_" + random,
		"unknown region": "ord_mars1_" + random,
	} {
		if home, err := id.Home(regions.Default(), id.Order, s); !errors.Is(err, id.ErrMalformed) || home != "" {
			t.Errorf("%s: Home(%q) = %q, %v, want ErrMalformed", name, s, home, err)
		}
	}
}

// What Parse accepts is what New could have written: its parts and nothing else.
func FuzzParse(f *testing.F) {
	f.Add("ord_eu1_" + random)
	f.Add("usr_us1_" + random[:24] + "\n\n")
	f.Add("ord_eu1")
	f.Add("___")
	f.Fuzz(func(t *testing.T, s string) {
		kind, code, err := id.Parse(s)
		if err != nil {
			if !errors.Is(err, id.ErrMalformed) || kind != "" || code != "" {
				t.Fatalf("Parse(%q) = %q, %q, %v", s, kind, code, err)
			}
			return
		}
		rest, ok := strings.CutPrefix(s, string(kind)+"_"+string(code)+"_")
		if !ok || len(rest) != 26 || strings.Trim(rest, alphabet) != "" {
			t.Fatalf("Parse accepted %q as %q of %q", s, kind, code)
		}
	})
}
