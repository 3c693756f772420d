package cartcache_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/meridian-commerce/meridian/internal/cache"
	"github.com/meridian-commerce/meridian/internal/cart"
	"github.com/meridian-commerce/meridian/internal/cart/cartcache"
	"github.com/meridian-commerce/meridian/internal/cart/cartsql"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/redis"
	"github.com/meridian-commerce/meridian/internal/redis/redistest"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/sqldb/sqltest"
	"github.com/meridian-commerce/meridian/regions"
)

func TestMain(m *testing.M) { sqltest.Main(m) }

const (
	home = regions.Name("eu-west-1")
	user = "usr_eu1_x"
)

// region is a cart store with a Redis of its own.
type region struct {
	*cartcache.Store
	redis *redistest.Server

	mu   sync.Mutex
	told []cache.Outcome
}

func open(t *testing.T, behind cartcache.Behind) *region {
	t.Helper()
	return openWithin(t, behind, 2*time.Second)
}

func openWithin(t *testing.T, behind cartcache.Behind, timeout time.Duration) *region {
	t.Helper()
	r := &region{redis: redistest.Start(t)}
	r.Store = cartcache.New(behind, connect(t, r.redis.Address, timeout), func(_ context.Context, s cache.Status) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.told = append(r.told, s.Outcome)
	})
	return r
}

func connect(t *testing.T, address string, timeout time.Duration) *cache.Cache {
	t.Helper()
	c, err := cache.New(cache.Config{Redis: redis.Config{Address: address}, Timeout: timeout, Seed: 1}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func database(t *testing.T) (*cartsql.Store, *sqldb.DB) {
	t.Helper()
	db := sqltest.Open(t, nil)
	return cartsql.New(db, clock.System()), db
}

// add changes the cart: its only SKU follows from its version.
func add(c cart.Cart) (cart.Cart, error) { return c.With("A", unitsAt(c.Version+1)) }

func unitsAt(version int64) int64 { return version%cart.MaxQuantity + 1 }

func (r *region) write(t *testing.T, want int64) {
	t.Helper()
	if c, err := r.Change(t.Context(), home, user, add); err != nil || c.Version != want {
		t.Fatalf("Change = %+v, %v, want version %d", c, err, want)
	}
}

func (r *region) read(t *testing.T, want int64, from cache.Outcome) {
	t.Helper()
	c, err := r.Find(t.Context(), home, user)
	if err != nil || c.Version != want || (want > 0 && c.Items["A"] != unitsAt(want)) {
		t.Errorf("Find = %+v, %v, want version %d", c, err, want)
	}
	if last := r.told[len(r.told)-1]; last != from {
		t.Errorf("version %d is from %s, want %s", c.Version, last, from)
	}
}

func TestChangeIsWrittenThrough(t *testing.T) {
	t.Parallel()
	behind, _ := database(t)
	r := open(t, behind)
	r.read(t, 0, cache.Miss)
	r.write(t, 1)
	r.read(t, 1, cache.Validated)
	r.write(t, 2)
	r.read(t, 2, cache.Validated)
	if life := r.redis.Client.PTTL(t.Context(), "cart:"+string(home)+":"+user).Val(); life < 13*time.Minute || life > 17*time.Minute {
		t.Errorf("the entry lives for %s", life)
	}
	refused := errors.New("refused")
	if _, err := r.Change(t.Context(), home, user, func(cart.Cart) (cart.Cart, error) { return cart.Cart{Version: 9}, refused }); !errors.Is(err, refused) {
		t.Error(err)
	}
	r.read(t, 2, cache.Validated)
}

// A cart is served elsewhere while its region is lost, and then at home again, where Redis kept what it had.
func TestFailOverAndBack(t *testing.T) {
	t.Parallel()
	behind, _ := database(t)
	eu, us := open(t, behind), open(t, behind)
	eu.write(t, 1)
	us.read(t, 1, cache.Miss)
	us.write(t, 2)
	eu.read(t, 2, cache.Miss)
	eu.read(t, 2, cache.Validated)
	us.write(t, 3)
	eu.write(t, 4)
	us.read(t, 4, cache.Miss)
}

// credulous is a store that takes Redis's word for it.
type credulous struct{ *cartsql.Store }

func (credulous) FindUnless(_ context.Context, _ regions.Name, _ string, known cart.Cart) (cart.Cart, error) {
	return known, nil
}

// What the version check is for: without it the scenario of TestFailOverAndBack reads an old cart.
func TestWithoutTheCheckAReadIsStale(t *testing.T) {
	t.Parallel()
	behind, _ := database(t)
	eu, us := open(t, credulous{behind}), open(t, behind)
	eu.write(t, 1)
	us.write(t, 2)
	eu.read(t, 1, cache.Validated)
}

func TestRedisMissesAChange(t *testing.T) {
	t.Parallel()
	behind, db := database(t)
	r := open(t, behind)
	impatient := cartcache.New(behind, connect(t, r.redis.Address, 20*time.Millisecond), func(context.Context, cache.Status) {})
	r.write(t, 1)
	r.redis.Hang()
	if c, err := impatient.Change(t.Context(), home, user, add); err != nil || c.Version != 2 {
		t.Errorf("with a hung Redis: %+v, %v", c, err)
	}
	if c, err := impatient.Find(t.Context(), home, user); err != nil || c.Version != 2 {
		t.Errorf("with a hung Redis: %+v, %v", c, err)
	}
	r.redis.Resume()
	if c, err := r.Find(t.Context(), home, user); err != nil || c.Version != 2 {
		t.Errorf("with Redis back: %+v, %v", c, err)
	}
	err := db.InTx(t.Context(), func(tx sqldb.Tx) error { // as an order does, past the cache
		batch := &sqldb.Batch{}
		cartsql.QueueClear(batch, home, user)
		return tx.Send(t.Context(), batch)
	})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := r.Find(t.Context(), home, user); err != nil || c.Version != 3 || len(c.Items) != 0 {
		t.Errorf("after an order: %+v, %v", c, err)
	}
	r.redis.Kill()
	r.write(t, 4)
	r.read(t, 4, cache.Bypass)
}

// down is a store whose database is away.
type down struct{ cartcache.Behind }

var errDown = fault.New(fault.Unavailable, "DATABASE_UNREACHABLE", "please retry")

func (down) Find(context.Context, regions.Name, string) (cart.Cart, error) {
	return cart.Cart{}, errDown
}

func (down) FindUnless(context.Context, regions.Name, string, cart.Cart) (cart.Cart, error) {
	return cart.Cart{}, errDown
}

func (down) Change(context.Context, regions.Name, string, func(cart.Cart) (cart.Cart, error)) (cart.Cart, error) {
	return cart.Cart{Version: 9}, errDown
}

// Without the database nothing says that the cart in Redis is the current one, so it is not served.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	behind, _ := database(t)
	r := open(t, behind)
	r.write(t, 1)
	without := cartcache.New(down{}, connect(t, r.redis.Address, 2*time.Second), func(context.Context, cache.Status) { t.Error("told of a failure") })
	if _, err := without.Find(t.Context(), home, user); !errors.Is(err, errDown) {
		t.Errorf("Find: %v", err)
	}
	if _, err := without.Change(t.Context(), home, user, add); !errors.Is(err, errDown) {
		t.Errorf("Change: %v", err)
	}
	r.read(t, 1, cache.Validated)
}

// call is a read, or a write that found version-1.
type call struct {
	write   bool
	version int64
}

// counter is a cart as its callers may think of it: each write counts one up, at one instant.
var counter = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, _, output any) (bool, any) {
		now, _ := state.(int64)
		did, _ := output.(call)
		if did.write {
			now++
		}
		return did.version == now, now
	},
}

