package geo_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/geo"
)

const (
	proxy    = "10.0.0.9" // trusted in every test
	stranger = "203.0.113.5"
)

func trusted(t testing.TB) geo.Proxies {
	t.Helper()
	p, err := geo.ParseProxies([]string{"10.0.0.0/8", "fd00::/8", "198.51.100.7"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	type headers = http.Header
	for name, tc := range map[string]struct {
		peer string
		h    headers
		want string
	}{
		"no headers":                       {stranger, nil, stranger},
		"untrusted peer is not believed":   {stranger, headers{"X-Forwarded-For": {"8.8.8.8"}}, stranger},
		"untrusted Forwarded":              {stranger, headers{"Forwarded": {"for=8.8.8.8"}}, stranger},
		"untrusted Fly":                    {stranger, headers{"Fly-Client-Ip": {"8.8.8.8"}}, stranger},
		"mapped peer":                      {"::ffff:203.0.113.5", nil, stranger},
		"mapped trusted peer":              {"::ffff:10.0.0.9", headers{"X-Forwarded-For": {"8.8.8.8"}}, "8.8.8.8"},
		"zone is dropped":                  {"fe80::1%eth0", nil, "fe80::1"},
		"one proxy":                        {proxy, headers{"X-Forwarded-For": {"8.8.8.8"}}, "8.8.8.8"},
		"forged on the left":               {proxy, headers{"X-Forwarded-For": {"1.1.1.1, 8.8.8.8"}}, "8.8.8.8"},
		"trusted hops are skipped":         {proxy, headers{"X-Forwarded-For": {"1.1.1.1, 8.8.8.8, 10.1.1.1,10.2.2.2"}}, "8.8.8.8"},
		"trusted single address":           {proxy, headers{"X-Forwarded-For": {"8.8.8.8, 198.51.100.7"}}, "8.8.8.8"},
		"all trusted: the leftmost":        {proxy, headers{"X-Forwarded-For": {"10.3.3.3, 10.4.4.4"}}, "10.3.3.3"},
		"header lines are one list":        {proxy, headers{"X-Forwarded-For": {"1.1.1.1", "8.8.8.8", "10.1.1.1"}}, "8.8.8.8"},
		"port":                             {proxy, headers{"X-Forwarded-For": {"8.8.8.8:4711"}}, "8.8.8.8"},
		"IPv6":                             {proxy, headers{"X-Forwarded-For": {"2001:db8::1"}}, "2001:db8::1"},
		"IPv6 in brackets with port":       {proxy, headers{"X-Forwarded-For": {"[2001:db8::1]:443"}}, "2001:db8::1"},
		"IPv6 in brackets and quotes":      {proxy, headers{"X-Forwarded-For": {`"[2001:db8::1]"`}}, "2001:db8::1"},
		"mapped address":                   {proxy, headers{"X-Forwarded-For": {"::ffff:8.8.8.8"}}, "8.8.8.8"},
		"empty elements":                   {proxy, headers{"X-Forwarded-For": {"8.8.8.8, ,, "}}, "8.8.8.8"},
		"empty header":                     {proxy, headers{"X-Forwarded-For": {""}}, proxy},
		"garbage ends the walk":            {proxy, headers{"X-Forwarded-For": {"8.8.8.8, nonsense, 10.1.1.1"}}, "10.1.1.1"},
		"unknown ends the walk":            {proxy, headers{"X-Forwarded-For": {"8.8.8.8, unknown"}}, proxy},
		"unspecified is no address":        {proxy, headers{"X-Forwarded-For": {"0.0.0.0"}}, proxy},
		"multicast is no address":          {proxy, headers{"X-Forwarded-For": {"ff02::1"}}, proxy},
		"bad port":                         {proxy, headers{"X-Forwarded-For": {"8.8.8.8:http"}}, proxy},
		"X-Forwarded-For wins":             {proxy, headers{"X-Forwarded-For": {"8.8.8.8"}, "Forwarded": {"for=1.1.1.1"}}, "8.8.8.8"},
		"Forwarded":                        {proxy, headers{"Forwarded": {"for=8.8.8.8;proto=https;by=10.0.0.9"}}, "8.8.8.8"},
		"Forwarded, any case and order":    {proxy, headers{"Forwarded": {`proto=https; FOR="8.8.8.8:80"`}}, "8.8.8.8"},
		"Forwarded IPv6":                   {proxy, headers{"Forwarded": {`for="[2001:db8::1]:47011"`}}, "2001:db8::1"},
		"Forwarded chain":                  {proxy, headers{"Forwarded": {`for=1.1.1.1, for=8.8.8.8;by=x`, `for=10.1.1.1`}}, "8.8.8.8"},
		"Forwarded obfuscated":             {proxy, headers{"Forwarded": {`for=8.8.8.8, for=_hidden, for=10.1.1.1`}}, "10.1.1.1"},
		"Forwarded obfuscated port":        {proxy, headers{"Forwarded": {`for="8.8.8.8:_p1"`}}, "8.8.8.8"},
		"Forwarded without for":            {proxy, headers{"Forwarded": {`for=8.8.8.8, proto=https`}}, proxy},
		"Forwarded twice for":              {proxy, headers{"Forwarded": {`for=8.8.8.8;for=1.1.1.1`}}, proxy},
		"Forwarded comma in quotes":        {proxy, headers{"Forwarded": {`for=8.8.8.8;host="a,for=1.1.1.1"`}}, "8.8.8.8"},
		"Forwarded semicolon in quotes":    {proxy, headers{"Forwarded": {`host="a;for=1.1.1.1";for=8.8.8.8`}}, "8.8.8.8"},
		"Forwarded escaped quote":          {proxy, headers{"Forwarded": {`for=8.8.8.8;host="a\",for=1.1.1.1"`}}, "8.8.8.8"},
		"Forwarded open quote on the left": {proxy, headers{"Forwarded": {`for="1.1.1.1, for=8.8.8.8`}}, "8.8.8.8"},
		"Fly-Client-IP alone":              {proxy, headers{"Fly-Client-Ip": {"8.8.8.8"}}, "8.8.8.8"},
		"Fly-Client-IP garbage":            {proxy, headers{"Fly-Client-Ip": {"x"}}, proxy},
		"Fly-Client-IP beside a list":      {proxy, headers{"Fly-Client-Ip": {"1.1.1.1"}, "X-Forwarded-For": {"8.8.8.8"}}, "8.8.8.8"},
		"too many hops":                    {proxy, headers{"X-Forwarded-For": {"8.8.8.8" + strings.Repeat(",10.1.1.1", 40)}}, "10.1.1.1"},
		"too many empty elements":          {proxy, headers{"X-Forwarded-For": {"8.8.8.8" + strings.Repeat(",", 4000)}}, proxy},
		"too long an element":              {proxy, headers{"X-Forwarded-For": {strings.Repeat("1", 4000)}}, proxy},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := geo.ClientAddress(netip.MustParseAddr(tc.peer), tc.h, trusted(t)).String(); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestInvalidPeerIsNobody(t *testing.T) {
	t.Parallel()
	if got := geo.ClientAddress(netip.Addr{}, http.Header{"X-Forwarded-For": {"8.8.8.8"}}, trusted(t)); got.IsValid() {
		t.Errorf("an unknown peer was believed: %s", got)
	}
}

func TestParseProxies(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"10.0.0.0/8": true, "10.1.2.3/8": true, "192.0.2.1": true, "2001:db8::/32": true, "::1": true,
		"::ffff:10.0.0.0/104": true, "\t10.0.0.0/8": true,
		"0.0.0.0/0": false, "::/0": false, "::ffff:0.0.0.0/96": false, "::ffff:10.0.0.0/64": false,
		"": false, "10.0.0.0/33": false, "proxy.example": false, "10.0.0.0/": false,
	} {
		if _, err := geo.ParseProxies([]string{text}); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
	mapped, err := geo.ParseProxies([]string{"::ffff:10.0.0.0/104"})
	if err != nil || !mapped.Contains(netip.MustParseAddr("10.9.9.9")) {
		t.Errorf("a mapped network does not hold its IPv4 addresses: %v", err)
	}
}

// FuzzClientAddress proves that a caller cannot forge its address: whatever stands left of what the proxy
// appended, on the same line or on lines before it, the answer is what the proxy appended.
func FuzzClientAddress(f *testing.F) {
	for _, seed := range []string{"", "1.1.1.1", `for="1.1.1.1`, `"`, `\"`, `for=_x;a="`, ",,,", "[::1", `x="\\\"`, "10.0.0.1"} {
		f.Add(seed)
	}
	p := trusted(f)
	real, peer := netip.MustParseAddr("203.0.113.77"), netip.MustParseAddr(proxy)
	f.Fuzz(func(t *testing.T, forged string) {
		for _, h := range []http.Header{
			{"X-Forwarded-For": {forged + ", 203.0.113.77"}},
			{"X-Forwarded-For": {forged, "203.0.113.77"}},
			{"X-Forwarded-For": {forged + ",203.0.113.77:99, 10.7.7.7"}},
			{"Forwarded": {forged + ", for=203.0.113.77"}},
			{"Forwarded": {forged, `for="203.0.113.77:4711";proto=https`}},
			{"Forwarded": {forged + `, for="203.0.113.77";host="a,b\"", for="[fd00::1]:80"`}},
		} {
			if got := geo.ClientAddress(peer, h, p); got != real {
				t.Errorf("%v: got %s, want %s", h, got, real)
			}
			if got := geo.ClientAddress(netip.MustParseAddr(stranger), h, p); got.String() != stranger {
				t.Errorf("%v: an untrusted peer was believed: %s", h, got)
			}
		}
		alone := http.Header{"X-Forwarded-For": {forged}, "Forwarded": {forged}, "Fly-Client-Ip": {forged}}
		if got := geo.ClientAddress(peer, alone, p); !got.IsValid() || got.Is4In6() || got.Zone() != "" {
			t.Errorf("%q: got %v", forged, got)
		}
	})
}
