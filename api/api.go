// Package api leads a Go program to Meridian's API. The client packages below it are generated from the protobuf files
// beside it; this page says what their types cannot.
//
//	          any edge, nearest first                 the region of the rows
//	client ───────────────────────────▶ edge ───────────────────────────────▶ stack
//	  │  Authorization: Bearer …          │  Meridian-Route: why there           │
//	  │  Idempotency-Key: …               │  Meridian-Served-Region: where       │ one transaction
//	  ◀───────────────────────────────────┴──────────────────────────────────────┘
//	     answer, or an error with a reason and, at times, when to try again
//
// One client of net/http serves all services; it is safe for concurrent use:
//
//	catalog := catalogv1connect.NewCatalogServiceClient(http.DefaultClient, "https://api.shop.example", connect.WithHTTPGet())
//
// With connect.WithHTTPGet, calls without side effects are GETs, which the edge answers from nearby and caches may keep.
//
// # Headers
//
// A call that acts for somebody has the access token of SignIn as "Authorization: Bearer …". One that creates something has
// an Idempotency-Key: a fresh unique value for each intention, and the same one for each retry of it. After a write, the
// Meridian-Consistency header of its answer, sent with the next calls, makes them see it in every region.
//
// # Errors
//
// Branch on the reason (google.rpc.ErrorInfo, domain "meridian"), never on the sentence. Unavailable, and ResourceExhausted with
// a RetryInfo, mean that nothing was done: wait as that says and repeat. Unknown and DeadlineExceeded mean that nobody
// knows: repeat with the same Idempotency-Key, and the answer will be that of the first call if it was done.
package api
