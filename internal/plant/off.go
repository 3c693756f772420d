//go:build !plant

package plant

// Enabled reports whether this build can have planted bugs.
const Enabled = false

// Active reports whether this process has the bug: never, in this build.
func Active(string) bool { return false }

// Bites reports whether the bug strikes now: never, in this build.
func Bites(string, int64) bool { return false }

// First reports whether this process is asked about something for the first time: never, in this build.
func First(string) bool { return false }

// Check reports a bad value of Env: never, in this build, which ignores it.
func Check() error { return nil }
