package edge

import (
	"github.com/meridian-commerce/meridian/internal/credentials"
	"github.com/meridian-commerce/meridian/internal/credentials/acme"
)

// Settings are configuration keys, below edge.
type Settings struct {
	Consul                map[string]string     `koanf:"consul" help:"edge: each region's own Consul, as region=host:port"`
	TrustedProxies        []string              `koanf:"trusted_proxies" help:"edge: networks whose X-Forwarded-For and geo headers are believed (CIDR)"`
	GeoIPFile             string                `koanf:"geoip_file" help:"edge: MaxMind country database; empty: headers only"`
	PeerNAT               []string              `koanf:"peer_nat" help:"edge: address translation toward peers, as real/24=translated/24"`
	TLSCertFile           string                `koanf:"tls_cert_file" help:"edge: certificate chain (PEM), taken up anew when it changes; empty: clear text"`
	TLSKeyFile            string                `koanf:"tls_key_file" help:"edge: the certificate's key (PEM)"`
	ACME                  acme.Config           `koanf:"acme"`
	UpstreamTLS           credentials.EdgeFiles `koanf:"upstream_tls"`
	AccessLog             int                   `koanf:"access_log" default:"1" help:"edge: percent of the requests that go well that have a line in the log, as all failed and slow ones have; 0: none"`
	Hedge                 int                   `koanf:"hedge" default:"5" help:"edge: percent of the reads of global data under way that may be asked of two stacks at once; 0: none"`
	Connections           int                   `koanf:"connections" help:"edge: connections of callers at a time; 0: as many as leave descriptors for everything else"`
	ConnectionsPerAddress int                   `koanf:"connections_per_address" default:"512" help:"edge: connections of one address (IPv6: /64; a /56 has four times as many) at a time, but for trusted proxies; 0: no limit"`
	CORSOrigins           []string              `koanf:"cors_origins" help:"edge: web origins whose pages may call the API, or *; empty: none"`
}
