package order

import "time"

// Settings are configuration keys, below order.
type Settings struct {
	FulfillAfter    time.Duration `koanf:"fulfill_after" default:"24h" help:"hand over and capture so long after confirmation; 0: never by itself"`
	PaymentDeadline time.Duration `koanf:"payment_deadline" default:"24h" help:"an order that is not paid or refused so long after it was placed is canceled"`
}
