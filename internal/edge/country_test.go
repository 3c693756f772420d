package edge

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/meridian-commerce/meridian/geo"
	"github.com/meridian-commerce/meridian/regions"
)

// countryFile returns the real country database of `make geoip`, or skips the test.
func countryFile(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	path := filepath.Join(cache, "meridian", "geoip", "country.mmdb")
	if _, err := os.Stat(path); err != nil {
		t.Skip("there is no country database; `make geoip` fetches one")
	}
	return path
}

// reserved is the IPv4 space that is not assigned to anyone on the Internet (IANA's special-purpose registry).
func reserved() (out []netip.Prefix) {
	for _, p := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "224.0.0.0/3",
	} {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// publicAddresses draws n addresses evenly over the public IPv4 space.
func publicAddresses(seed uint64, n int) []netip.Addr {
	random, closed := rand.New(rand.NewPCG(seed, 0)), reserved()
	out := make([]netip.Addr, 0, n)
draw:
	for len(out) < n {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], random.Uint32())
		addr := netip.AddrFrom4(b)
		for _, p := range closed {
			if p.Contains(addr) {
				continue draw
			}
		}
		out = append(out, addr)
	}
	return out
}

// expected says where the set of regions wants callers at an address, as a second reader of the database sees it;
// "" when the database does not have the address.
func expected(t *testing.T, db *maxminddb.Reader, set *regions.Set, addr netip.Addr) (country string, region regions.Name) {
	t.Helper()
	result := db.Lookup(addr)
	if !result.Found() {
		return "", ""
	}
	if err := result.DecodePath(&country, "country_code"); err != nil {
		t.Fatal(err)
	}
	region, _ = set.Prefers(country)
	return country, region
}

// TestCountriesOfTheInternet locates 10,000 real addresses.
func TestCountriesOfTheInternet(t *testing.T) {
	t.Parallel()
	path := countryFile(t)
	e, err := newEdge(Config{Regions: regions.Default(), Region: eu, GeoIPFile: path}, Deps{Tokens: tokens{}}, &fleet{})
	if err != nil {
		t.Fatal(err)
	}
	db, err := maxminddb.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	const seed, draws = 1, 10_000
	found, by := 0, map[regions.Name]int{}
	for _, addr := range publicAddresses(seed, draws) {
		country, region := expected(t, db, e.regions, addr)
		got := e.locator.Locate(geo.Caller{Peer: addr})
		switch {
		case country == "":
			if got.Source != geo.SourceEdge || got.Region != eu {
				t.Errorf("seed %d: %v, which the database does not have, is at %+v", seed, addr, got)
			}
			continue
		case region == "":
			t.Errorf("seed %d: %v is in %q, which no region is for", seed, addr, country)
		case got.Region != region || got.Country != country || got.Source != geo.SourceGeoIP:
			t.Errorf("seed %d: %v in %s is at %+v, want %s", seed, addr, country, got, region)
		}
		found++
		by[got.Region]++
	}
	t.Logf("%d of %d addresses found: %v", found, draws, by)
	if found < draws*9/10 || len(by) != len(e.regions.Names()) {
		t.Errorf("only %d addresses were found, in %v", found, by)
	}
}

// TestSwapUnderLoad replaces the database, at times by a torn one, while callers ask; each is served where it
// should be.
func TestSwapUnderLoad(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(countryFile(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "country.mmdb")
	replace := func(b []byte) {
		if err := os.WriteFile(path+".new", b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	replace(content)
	s := newSite(t)
	cfg := Config{Regions: regions.Default(), Region: eu, TrustedProxies: []string{"127.0.0.1"}, GeoIPFile: path}
	if err := s.edge.decideBy(cfg); err != nil {
		t.Fatal(err)
	}
	for _, n := range []regions.Name{us, eu, ap} {
		s.add(t, n, string(n), echo)
	}
	db, err := maxminddb.OpenBytes(content)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var callers sync.WaitGroup
	served := make([]int, 4)
	for i := range served {
		addresses := publicAddresses(uint64(i), 1000)
		callers.Go(func() {
			for {
				addr := addresses[served[i]%len(addresses)]
				want := string(eu)
				if _, region := expected(t, db, s.edge.regions, addr); region != "" {
					want = string(region)
				}
				got := s.send(t, http.MethodPost, signUp, "{}", "X-Forwarded-For", addr.String())
				if got.status != http.StatusOK || got.Get("Stack") != want {
					t.Errorf("%v: got %d from %q, want %q", addr, got.status, got.Get("Stack"), want)
				}
				served[i]++
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	swaps := 0
	for i := range 20 {
		replace(content[:len(content)/(1+i%2)]) // every other one is torn
		changed, err := s.edge.geoip.Reload()
		if torn := i%2 == 1; torn != (err != nil) || changed == torn {
			t.Errorf("swap %d: changed %v, error %v", i, changed, err)
		}
		swaps++
	}
	close(stop)
	callers.Wait()
	t.Log(fmt.Sprint(swaps, " swaps; requests served: ", served))
}