func TestLinearizableWhileRedisComesAndGoes(t *testing.T) {
	t.Parallel()
	behind, _ := database(t)
	places := []*region{openWithin(t, behind, 50*time.Millisecond), openWithin(t, behind, 50*time.Millisecond)}
	var mu sync.Mutex
	var history []porcupine.Operation
	began := time.Now()
	do := func(client, i int) {
		place := places[(client+i/5)%2] // a caller's region changes, and changes back
		from := time.Since(began)
		did := call{write: (client+i)%3 == 0}
		var c cart.Cart
		var err error
		if did.write {
			c, err = place.Change(t.Context(), home, user, add)
		} else {
			c, err = place.Find(t.Context(), home, user)
		}
		if err != nil || (c.Version > 0 && c.Items["A"] != unitsAt(c.Version)) {
			t.Errorf("got %+v, %v", c, err)
			return
		}
		did.version = c.Version
		mu.Lock()
		defer mu.Unlock()
		history = append(history, porcupine.Operation{ClientId: client, Output: did, Call: from.Nanoseconds(), Return: time.Since(began).Nanoseconds()})
	}
	for round, fault := range []func(){
		func() {},
		places[0].redis.Hang, places[0].redis.Resume,
		places[1].redis.Kill, places[1].redis.Run,
	} {
		fault()
		var callers sync.WaitGroup
		for client := range 4 {
			callers.Go(func() {
				for i := range 15 {
					do(client, 15*round+i)
				}
			})
		}
		callers.Wait()
	}
	if !porcupine.CheckOperations(counter, history) {
		t.Error("some read or write did not see what was acknowledged before")
	}
	history = append(history, porcupine.Operation{ClientId: 9, Output: call{version: 1}, Call: time.Since(began).Nanoseconds(), Return: time.Since(began).Nanoseconds()})
	if porcupine.CheckOperations(counter, history) {
		t.Error("an old read passes the check")
	}
	if len(history) < 200 {
		t.Errorf("only %d calls succeeded", len(history))
	}
}
