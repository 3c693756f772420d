package order

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/id"
	"github.com/meridian-commerce/meridian/internal/money"
	"github.com/meridian-commerce/meridian/internal/plant"
	"github.com/meridian-commerce/meridian/regions"
)

// ErrNotFound is what a Store returns for an order or a key that does not exist.
var ErrNotFound = errors.New("order: not found")

// Placement is everything that one placing transaction needs to know.
type Placement struct {
	ID            string
	EventID       string
	Home          regions.Name
	UserID        string
	Currency      money.Currency    // as the access token says; the cart's own counts more
	Key           string            // idempotency key, scoped to the user
	RequestHash   [sha256.Size]byte // of the request, to tell a repeated one from another
	CartEtag      string            // empty: whatever the cart holds
	ExpectedTotal money.Money       // zero: whatever it costs
}

// Store keeps orders at home. It is safe for concurrent use; errors are ErrNotFound and *fault.Error.
type Store interface {
	// Place places an order in one transaction, or returns the order that the key placed before. Errors as of
	// Service.Place, and fault.Ambiguous.
	Place(ctx context.Context, p Placement) (Order, error)
	// Placed returns the order that a key placed, as it was then. Errors: ErrNotFound, fault.Mismatch.
	Placed(ctx context.Context, p Placement) (Order, error)
	// Find reads an order.
	Find(ctx context.Context, home regions.Name, orderID string) (Order, error)
	// Newer returns those of a region's orders that have a later version than the one that is known.
	Newer(ctx context.Context, home regions.Name, known map[string]int64) ([]Order, error)
	// Page returns up to limit orders of a user that are older than before, newest first; the zero Cursor is
	// the start.
	Page(ctx context.Context, home regions.Name, userID string, before Cursor, limit int) ([]Order, error)
}

// Cursor is a place in a user's orders.
type Cursor struct {
	CreatedAt time.Time
	ID        string
}

// resolveEvery is how long an ambiguous commit is left alone before its key is asked for again.
const resolveEvery = 200 * time.Millisecond

// KeyLifetime is how long an idempotency key is remembered.
const KeyLifetime = 7 * 24 * time.Hour

// Service is the order room's behavior. It is safe for concurrent use.
type Service struct {
	store    Store
	regions  *regions.Set
	watchers *Watchers
}

// New returns a Service. Its watchers are notified of changes while w runs.
func New(s Store, c *regions.Set, w *Watchers) *Service {
	return &Service{s, c, w}
}

// Request is a call of Place.
type Request struct {
	Home          regions.Name
	UserID        string
	Currency      money.Currency
	Key           string
	CartEtag      string
	ExpectedTotal money.Money
}

// Placed is the answer of Place.
type Placed struct {
	Order
	Replayed bool // an earlier request with the key placed it
}

// Place turns the user's cart into an order, once for each idempotency key: a repeated request gets the same
// order, as it was, and leaves the cart alone. Errors: fault.Invalid (IDEMPOTENCY_KEY_…), fault.Mismatch (IDEMPOTENCY_KEY_REUSED), fault.Aborted
// (CART_CHANGED, TOTAL_CHANGED, IDEMPOTENCY_KEY_IN_FLIGHT), fault.FailedPrecondition (CART_EMPTY, OUT_OF_STOCK,
// SKU_NOT_SOLD, PRICE_MISSING), fault.Unavailable, and fault.Ambiguous where the outcome could not be learned.
func (s *Service) Place(ctx context.Context, r Request) (Placed, error) {
	if err := checkKey(r.Key); err != nil {
		return Placed{}, err
	}
	code := s.regions.Code(r.Home)
	p := Placement{
		// Made here rather than in the transaction: when it is run again, it places the same order.
		ID:            id.New(id.Order, code),
		EventID:       id.New(id.Event, code),
		Home:          r.Home,
		UserID:        r.UserID,
		Currency:      r.Currency,
		Key:           r.Key,
		CartEtag:      r.CartEtag,
		ExpectedTotal: r.ExpectedTotal,
		RequestHash:   sha256.Sum256(fmt.Appendf(nil, "%q %d %q", r.CartEtag, r.ExpectedTotal.Minor, r.ExpectedTotal.Currency)),
	}
	o, err := s.store.Place(ctx, p)
	if fault.Is(err, fault.Ambiguous) {
		if plant.Bites(plant.AmbiguousRefused, 1) {
			return Placed{}, fault.New(fault.Aborted, "CART_CHANGED", "the cart has changed; read it again")
		}
		o, err = s.resolve(ctx, p, err)
	}
	// The id is of this request alone, so another one is an earlier request's.
	return Placed{o, err == nil && o.ID != p.ID}, err
}

