package edge

import (
	"net/http"
	"strconv"
	"time"
)

const (
	headerConnectTimeout = "Connect-Timeout-Ms"
	headerGRPCTimeout    = "Grpc-Timeout"
	headerRequestTimeout = "Request-Timeout" // seconds, for callers of no RPC protocol
)

// timeoutOf returns how long the caller is willing to wait, and false when it does not say so in a way that
// counts.
func timeoutOf(h http.Header) (time.Duration, bool) {
	if v := h[headerConnectTimeout]; len(v) == 1 {
		return duration(v[0], 10, time.Millisecond)
	}
	if v := h[headerGRPCTimeout]; len(v) == 1 && len(v[0]) > 1 {
		digits, letter := v[0][:len(v[0])-1], v[0][len(v[0])-1]
		switch letter {
		case 'H':
			return duration(digits, 8, time.Hour)
		case 'M':
			return duration(digits, 8, time.Minute)
		case 'S':
			return duration(digits, 8, time.Second)
		case 'm':
			return duration(digits, 8, time.Millisecond)
		case 'u':
			return duration(digits, 8, time.Microsecond)
		case 'n':
			return duration(digits, 8, time.Nanosecond)
		}
		return 0, false
	}
	if v := h[headerRequestTimeout]; len(v) == 1 {
		return duration(v[0], 8, time.Second)
	}
	return 0, false
}

// duration reads a number of units; one too long to represent counts as the longest.
func duration(digits string, longest int, unit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || len(digits) > longest {
		return 0, false
	}
	const forever = 1<<63 - 1
	if n > uint64(forever/unit) {
		return forever, true
	}
	return time.Duration(n) * unit, true
}

// passTimeout tells the stack how much of the caller's patience is left.
func passTimeout(h http.Header, left time.Duration) {
	left = max(left, 0)
	if h.Get(headerGRPCTimeout) != "" {
		const longest = 99999999
		if us := left.Microseconds(); us <= longest {
			h.Set(headerGRPCTimeout, strconv.FormatInt(us, 10)+"u")
			return
		}
		h.Set(headerGRPCTimeout, strconv.FormatInt(min(left.Milliseconds(), longest), 10)+"m")
		return
	}
	h.Set(headerConnectTimeout, strconv.FormatInt(min(left.Milliseconds(), 9999999999), 10))
}
