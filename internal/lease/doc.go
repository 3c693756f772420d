// Package lease decides which instance does a region's background work, and runs it there.
//
// Every home region has one lease, a row of that region. An instance of the region takes it when it is free,
// expired, or held from another region; an instance of another region takes it only once it has been expired for
// a while, the longer the farther away that region is:
//
//	home instance A ──renews──▶ lease ◀──reads── home instance B     takes over at expiry
//	                              ▲
//	                              └────reads──── other regions       at expiry + 2 s · rank by proximity
//
// Times are the database's own, so clocks of instances need not agree; an instance trusts a lease for the time
// to live counted from before it asked. Each region is tended by its own goroutine, so one that does not answer
// delays only itself.
//
// A lease saves work, and correctness never rests on it: for a moment two instances may believe that they hold
// it. Exactly-once effects come from SKIP LOCKED, compare-and-set and the inboxes.
package lease
