package leasesql_test

import (
	"sync"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/lease"
	"github.com/meridian-commerce/meridian/internal/lease/leasesql"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest/localitylint"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMain(m *testing.M) { sqltest.Main(m, ".") }

const home regions.Name = "ap-southeast-1"

func TestStore(t *testing.T) {
	t.Parallel()
	recorder := &localitylint.Recorder{}
	db := sqltest.Open(t, recorder)
	s := leasesql.New(db, "background")
	ctx := t.Context()
	read := func() lease.Record {
		t.Helper()
		r, err := s.Read(ctx, home)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	want := func(name string, got bool, err error, want bool) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	never := read()
	if never != (lease.Record{}) {
		t.Errorf("a lease that nobody held: %+v", never)
	}
	ok, err := s.Claim(ctx, home, never, "a", time.Minute)
	want("first claim", ok, err, true)
	ok, err = s.Claim(ctx, home, never, "b", time.Minute)
	want("claim of what is not there any more", ok, err, false)
	held := read()
	if held.Holder != "a" || held.ExpiresIn < 50*time.Second || held.ExpiresIn > time.Minute {
		t.Errorf("held: %+v", held)
	}
	ok, err = s.Renew(ctx, home, "b", time.Minute)
	want("renewal by another one", ok, err, false)
	ok, err = s.Renew(ctx, home, "a", 2*time.Minute)
	want("renewal", ok, err, true)
	ok, err = s.Claim(ctx, home, held, "b", time.Minute)
	want("claim of what was renewed", ok, err, false)
	if err := s.Release(ctx, home, "b"); err != nil || read().ExpiresIn < time.Minute {
		t.Errorf("release by another one: %v", err)
	}
	if err := s.Release(ctx, home, "a"); err != nil || read().ExpiresIn > 0 {
		t.Errorf("release: %v", err)
	}
	ok, err = s.Claim(ctx, home, read(), "b", time.Minute)
	want("claim of what was released", ok, err, true)

	sqltest.Lint(t, db, recorder)
	if n := len(recorder.Statements()); n < 4 {
		t.Errorf("only %d statements were linted", n)
	}
}

func TestOneOfManyWins(t *testing.T) {
	t.Parallel()
	s := leasesql.New(sqltest.Open(t, nil), "background")
	seen, err := s.Read(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 5 {
		wins := make(chan bool, 8)
		var wg sync.WaitGroup
		for i := range cap(wins) {
			wg.Go(func() {
				won, err := s.Claim(t.Context(), home, seen, string(rune('a'+i)), time.Minute)
				if err != nil {
					t.Error(err)
				}
				wins <- won
			})
		}
		wg.Wait()
		close(wins)
		n := 0
		for won := range wins {
			if won {
				n++
			}
		}
		if n != 1 {
			t.Fatalf("round %d: %d winners", round, n)
		}
		if seen, err = s.Read(t.Context(), home); err != nil {
			t.Fatal(err)
		}
	}
}
