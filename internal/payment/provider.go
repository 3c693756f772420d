package payment

import (
	"context"

	"github.com/meridian-commerce/meridian/internal/money"
)

// Decision is what a provider said to a request.
type Decision int

// The decisions. Unknown is the zero value: nothing may be concluded from an answer that did not arrive.
const (
	Unknown Decision = iota
	Approved
	DeclinedByProvider
)

// Outcome is the end of one request to a provider.
type Outcome struct {
	Decision Decision
	Ref      string // the provider's name for the payment, when approved
	Reason   string // UPPER_SNAKE, when declined
	Err      error  // why it is unknown
}

// Standing is how a provider sees a payment.
type Standing string

// The standings.
const (
	StandingNone       Standing = "none" // never heard of it
	StandingAuthorized Standing = "authorized"
	StandingDeclined   Standing = "declined"
	StandingCaptured   Standing = "captured"
	StandingVoided     Standing = "voided"
)

// Finding is a provider's answer to the question what it knows of a payment.
type Finding struct {
	Standing Standing
	Ref      string
	Reason   string // when declined
}

// Charge is what a provider is asked to do something about.
type Charge struct {
	PaymentID string
	OrderID   string
	Amount    money.Money
}

// Provider moves money. It is safe for concurrent use, and bounds the time of every call by itself. A request
// that is repeated with its idempotency key has one effect and the same outcome.
type Provider interface {
	// Authorize reserves the amount.
	Authorize(ctx context.Context, c Charge, key string) Outcome
	// Capture takes the whole amount that was authorized.
	Capture(ctx context.Context, c Charge, key string) Outcome
	// Void gives the reservation up.
	Void(ctx context.Context, c Charge, key string) Outcome
	// Refund gives the charge's amount of a captured payment back. It is repeated with its key until it was answered.
	Refund(ctx context.Context, c Charge, key string) Outcome
	// Find asks what the provider knows; an error means that it could not be asked.
	Find(ctx context.Context, paymentID string) (Finding, error)
}
