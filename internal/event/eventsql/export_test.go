package eventsql

import "time"

// Pass lets time pass since the bus was away.
func (r *Relay) Pass(d time.Duration) {
	at := r.away.Load().Add(-d)
	r.away.Store(&at)
}