// resolve learns the outcome of an ambiguous commit from the idempotency key. Not finding it proves nothing:
// the commit may still be under way.
func (s *Service) resolve(ctx context.Context, p Placement, ambiguous error) (Order, error) {
	// A commit that is still under way may become visible in a moment, so one look is not enough.
	for range 3 {
		o, err := s.store.Placed(ctx, p)
		if err == nil || fault.Is(err, fault.Mismatch) {
			return o, err
		}
		if err := clock.Sleep(ctx, resolveEvery); err != nil {
			break // the caller is gone, and what it was told last still holds: nobody knows
		}
	}
	// The caller may repeat it under the same key, which is safe whatever the outcome was.
	return Order{}, ambiguous
}

func checkKey(key string) error {
	if key == "" {
		return fault.New(fault.Invalid, "IDEMPOTENCY_KEY_MISSING", "send an Idempotency-Key header: a fresh unique value for each order, the same for each retry")
	}
	if len(key) > 255 {
		return fault.New(fault.Invalid, "IDEMPOTENCY_KEY_INVALID", "Idempotency-Key has at most 255 characters")
	}
	// What every header, log and console shows as it is.
	for _, c := range []byte(key) {
		if c < '!' || c > '~' {
			return fault.New(fault.Invalid, "IDEMPOTENCY_KEY_INVALID", "Idempotency-Key is visible ASCII")
		}
	}
	return nil
}

// Order returns one of a user's orders. Another user's is fault.NotFound, as is none.
func (s *Service) Order(ctx context.Context, home regions.Name, userID, orderID string) (Order, error) {
	if err := s.owned(home, orderID); err != nil {
		return Order{}, err
	}
	o, err := s.store.Find(ctx, home, orderID)
	foreign := err == nil && o.UserID != userID && !plant.Bites(plant.OthersOrder, 1)
	// One answer for both, so that nobody learns which ids there are.
	if errors.Is(err, ErrNotFound) || foreign || plant.Bites(plant.OrderRefused, 3) {
		return Order{}, missing(orderID)
	}
	if o.Version > 1 && plant.Bites(plant.OrderGoesBack, 2) {
		o.Version--
	}
	return o, err
}

// owned checks that an id is one of an order of that home. What it lets pass need not exist.
func (s *Service) owned(home regions.Name, orderID string) error {
	if at, err := id.Home(s.regions, id.Order, orderID); err != nil || at != home {
		return missing(orderID)
	}
	return nil
}

func missing(orderID string) error {
	return fault.New(fault.NotFound, "ORDER_NOT_FOUND", "you have no order %.80q", orderID)
}

// List returns one page of a user's orders, newest first, and where to continue (zero at the end).
func (s *Service) List(ctx context.Context, home regions.Name, userID string, before Cursor, size int) ([]Order, Cursor, error) {
	// One more than is shown tells whether there is another page.
	page, err := s.store.Page(ctx, home, userID, before, size+1)
	if err != nil || len(page) <= size {
		return page, Cursor{}, err
	}
	last := page[size-1]
	return page[:size], Cursor{CreatedAt: last.CreatedAt, ID: last.ID}, nil
}
