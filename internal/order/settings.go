package order

import "time"

// Settings are configuration keys, below order.
type Settings struct {
	FulfillAfter time.Duration `koanf:"fulfill_after" help:"hand over and capture so long after confirmation; 0: never by itself"`
}
