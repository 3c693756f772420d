// Package event carries changes from the domain that makes them to whoever must react to them, and loses none: an
// event is written in the transaction of its change, a relay publishes it at least once, and a consumer notes it in
// the transaction of its effect, so that it takes effect once. Below it, eventsql has the statements and kafka the bus.
package event
