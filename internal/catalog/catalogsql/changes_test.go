package catalogsql_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/meridian-commerce/meridian/internal/catalog"
	"github.com/meridian-commerce/meridian/regions"
)

// pending wants that a region has yet to be notified of just these changes.
func (s shop) pending(region regions.Name, want ...catalog.Change) []catalog.Change {
	s.t.Helper()
	got, err := s.Pending(s.t.Context(), region, 10)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(catalog.Change{}, "Since")); err != nil || diff != "" {
		s.t.Errorf("%s: %v\n%s", region, err, diff)
	}
	return got
}

func TestEveryRegionIsNotifiedOfAChange(t *testing.T) {
	t.Parallel()
	s := open(t)
	p, other := backpack(), simple("tea", "Food", true)
	s.put(p, other)
	for _, region := range regions.Default().Names() {
		s.pending(region) // what is new is in no cache
	}
	p.Variants[0].Prices[0].Minor = 1
	before := time.Now().Add(-time.Second)
	s.put(p, other)
	for _, region := range regions.Default().Names() {
		got := s.pending(region, catalog.Change{Handle: "backpack", Version: 2})
		if since := got[0].Since; since.Before(before) || time.Since(since) < 0 {
			t.Errorf("%s: the change was made at %s", region, since)
		}
	}
	other.Title = "Green tea"
	s.put(p, other)
	if err := s.Notified(t.Context(), "eu-west-1", s.pending("eu-west-1", catalog.Change{Handle: "backpack", Version: 2}, catalog.Change{Handle: "tea", Version: 2})); err != nil {
		t.Fatal(err)
	}
	s.pending("eu-west-1")
	s.pending("us-east-1", catalog.Change{Handle: "backpack", Version: 2}, catalog.Change{Handle: "tea", Version: 2})
	if got, err := s.Pending(t.Context(), "us-east-1", 1); err != nil || len(got) != 1 || got[0].Handle != "backpack" {
		t.Errorf("the oldest is %v, %v", got, err)
	}
}

// A product that changes again while a region is being notified of its last change stays to be notified of.
func TestChangedAgainMeanwhile(t *testing.T) {
	t.Parallel()
	s := open(t)
	p := simple("tea", "Food", true)
	s.put(p)
	p.Title = "Green tea"
	s.put(p)
	first := s.pending("eu-west-1", catalog.Change{Handle: "tea", Version: 2})
	p.Title = "White tea"
	s.put(p)
	if err := s.Notified(t.Context(), "eu-west-1", first); err != nil {
		t.Fatal(err)
	}
	second := s.pending("eu-west-1", catalog.Change{Handle: "tea", Version: 3})
	if !second[0].Since.Equal(first[0].Since) {
		t.Error("it waits since its last change, not since the first that the region was not notified of")
	}
	for range 2 {
		if err := s.Notified(t.Context(), "eu-west-1", second); err != nil {
			t.Error(err)
		}
	}
	s.pending("eu-west-1")
}

func TestRefusedPutTellsNobody(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.put(backpack(), simple("tea", "Food", true))
	changed, thief := simple("tea", "Drinks", true), simple("thief", "Food", true)
	thief.Variants[0].SKU = "bp-a"
	if _, err := s.Put(t.Context(), []catalog.Product{changed, thief}); err == nil {
		t.Error("a taken SKU was accepted")
	}
	s.pending("eu-west-1")
}

func TestAddViews(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, step := range []struct {
		region regions.Name
		batch  string
		views  map[string]int64
	}{
		{"eu-west-1", "one", map[string]int64{"tea": 3, "pot": 1}},
		{"eu-west-1", "one", map[string]int64{"tea": 3, "pot": 1}}, // the answer was lost
		{"eu-west-1", "two", map[string]int64{"tea": 2}},
		{"eu-west-1", "two", map[string]int64{"tea": 2}},
		{"us-east-1", "one", map[string]int64{"tea": 40}},
		{"eu-west-1", "none", nil},
	} {
		if err := s.AddViews(t.Context(), step.region, step.batch, step.views); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]int64{}
	for _, handle := range []string{"tea", "pot"} {
		var n int64
		if err := s.db.QueryRow(t.Context(), `SELECT views FROM product_views WHERE home_region = 'eu-west-1' AND handle = $1`, handle).Scan(&n); err != nil {
			t.Fatal(err)
		}
		got[handle] = n
	}
	if diff := cmp.Diff(map[string]int64{"tea": 5, "pot": 1}, got); diff != "" {
		t.Error(diff)
	}
}

func TestPopular(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.put(simple("tea", "Food", true), simple("pot", "Kitchen > Pots", true), simple("cup", "Kitchen", true), simple("old", "Kitchen", false))
	if err := s.AddViews(t.Context(), "eu-west-1", "one", map[string]int64{"tea": 3, "pot": 3, "cup": 8, "old": 9, "gone": 9}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		region   regions.Name
		category string
		after    *catalog.Rank
		limit    int
		want     []catalog.Rank
	}{
		{"eu-west-1", "", nil, 9, []catalog.Rank{{Views: 8, Handle: "cup"}, {Views: 3, Handle: "tea"}, {Views: 3, Handle: "pot"}}},
		{"eu-west-1", "", nil, 2, []catalog.Rank{{Views: 8, Handle: "cup"}, {Views: 3, Handle: "tea"}}},
		{"eu-west-1", "", &catalog.Rank{Views: 3, Handle: "tea"}, 2, []catalog.Rank{{Views: 3, Handle: "pot"}}},
		{"eu-west-1", "Kitchen", nil, 9, []catalog.Rank{{Views: 8, Handle: "cup"}, {Views: 3, Handle: "pot"}}},
		{"us-east-1", "", nil, 9, nil},
	} {
		products, ranks, err := s.Popular(t.Context(), c.region, c.category, c.after, c.limit)
		if diff := cmp.Diff(c.want, ranks); err != nil || diff != "" {
			t.Errorf("%+v: %v\n%s", c, err, diff)
		}
		for i, p := range products {
			if p.Handle != ranks[i].Handle {
				t.Errorf("%+v: place %d has %s", c, i, p.Handle)
			}
		}
	}
}
