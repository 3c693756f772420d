// Package edge is the front door of a region: it locates the caller, decides which region serves the request,
// and proxies it there, trying again elsewhere where that is safe.
//
//	caller ─▶ net/http ─▶ serve.go: one exchange, from its arrival to its last byte
//	                        │
//	                  classify.go   which method is it, who calls from where, is it fit to be sent at all?
//	                        │            └─ no ─▶ 400, 413, 431: it blames nobody and is never tried again
//	                  decide/       which regions may serve it, in which order, and why
//	                        │
//	                  headers.go    what a stack gets: the caller's words, less those that only an edge may say
//	                        │
//	                  loop.go  ◀──────────────────────────────┐ once more, if that is harmless and the
//	                        │                                 │ budget allows it (budget.go)
//	                  balance.go    which instance            │
//	                        │                                 │
//	                  send.go       one attempt ──▶ outcome ──┘
//	                        │ (hedge.go: or two, for a read that takes unusually long)
//	                  pass.go       the stack's answer, or answer.go: the edge's own
//	                        │
//	                  record.go     metrics, the span, a line in the log
//
// What it promises: no header that a caller writes is taken for an edge's word; a request is repeated at most
// once after it may have reached a stack, and only if repeating it is harmless; an answer that means "not
// done" is only given when nothing was done; a request that cannot be sent says nothing about any stack; and it
// keeps serving when Consul or a region is lost.
package edge
