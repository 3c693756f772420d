package discovery

import (
	"net/netip"
	"testing"
)

func TestNAT(t *testing.T) {
	t.Parallel()
	n, err := ParseNAT([]string{"127.0.2.0/24=127.0.18.0/24", "10.1.16.0/20=10.9.32.0/20", "2001:db8:1::/48=2001:db8:2::/48"})
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"127.0.2.11:8080":          "127.0.18.11:8080",
		"127.0.3.11:8080":          "127.0.3.11:8080",
		"10.1.19.7:80":             "10.9.35.7:80",
		"10.1.32.7:80":             "10.1.32.7:80",
		"[2001:db8:1:5::9]:443":    "[2001:db8:2:5::9]:443",
		"stack.example.com:80":     "stack.example.com:80",
		"127.0.2.11":               "127.0.2.11",
		"":                         "",
		"[::ffff:127.0.2.11]:8080": "[::ffff:127.0.2.11]:8080",
	} {
		if got := n.Translate(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if got := (NAT{}).Translate("127.0.2.11:8080"); got != "127.0.2.11:8080" {
		t.Errorf("no rules: got %q", got)
	}
	for _, bad := range []string{"", "127.0.2.0/24", "x=y", "127.0.2.0/24=127.0.18.0/25", "127.0.2.0/24=x", "127.0.2.0/24=2001:db8::/24"} {
		if _, err := ParseNAT([]string{bad}); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// FuzzNAT proves that a rule and its reverse undo each other, and that nothing panics.
func FuzzNAT(f *testing.F) {
	f.Add("127.0.2.0/24", "127.0.18.0/24", "127.0.2.11:8080")
	f.Add("2001:db8:1::/48", "2001:db8:2::/48", "[2001:db8:1::1]:1")
	f.Add("0.0.0.0/0", "0.0.0.0/0", "1.2.3.4:5")
	f.Fuzz(func(t *testing.T, real, translated, addr string) {
		there, err := ParseNAT([]string{real + "=" + translated})
		if err != nil {
			return
		}
		back, err := ParseNAT([]string{translated + "=" + real})
		if err != nil {
			t.Fatalf("the reverse of a good rule: %v", err)
		}
		ap, err := netip.ParseAddrPort(addr)
		if err != nil || !there.rules[0].real.Contains(ap.Addr()) {
			return
		}
		out := there.Translate(addr)
		if got := back.Translate(out); got != ap.String() {
			t.Errorf("%s became %s, and that %s", addr, out, got)
		}
	})
}
