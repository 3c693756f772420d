// Package plant holds the known bugs that a build with the tag "plant" can be told to have, so that the checks
// which must find them can be checked. In every other build Active is constantly false and the bugs are not in
// the program.
package plant

// The bugs.
const (
	LostOutboxRow = "lost-outbox-row" // some orders are placed without their event
	DoubleCapture = "double-capture"  // some payments are captured twice, with a fresh idempotency key
)

// Env is the environment variable that names the bug of a process built with the tag.
const Env = "MERIDIAN_PLANT"

// Names lists the bugs.
func Names() []string { return []string{LostOutboxRow, DoubleCapture} }
