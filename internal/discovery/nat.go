package discovery

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
)

// NAT is the one-to-one address translation of a transit gateway between networks: an address inside a real
// network is reached at the same host part of its translated one. The zero value translates nothing.
type NAT struct {
	rules []translation
}

type translation struct{ real, translated netip.Prefix }

// ParseNAT reads rules of the form real/24=translated/24. Both networks of a rule are of one size and family;
// the first rule that holds an address wins.
func ParseNAT(rules []string) (NAT, error) {
	var n NAT
	for _, rule := range rules {
		left, right, ok := strings.Cut(rule, "=")
		if !ok {
			return NAT{}, fmt.Errorf("discovery: translation %.80q is not of the form real/24=translated/24", rule)
		}
		real, err := netip.ParsePrefix(strings.TrimSpace(left))
		translated, wrong := netip.ParsePrefix(strings.TrimSpace(right))
		if err := cmp.Or(err, wrong); err != nil {
			return NAT{}, fmt.Errorf("discovery: translation %.80q: %w", rule, err)
		}
		if real.Bits() != translated.Bits() || real.Addr().BitLen() != translated.Addr().BitLen() {
			return NAT{}, fmt.Errorf("discovery: translation %.80q: the networks differ in size", rule)
		}
		n.rules = append(n.rules, translation{real.Masked(), translated.Masked()})
	}
	return n, nil
}

// Translate returns where to dial a host:port: translated if a rule holds its address, else unchanged. A host
// that is a name, or no host:port at all, is returned unchanged.
func (n NAT) Translate(hostport string) string {
	if len(n.rules) == 0 {
		return hostport
	}
	ap, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return hostport
	}
	for _, r := range n.rules {
		if r.real.Contains(ap.Addr()) {
			return netip.AddrPortFrom(r.apply(ap.Addr()), ap.Port()).String()
		}
	}
	return hostport
}

// apply puts the host part of an address of the real network into the translated one.
func (r translation) apply(addr netip.Addr) netip.Addr {
	out, host := r.translated.Addr().AsSlice(), addr.AsSlice()
	for i := range out {
		prefixBits := min(max(r.real.Bits()-8*i, 0), 8)
		out[i] |= host[i] & (0xff >> prefixBits)
	}
	translated, _ := netip.AddrFromSlice(out) // 4 or 16 bytes
	return translated
}
