package promotionsql_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/promotion"
	"github.com/meridian-commerce/meridian/internal/promotion/promotionsql"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
)

func TestMain(m *testing.M) { sqltest.Main(m, ".") }

// shop is a store on a database of its own.
type shop struct {
	*promotionsql.Store
	t  testing.TB
	db *sqldb.DB
}

func open(t testing.TB) shop {
	t.Helper()
	db := sqltest.Open(t, nil)
	return shop{promotionsql.New(db), t, db}
}

func (s shop) put(all ...promotion.Promotion) {
	s.t.Helper()
	for _, p := range all {
		if err := p.Validate(); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := s.Put(s.t.Context(), all); err != nil {
		s.t.Fatal(err)
	}
}

func percent(id, code string) promotion.Promotion {
	return promotion.Promotion{ID: id, Name: id, Code: code, BasisPoints: 1000, Enabled: true}
}

// full has everything that a promotion can have.
func full() promotion.Promotion {
	return promotion.Promotion{
		ID: "full", Name: "Everything “here”", Code: "FULL", Priority: -3,
		Amounts: []money.Money{{Minor: 500, Currency: "EUR"}, {Minor: 600, Currency: "JPY"}}, Minimum: []money.Money{{Minor: 1, Currency: "EUR"}},
		Variants: []string{`A "ü" \`, "B"}, Tags: []string{"tea, green", "{x}"},
		From: time.Date(2001, 3, 1, 12, 0, 0, 1000, time.UTC), Until: time.Date(2999, 3, 1, 12, 0, 0, 0, time.UTC), Enabled: true,
	}
}

func TestPutIsReadBack(t *testing.T) {
	t.Parallel()
	s := open(t)
	list := func(want ...promotion.Promotion) {
		t.Helper()
		got, at, err := s.List(t.Context())
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || at.IsZero() || diff != "" {
			t.Errorf("at %v: %v\n%s", at, err, diff)
		}
	}
	list()
	s.put(percent("plain", ""), full())
	list(full(), percent("plain", ""))
	s.put(full())
	replaced := percent("full", "") // as a whole: what is not said is not kept
	s.put(replaced)
	list(replaced, percent("plain", ""))
	for range 2 {
		if err := s.Disable(t.Context(), "plain"); err != nil {
			t.Fatal(err)
		}
	}
	disabled := percent("plain", "")
	disabled.Enabled = false
	list(replaced, disabled)
	if err := s.Disable(t.Context(), "gone"); fault.Reason(err) != "PROMOTION_NOT_FOUND" || !fault.Is(err, fault.NotFound) {
		t.Errorf("disabling what is not there: %v", err)
	}
}

// What a cart may be priced by, read by itself and within a transaction.
func TestCandidates(t *testing.T) {
	t.Parallel()
	s := open(t)
	over, next, off := percent("over", ""), percent("next", ""), percent("off", "")
	over.Until, next.From, off.Enabled = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2998, 1, 1, 0, 0, 0, 0, time.UTC), false
	overToo := percent("over-too", "OVER")
	overToo.Until = over.Until
	s.put(percent("b", ""), percent("a", ""), percent("c", "CCC"), percent("d", "DDD"), over, next, off, overToo)
	for name, c := range map[string]struct {
		codes []string
		want  []string
	}{
		"no code":  {nil, []string{"a", "b", "next"}},
		"its code": {[]string{"CCC", "OVER", "ZZZ"}, []string{"a", "b", "c", "next"}},
		"both":     {[]string{"CCC", "DDD"}, []string{"a", "b", "c", "d", "next"}},
	} {
		got, at, err := s.Candidates(t.Context(), c.codes)
		if ids := idsOf(got); err != nil || at.IsZero() || !slices.Equal(ids, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, ids, err, c.want)
		}
		var within []promotion.Promotion
		err = s.db.InTx(t.Context(), func(tx sqldb.Tx) error {
			batch := &sqldb.Batch{}
			promotionsql.QueueCandidates(batch, c.codes, &within)
			return tx.Send(t.Context(), batch)
		})
		if diff := cmp.Diff(got, within); err != nil || diff != "" {
			t.Errorf("%s, within a transaction: %v\n%s", name, err, diff)
		}
	}
}

func idsOf(all []promotion.Promotion) []string {
	var out []string
	for _, p := range all {
		out = append(out, p.ID)
	}
	return out
}

func TestCoded(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.put(full(), percent("plain", ""))
	got, at, err := s.Coded(t.Context(), "FULL")
	if diff := cmp.Diff(full(), got); err != nil || at.IsZero() || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, code := range []string{"full", "NONE", ""} {
		if _, _, err := s.Coded(t.Context(), code); fault.Reason(err) != "PROMOTION_CODE_UNKNOWN" {
			t.Errorf("%q: %v", code, err)
		}
	}
}

// A code is one promotion's, and there are not so many automatic ones that carts become slow. What is refused changes nothing.
func TestPutRefuses(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.put(percent("a", "AAA"), percent("b", "BBB"))
	var many []promotion.Promotion
	for i := range promotion.MaxAutomatic + 1 {
		many = append(many, percent(fmt.Sprint("m", i), ""))
	}
	for name, c := range map[string]struct {
		all    []promotion.Promotion
		kind   fault.Kind
		reason string
	}{
		"another's code": {[]promotion.Promotion{percent("n", ""), percent("c", "AAA")}, fault.Exists, "PROMOTION_CODE_TAKEN"},
		"one too many":   {many, fault.FailedPrecondition, "PROMOTIONS_TOO_MANY"},
	} {
		if err := s.Put(t.Context(), c.all); fault.Reason(err) != c.reason || !fault.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
		if all, _, err := s.List(t.Context()); err != nil || !slices.Equal(idsOf(all), []string{"a", "b"}) {
			t.Errorf("%s: left are %v, %v", name, idsOf(all), err)
		}
	}
	many[0].Enabled = false
	s.put(many...)
	s.put(percent("a", "AAA2"))
	s.put(percent("c", "AAA"), percent("a", "AAA2"))
}
