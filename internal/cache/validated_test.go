package cache

import (
	"context"
	"errors"
	"testing"
	"time"
)

// validate fetches a product that the database has at a version, and reports whether its content was read.
func validate(ctx context.Context, c *Cache, version uint64) (p product, s Status, read bool, err error) {
	p, s, err = FetchValidated(ctx, c, "cart", Life{Fresh: time.Minute}, productCodec(), func(_ context.Context, known *product) (product, error) {
		if known != nil && known.Version == version {
			return *known, nil
		}
		read = true
		return product{"a", version}, nil
	})
	return p, s, read, err
}

func TestFetchValidated(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	here, there := s.cache(t), s.cache(t)
	write := func(c *Cache, version uint64) bool {
		return Write(t.Context(), c, "cart", Life{Fresh: time.Minute}, productCodec(), product{"a", version})
	}
	for i, step := range []struct {
		before  func()
		version uint64 // what the database has
		outcome Outcome
		stored  bool
	}{
		{func() {}, 1, Miss, true},
		{func() {}, 1, Validated, false},
		{func() {}, 2, Miss, true}, // written by who told nobody
		{func() { write(there, 3) }, 3, Validated, false},
		{func() { write(there, 2) }, 3, Validated, false},                     // a late write-through of an older version
		{func() { write(there, 9) }, 3, Miss, false},                          // Redis knows more than the database says: the database is right
		{func() { s.Client.Set(t.Context(), "cart", "x", 0) }, 3, Miss, true}, // not readable
	} {
		step.before()
		p, status, read, err := validate(t.Context(), here, step.version)
		if err != nil || p.Version != step.version || status != (Status{Outcome: step.outcome, Stored: step.stored}) || read != (step.outcome != Validated) {
			t.Errorf("step %d: %+v %+v %v, read: %t", i, p, status, err, read)
		}
	}
	if hits := fetches(here, Validated); hits != 3 {
		t.Errorf("counted %d validated fetches", hits)
	}
	errDown := errors.New("down")
	if _, _, err := FetchValidated(t.Context(), here, "cart", Life{}, productCodec(), func(context.Context, *product) (product, error) {
		return product{}, errDown
	}); !errors.Is(err, errDown) {
		t.Errorf("err = %v: what is not confirmed is not returned", err)
	}
	s.Kill()
	if p, status, _, err := validate(t.Context(), here, 4); err != nil || p.Version != 4 || status.Outcome != Bypass {
		t.Errorf("without Redis: %+v %+v %v", p, status, err)
	}
	if write(here, 5) {
		t.Error("without Redis a write went through")
	}
}
