// Package event carries changes from the domain that makes them to everyone who reacts to them, and loses none.
//
//	 the change's transaction         relay                   bus                  a consumer's transaction
//	┌────────────────────────┐                         ┌─────────────────┐        ┌─────────────────────────┐
//	│ orders: the change     │  ① claim what is due    │ meridian.orders │        │ ④ inbox: taken before?  │
//	│ outbox: its event      │─────────▶ ② publish ───▶│ key: its id     │─group─▶│ ⑤ the effect, if not    │
//	└────────────────────────┘               ▲         │ CloudEvents 1.0 │        │ ⑥ delivery: not pending │
//	                   ① who wants the type  │         └─────────────────┘        └───────────┬─────────────┘
//	                       ▼                 │                                                │
//	             ┌────────────────────┐      │                                                │
//	             │ pending_deliveries │──────┘ ③ again, every 15 s, while the row is there    │
//	             │ event × consumer   │◀───────────────────────────────────────────────────────┘
//	             └────────────────────┘
//
// A domain writes an event in the transaction of the change that it announces, so there is one if and only if the
// change happened (eventsql.Queue). The relay claims new events ①, and with the claim notes a pending delivery for
// every registered consumer that wants the type. It publishes them ②, at least once. Each consumer is a group of its
// own on the bus and has an inbox of its own: it notes ④ that it took the event in the transaction of its effect ⑤,
// which also ends its own pending delivery ⑥ and nobody else's. So each effect happens once for each consumer, and an
// event is published again ③ until the last of them has taken it: a consumer that was away for a day delays no other.
//
// The bus may be away, or lose what it had. While it takes nothing, the relay has the effects of registered consumers
// itself. How far it had come is remembered, so that one which falls behind that, or is another one, is given all events
// of the last days again, whoever has taken them: the inboxes know.
//
// What a consumer is owed is decided when the event is first published. One that is registered later is owed nothing
// of before: it may still read what the bus has kept.
//
// The events of one aggregate are published in the order of their sequence as long as one relay works: one that the bus
// refuses holds back its successors, and nobody else's events. One that is published again may arrive after its
// successors, and the sequence tells.
//
// # Names
//
// A type names its aggregate, and everything else follows from that:
//
//	type    meridian.order.placed.v1       what happened to which kind of aggregate
//	topic   meridian.orders                one for each kind of aggregate, keyed by its id
//	source  /meridian/orders/eu-west-1     the home of the aggregate, and of the outbox
//
// # To react to events
//
// A domain exports a Consumer: a name that never changes, the types that it wants, and the effect. It is registered by
// one line of the list in internal/app, from which the relay learns what it is owed and the bus who reads.
//
// Below this package, eventsql has the statements (outbox, relay, inbox, backlog, sweeping) and kafka the bus.
package event
