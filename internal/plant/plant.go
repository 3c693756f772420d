// Package plant holds the known bugs that a build with the tag "plant" can be told to have, so that the checks
// which must find them can be checked. In every other build no bug ever bites, and the bugs are not in the program.
// What each breaks, and which invariant must notice, is the table of the mutation suite in internal/sim/scenarios/mutants.
package plant

// The bugs.
const (
	LostOutboxRow      = "lost-outbox-row"     // some orders are placed without their event
	DoubleCapture      = "double-capture"      // some payments are captured twice, with a fresh idempotency key
	WrongTotal         = "wrong-total"         // some orders cost more than their lines
	WrongPrice         = "wrong-price"         // some orders are made at another price than the list's
	AuthorizedCanceled = "authorized-canceled" // some orders whose payment was authorized are canceled as declined
	UnknownDeclined    = "unknown-declined"    // a provider that does not answer has declined
	PublishedEarly     = "published-early"     // events count as published before the bus has them
	WrongPayload       = "wrong-payload"       // some events tell of another user
	WatchSkips         = "watch-skips"         // watchers never see an order confirmed
	OthersOrder        = "others-order"        // whoever knows an order's id may read it
	OrderRefused       = "order-refused"       // some reads find no order that is there
	SharedKey          = "shared-key"          // an idempotency key belongs to a region, not to a user
	StockKept          = "stock-kept"          // canceled orders keep their stock
	FreshCaptureKey    = "fresh-capture-key"   // a capture that is tried again is a new one
	AmbiguousRefused   = "ambiguous-refused"   // an order of unknown outcome is answered as if it had failed
	ReplayAnew         = "replay-anew"         // a repeated request is answered with the order as it is now
	ShortKeys          = "short-keys"          // idempotency keys are forgotten after two seconds
	StaleCart          = "stale-cart"          // an instance that takes over has not heard of the cart
	UnguardedClaim     = "unguarded-claim"     // two workers take one payment, and both settle it
	PostRepeated       = "post-repeated"       // the edge repeats what may not be done twice
	OrderGoesBack      = "order-goes-back"     // some reads show an order as it was before
	HalfPosting        = "half-posting"        // the ledger gets one side of a sale
	BlamedStack        = "blamed-stack"        // what an edge refuses to send counts as a failure of the stack that would have got it
)

// Env is the environment variable that names the bug of a process built with the tag.
const Env = "MERIDIAN_PLANT"

// Bitten is the environment variable that names a file, which grows by a byte each time that the bug bites. It is no key of
// the configuration, as every variable that begins with MERIDIAN_ is.
const Bitten = "PLANT_BITTEN"

// Names lists the bugs.
func Names() []string {
	return []string{
		LostOutboxRow, DoubleCapture, WrongTotal, WrongPrice, AuthorizedCanceled, UnknownDeclined, PublishedEarly, WrongPayload, WatchSkips,
		OthersOrder, OrderRefused, SharedKey, StockKept, FreshCaptureKey, AmbiguousRefused, ReplayAnew, ShortKeys, StaleCart, UnguardedClaim,
		PostRepeated, OrderGoesBack, HalfPosting, BlamedStack,
	}
}
