package geo

import (
	"net/http"
	"net/netip"
	"strings"
)

const (
	maxHops    = 32  // list elements read before giving up
	maxElement = 512 // bytes of one element
)

// ClientAddress returns the address of the caller behind a TCP peer: the peer's own unless it is a trusted
// proxy; else the first address from the right of X-Forwarded-For that is no trusted proxy. Forwarded (RFC
// 7239) is read when there is no X-Forwarded-For: a proxy that writes Forwarded must remove the other.
// An element that is no address (an obfuscated identifier, unknown, garbage) ends the walk at the proxy that
// wrote it, since nothing left of it is vouched for. Behind proxies that write neither header but
// Fly-Client-IP, that address is the caller.
func ClientAddress(peer netip.Addr, h http.Header, trusted Proxies) netip.Addr {
	client := plain(peer)
	// Whoever is no proxy of ours may have written any header himself.
	if !trusted.Contains(client) {
		return client
	}
	lines := h["X-Forwarded-For"]
	node := parseNode
	if len(lines) == 0 {
		lines = h["Forwarded"]
		node = forNode
	}
	if len(lines) == 0 {
		if addr, ok := parseNode(h.Get(flyClientIP)); ok {
			return addr
		}
		return client
	}
	return walk(client, lines, node, trusted)
}

// Subscriber returns the network that whoever has an address may choose addresses from: of IPv6 the first so many bits, 64 at
// least and often 56; of IPv4 the address alone.
func Subscriber(a netip.Addr, bits int) netip.Prefix {
	if a = plain(a); !a.Is6() {
		bits = a.BitLen()
	}
	return netip.PrefixFrom(a, bits).Masked()
}

func walk(client netip.Addr, lines []string, node func(string) (netip.Addr, bool), trusted Proxies) netip.Addr {
	for i, hops := len(lines)-1, 0; i >= 0; i-- {
		for rest, more := lines[i], true; more; hops++ {
			// A longer chain is no chain of ours; without this bound a header of commas would buy work.
			if hops == maxHops {
				return client
			}
			var element string
			element, rest, more = lastElement(rest)
			if element == "" {
				continue // RFC 9110 5.6.1: recipients ignore empty list elements
			}
			addr, ok := node(element)
			if !ok {
				return client
			}
			// Its writer is trusted, so it is believed of the next one. Whether that one is trusted decides if its word counts too.
			client = addr
			if !trusted.Contains(client) {
				return client
			}
		}
	}
	return client
}

// lastElement splits the last element off a comma-separated list. It scans from the right, so that text on
// the left, which the caller wrote, cannot change where an element on the right, which a proxy wrote, begins.
func lastElement(list string) (element, rest string, more bool) {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch list[i] {
		case '"':
			if !quoted || !escaped(list, i) {
				quoted = !quoted
			}
		case ',':
			if !quoted {
				return strings.Trim(list[i+1:], " \t"), list[:i], true
			}
		}
	}
	return strings.Trim(list, " \t"), "", false
}

// escaped reports whether the byte at i follows an odd run of backslashes.
func escaped(s string, i int) bool {
	n := 0
	for i > n && s[i-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

// forNode returns the address of the for parameter of one Forwarded element.
func forNode(element string) (addr netip.Addr, ok bool) {
	if len(element) > maxElement {
		return netip.Addr{}, false
	}
	found := false
	for rest := element; rest != ""; {
		var pair string
		pair, rest = cutPair(rest)
		name, value, isPair := strings.Cut(pair, "=")
		if !isPair || !strings.EqualFold(strings.Trim(name, " \t"), "for") {
			continue
		}
		if found {
			return netip.Addr{}, false // RFC 7239 4: a parameter occurs once
		}
		if addr, found = parseNode(value); !found {
			return netip.Addr{}, false
		}
	}
	return addr, found
}

// cutPair splits the first parameter off a Forwarded element.
func cutPair(s string) (pair, rest string) {
	quoted := false
	for i := range len(s) {
		switch s[i] {
		case '"':
			if !quoted || !escaped(s, i) {
				quoted = !quoted
			}
		case ';':
			if !quoted {
				return s[:i], s[i+1:]
			}
		}
	}
	return s, ""
}

// parseNode reads an address with an optional port: 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1],
// [2001:db8::1]:80, each also in double quotes.
func parseNode(s string) (netip.Addr, bool) {
	s = strings.Trim(s, " \t")
	if len(s) > maxElement {
		return netip.Addr{}, false
	}
	if n := len(s); n >= 2 && s[0] == '"' && s[n-1] == '"' {
		s = s[1 : n-1]
	}
	host := s
	if inside, isBracketed := strings.CutPrefix(s, "["); isBracketed {
		var port string
		if host, port, isBracketed = strings.Cut(inside, "]"); !isBracketed || !strings.Contains(host, ":") {
			return netip.Addr{}, false
		}
		if port != "" && (port[0] != ':' || !validPort(port[1:])) {
			return netip.Addr{}, false
		}
	} else if before, port, hasPort := strings.Cut(s, ":"); hasPort && !strings.Contains(port, ":") {
		if !validPort(port) {
			return netip.Addr{}, false
		}
		host = before
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.IsUnspecified() || addr.IsMulticast() {
		return netip.Addr{}, false
	}
	return plain(addr), true
}

// validPort accepts 1 to 5 digits, or an obfuscated port (RFC 7239 6.2).
func validPort(s string) bool {
	if strings.HasPrefix(s, "_") {
		return len(s) > 1
	}
	if s == "" || len(s) > 5 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
