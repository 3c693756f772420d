package geo

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// ErrProxies is wrapped by every error about a list of trusted proxies.
var ErrProxies = errors.New("geo: bad trusted proxy")

// Proxies is a set of networks whose forwarding headers are believed. The zero value trusts nobody.
type Proxies struct {
	networks []netip.Prefix
}

// ParseProxies reads networks in CIDR notation, or single addresses. A network that holds every address is
// refused, because then any caller could forge its address. Errors wrap ErrProxies.
func ParseProxies(networks []string) (Proxies, error) {
	var p Proxies
	for _, text := range networks {
		prefix, err := parseNetwork(text)
		if err != nil {
			return Proxies{}, fmt.Errorf("%w: %.64q: %w", ErrProxies, text, err)
		}
		if prefix.Bits() == 0 {
			return Proxies{}, fmt.Errorf("%w: %.64q trusts every address, so anyone could forge theirs", ErrProxies, text)
		}
		p.networks = append(p.networks, prefix)
	}
	return p, nil
}

// Contains reports whether an address belongs to a trusted proxy.
func (p Proxies) Contains(addr netip.Addr) bool {
	addr = plain(addr)
	for _, n := range p.networks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

func parseNetwork(text string) (netip.Prefix, error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, errors.New("neither an address nor a network in CIDR notation")
		}
		addr = plain(addr)
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, errors.New("not a network in CIDR notation")
	}
	if addr := prefix.Addr(); addr.Is4In6() {
		if prefix.Bits() < 96 {
			return netip.Prefix{}, errors.New("an IPv4-mapped network is at least a /96")
		}
		prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), nil
}

// plain returns an address as Meridian compares it: IPv4 unmapped, without a zone.
func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }
