package keyrotation

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/sim/history"
	"github.com/meridian-commerce/meridian/internal/sim/internet"
	"github.com/meridian-commerce/meridian/internal/sim/scenario"
	"github.com/meridian-commerce/meridian/internal/sim/shopper"
	"github.com/meridian-commerce/meridian/regions"
)

const (
	showEvery = time.Second
	signEvery = 4 * time.Second  // an account may sign in twenty times a minute
	margin    = 10 * time.Second // a token is not shown when it has less than that to live: as long as somebody waits for an answer
)

// witness is somebody of one region who shows tokens at every region: the latest one, and one until it is nearly over.
type witness struct {
	home            regions.Name
	email, password string
	places          map[regions.Name]*shopper.Shopper // by where it enters, without an account
	account         *shopper.Shopper                  // which signs in again and again
	keyOf           func(accessToken string) string

	mu    sync.Mutex
	ops   []history.Op
	shown map[shown]int // that were taken
}

// shown is where a token was shown, and by which key it was signed.
type shown struct {
	Entry regions.Name
	Key   string
}

// callWitnesses opens an account in each region, of somebody who has a friend with the same account in every other.
func callWitnesses(ctx context.Context, r *scenario.Run, key func(string) string) ([]*witness, error) {
	run := fmt.Sprintf("witness-%d-%x", r.Seed, time.Now().UnixMilli())
	var out []*witness
	for n, home := range r.Catalog.Names() {
		w := &witness{
			home: home, keyOf: key, email: fmt.Sprintf("%s-%d@probe.example", run, n), password: "correct horse battery",
			places: map[regions.Name]*shopper.Shopper{}, shown: map[shown]int{},
		}
		currency := ""
		for _, entry := range r.Catalog.Names() {
			city, err := cityNear(r, entry)
			if err != nil {
				return nil, err
			}
			rt, err := r.Net.Caller(city.Place.City, netip.AddrFrom4([4]byte{198, 18, byte(n), byte(len(w.places) + 1)}))
			if err != nil {
				return nil, fmt.Errorf("key-rotation: %w", err)
			}
			w.places[entry] = shopper.New(rt, shopper.Origin)
			if entry == home {
				currency = city.Currency
			}
		}
		w.account = w.places[home].As(w.places[home])
		opened := w.account.Ask(ctx, shopper.SignUp(w.email, w.password, "Witness", currency))
		if err := opened.Err(); err != nil {
			return nil, fmt.Errorf("key-rotation: %w", err)
		}
		w.note(opened)
		if w.account.Home() != home {
			return nil, fmt.Errorf("key-rotation: who signs up near %s lives in %s", home, w.account.Home())
		}
		out = append(out, w)
	}
	return out, nil
}

// cityNear returns a city whose people live in a region, and enter there.
func cityNear(r *scenario.Run, region regions.Name) (internet.City, error) {
	for _, c := range internet.Cities() {
		if home, _ := r.Catalog.Prefers(c.Place.Country); home == region && r.Net.Nearest(c.Place.City) == region {
			return c, nil
		}
	}
	return internet.City{}, fmt.Errorf("key-rotation: no city is nearest to %s", region)
}

// watch shows tokens until the context ends.
func (w *witness) watch(ctx context.Context) {
	signedIn := time.Now()
	held := w.account.As(w.account)
	for clock.Sleep(ctx, showEvery) == nil {
		if time.Until(held.Expires()) < margin {
			held = w.account.As(w.account)
		}
		var showing sync.WaitGroup
		for entry, place := range w.places {
			for _, account := range []*shopper.Shopper{w.account, held} {
				showing.Go(func() { w.show(ctx, entry, place.As(account)) })
			}
		}
		showing.Wait()
		if time.Since(signedIn) > signEvery {
			signedIn = time.Now()
			w.note(w.account.Ask(ctx, shopper.SignIn(w.email, w.password)))
		}
	}
}

// show asks for what nobody gets without a token.
func (w *witness) show(ctx context.Context, entry regions.Name, caller *shopper.Shopper) {
	op := caller.Ask(ctx, shopper.GetCart())
	if ctx.Err() != nil {
		return // it was cut off
	}
	w.note(op)
	if op.Outcome == history.OK {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.shown[shown{entry, w.keyOf(caller.Token())}]++
	}
}

func (w *witness) note(op history.Op) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ops = append(w.ops, op)
}

// keyOf returns the id of the key that a token names in its header.
func keyOf(accessToken string) string {
	header, _, _ := strings.Cut(accessToken, ".")
	var h struct{ Kid string }
	text, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil || json.Unmarshal(text, &h) != nil {
		return ""
	}
	return h.Kid
}
