// Package config reads a process's configuration: defaults, then a YAML file, then the environment, then flags,
// each over the one before. Every key has one name in all of them: database.url in the file, MERIDIAN_DATABASE_URL
// in the environment, --database.url as a flag. An unknown key is an error that names it.
package config

import (
	"os"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/regions"
)

// Config is what every Meridian process is told. docs/reference/configuration.md explains the keys.
type Config struct {
	Region       regions.Name `koanf:"region"`
	Instance     string       `koanf:"instance"`
	RegionsFile  string       `koanf:"regions_file"`
	Listen       string       `koanf:"listen"`
	AdminListen  string       `koanf:"admin_listen"`
	Advertise    string       `koanf:"advertise"`
	Target       []string     `koanf:"target"`
	OTLPEndpoint string       `koanf:"otlp_endpoint"`

	Log struct {
		Level  string `koanf:"level"`
		Format string `koanf:"format"`
	} `koanf:"log"`
	Shutdown struct {
		Delay   time.Duration `koanf:"delay"`
		Timeout time.Duration `koanf:"timeout"`
	} `koanf:"shutdown"`
	Consul struct {
		Address string `koanf:"address"`
	} `koanf:"consul"`
	Database struct {
		URL              string        `koanf:"url"`
		MaxConns         int32         `koanf:"max_conns"`
		StatementTimeout time.Duration `koanf:"statement_timeout"`
		LockTimeout      time.Duration `koanf:"lock_timeout"`
		AppRole          string        `koanf:"app_role"`
	} `koanf:"database"`
	Redis struct {
		Address      string `koanf:"address"`
		Username     string `koanf:"username"`
		PasswordFile string `koanf:"password_file"`
		TLS          bool   `koanf:"tls"`
		CAFile       string `koanf:"ca_file"`
	} `koanf:"redis"`
	Kafka struct {
		Brokers []string `koanf:"brokers"`
		TLS     bool     `koanf:"tls"`
		CAFile  string   `koanf:"ca_file"`
		SASL    struct {
			Mechanism    string `koanf:"mechanism"`
			Username     string `koanf:"username"`
			PasswordFile string `koanf:"password_file"`
		} `koanf:"sasl"`
	} `koanf:"kafka"`
	Auth struct {
		KeysFile string        `koanf:"keys_file"`
		TokenTTL time.Duration `koanf:"token_ttl"`
	} `koanf:"auth"`
	Account struct {
		DirectoryKeyFile string `koanf:"directory_key_file"`
	} `koanf:"account"`
	Payment struct {
		ProviderURL string `koanf:"provider_url"`
		Concurrency int    `koanf:"concurrency"`
	} `koanf:"payment"`
	Order struct {
		FulfillAfter time.Duration `koanf:"fulfill_after"`
	} `koanf:"order"`
	Capacity struct {
		Requests int `koanf:"requests"`
	} `koanf:"capacity"`
	TLS struct {
		CertFile     string `koanf:"cert_file"`
		KeyFile      string `koanf:"key_file"`
		ClientCAFile string `koanf:"client_ca_file"`
	} `koanf:"tls"`
	Edge struct {
		Consul         map[string]string `koanf:"consul"`
		TrustedProxies []string          `koanf:"trusted_proxies"`
		GeoIPFile      string            `koanf:"geoip_file"`
		PeerNAT        []string          `koanf:"peer_nat"`
		TLSCertFile    string            `koanf:"tls_cert_file"`
		TLSKeyFile     string            `koanf:"tls_key_file"`
		CORSOrigins    []string          `koanf:"cors_origins"`
		Hedge          int               `koanf:"hedge"`
		AccessLog      int               `koanf:"access_log"`
		ACME           struct {
			Domains      []string `koanf:"domains"`
			Email        string   `koanf:"email"`
			DirectoryURL string   `koanf:"directory_url"`
			StorageDir   string   `koanf:"storage_dir"`
			CAFile       string   `koanf:"ca_file"`
			Agree        bool     `koanf:"agree"`
		} `koanf:"acme"`
		UpstreamTLS struct {
			CertFile string `koanf:"cert_file"`
			KeyFile  string `koanf:"key_file"`
			CAFile   string `koanf:"ca_file"`
		} `koanf:"upstream_tls"`
	} `koanf:"edge"`
	Admission struct {
		UserRate     int `koanf:"user_rate"`
		AddressRate  int `koanf:"address_rate"`
		SignInRate   int `koanf:"sign_in_rate"`
		CheckoutRate int `koanf:"checkout_rate"`
		Concurrency  int `koanf:"concurrency"`
	} `koanf:"admission"`
}

// Key is one configuration key: its default and a sentence for --help.
type Key struct {
	Name    string
	Default any // string, int, bool, time.Duration or []string
	Help    string
}

// Keys lists every key.
func Keys() []Key {
	return []Key{
		{"region", "", "the region that this process runs in, as the region catalog names it"},
		{"instance", "", "this process's name, unique in its region; default: the host's name"},
		{"regions_file", "", "region catalog (YAML); default: the built-in one"},
		{"listen", "127.0.0.1:8080", "address of the API"},
		{"admin_listen", "127.0.0.1:9090", "address of /metrics, /healthz and /readyz"},
		{"advertise", "", "host:port at which others reach the API; default: listen"},
		{"target", []string{"all"}, "modules to run: all, or some of account, catalog, cart, order, payment, relay"},
		{"otlp_endpoint", "", "OpenTelemetry collector (URL); empty: traces are not exported"},
		{"log.level", "info", "debug, info, warn or error"},
		{"log.format", "json", "json or text"},
		{"shutdown.delay", 2 * time.Second, "on SIGTERM: how long to go on serving after leaving discovery"},
		{"shutdown.timeout", 20 * time.Second, "on SIGTERM: how long running requests may take to end"},
		{"consul.address", "", "this region's Consul agent (host:port); empty: not registered"},
		{"database.url", "", "postgres:// URL of this region's database gateway"},
		{"database.max_conns", 16, "most connections of this process"},
		{"database.statement_timeout", 3 * time.Second, "most time for one SQL statement, COMMIT included"},
		{"database.lock_timeout", 2 * time.Second, "most time to wait for one row lock"},
		{"database.app_role", "", "migrate: role that is granted to read and write rows; empty: none"},
		{"redis.address", "", "this region's Redis (host:port); empty: no cache"},
		{"redis.username", "", "user of Redis's access lists; empty: its default user"},
		{"redis.password_file", "", "file with Redis's password, read for each new connection; empty: none"},
		{"redis.tls", false, "connect to Redis by TLS"},
		{"redis.ca_file", "", "authorities that Redis's certificate is from (PEM); default: the system's"},
		{"kafka.brokers", []string{}, "this region's Kafka brokers (host:port)"},
		{"kafka.tls", false, "connect to Kafka by TLS"},
		{"kafka.ca_file", "", "authorities that the brokers' certificates are from (PEM); default: the system's"},
		{"kafka.sasl.mechanism", "", "how to sign in to Kafka: SCRAM-SHA-512 or PLAIN; empty: not at all"},
		{"kafka.sasl.username", "", "user of Kafka"},
		{"kafka.sasl.password_file", "", "file with the user's password, read for each new connection"},
		{"auth.keys_file", "", "Ed25519 keys that sign and verify access tokens (meridian keys generate); the public ones verify"},
		{"auth.token_ttl", 5 * time.Minute, "lifetime of an access token"},
		{"account.directory_key_file", "", "secret key of the account directory (meridian keys generate)"},
		{"payment.provider_url", "", "base URL of the payment provider"},
		{"payment.concurrency", 8, "payments of a region worked on at the same time; each may hold a database connection"},
		{"order.fulfill_after", time.Duration(0), "hand over and capture so long after confirmation; 0: never by itself"},
		{"capacity.requests", 256, "requests under way, each for its first second, that fill the instance; 0: any number"},
		{"tls.cert_file", "", "stack: its certificate for edges (PEM); with it, only edges with a certificate are answered"},
		{"tls.key_file", "", "stack: the certificate's key (PEM)"},
		{"tls.client_ca_file", "", "stack: authorities that edges' certificates are from (PEM)"},
		{"edge.consul", []string{}, "edge: each region's own Consul, as region=host:port"},
		{"edge.trusted_proxies", []string{}, "edge: networks whose X-Forwarded-For and geo headers are believed (CIDR)"},
		{"edge.geoip_file", "", "edge: MaxMind country database; empty: headers only"},
		{"edge.peer_nat", []string{}, "edge: address translation toward peers, as real/24=translated/24"},
		{"edge.tls_cert_file", "", "edge: certificate chain (PEM), taken up anew when it changes; empty: clear text"},
		{"edge.tls_key_file", "", "edge: the certificate's key (PEM)"},
		{"edge.acme.domains", []string{}, "edge: domains to have a certificate issued for by ACME, instead of edge.tls_cert_file"},
		{"edge.acme.email", "", "edge: address that the ACME authority may write to"},
		{"edge.acme.directory_url", "", "edge: ACME authority; default: Let's Encrypt"},
		{"edge.acme.storage_dir", "", "edge: folder of what is issued, shared by the edges of the domains"},
		{"edge.acme.ca_file", "", "edge: authorities of the ACME authority's own certificate (PEM); default: the system's"},
		{"edge.acme.agree", false, "edge: agree to the ACME authority's terms, without which nothing is asked"},
		{"edge.upstream_tls.cert_file", "", "edge: its certificate for stacks (PEM); empty: clear text"},
		{"edge.upstream_tls.key_file", "", "edge: that certificate's key (PEM)"},
		{"edge.upstream_tls.ca_file", "", "edge: authorities that stacks' certificates are from (PEM)"},
		{"edge.access_log", 1, "edge: percent of the requests that go well that have a line in the log, as all failed and slow ones have; 0: none"},
		{"edge.hedge", 5, "edge: percent of the reads of global data under way that may be asked of two stacks at once; 0: none"},
		{"edge.cors_origins", []string{}, "edge: web origins whose pages may call the API, or *; empty: none"},
		{"admission.user_rate", 50, "edge: requests of one user in a second, twice as many at once; 0: no limit"},
		{"admission.address_rate", 200, "edge: requests of one address in a second, twice as many at once; 0: no limit"},
		{"admission.sign_in_rate", 30, "edge: sign-ins and sign-ups of one address in a minute; 0: no limit"},
		{"admission.checkout_rate", 60, "edge: orders of one user in a minute; 0: no limit"},
		{"admission.concurrency", 1024, "edge: requests under way in one region, at most; fewer while it is slow; 0: no limit"},
	}
}

// AddFlags gives a command a flag for each key, and --config.
func AddFlags(f *pflag.FlagSet) {
	f.String("config", "", "configuration file (YAML)")
	for _, k := range Keys() {
		switch d := k.Default.(type) {
		case string:
			f.String(k.Name, d, k.Help)
		case int:
			f.Int(k.Name, d, k.Help)
		case bool:
			f.Bool(k.Name, d, k.Help)
		case time.Duration:
			f.Duration(k.Name, d, k.Help)
		case []string:
			f.StringSlice(k.Name, d, k.Help)
		}
	}
}

// Load reads the configuration. f are flags that AddFlags made; environ is as of os.Environ. Errors are
// fault.Invalid (CONFIG_INVALID).
func Load(f *pflag.FlagSet, environ []string) (Config, error) {
	k := koanf.New(".")
	var c Config
	defaults := map[string]any{}
	for _, key := range Keys() {
		defaults[key.Name] = key.Default
	}
	if err := k.Load(confmap.Provider(defaults, "."), nil); err != nil {
		return c, invalid(err, "defaults")
	}
	if path, err := f.GetString("config"); err == nil && path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return c, invalid(err, "file "+path)
		}
	}
	env, err := fromEnvironment(environ)
	if err != nil {
		return c, err
	}
	if err := k.Load(confmap.Provider(env, "."), nil); err != nil {
		return c, invalid(err, "environment")
	}
	if err := k.Load(posflag.ProviderWithFlag(f, ".", k, func(flag *pflag.Flag) (string, any) {
		if _, ours := defaults[flag.Name]; !ours {
			return "", nil // a flag of the command's own
		}
		return flag.Name, posflag.FlagVal(f, flag)
	}), nil); err != nil {
		return c, invalid(err, "flags")
	}
	err = k.UnmarshalWithConf("", &c, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		Result: &c, TagName: "koanf", WeaklyTypedInput: true, ErrorUnused: true,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(pairsToMap, mapstructure.StringToTimeDurationHookFunc(), mapstructure.StringToSliceHookFunc(",")),
	}})
	if err != nil {
		return c, invalid(err, "values")
	}
	c.complete()
	return c, nil
}

func (c *Config) complete() {
	if c.Instance == "" {
		c.Instance, _ = os.Hostname() // an empty name is refused where it matters
	}
	if c.Advertise == "" {
		c.Advertise = c.Listen
	}
}

// Catalog loads the region catalog and checks that the process's region is in it.
func (c *Config) Catalog() (*regions.Catalog, error) {
	catalog := regions.Default()
	if c.RegionsFile != "" {
		var err error
		if catalog, err = regions.Load(c.RegionsFile); err != nil {
			return nil, invalid(err, "regions_file")
		}
	}
	if c.Region != "" {
		if _, known := catalog.Lookup(c.Region); !known {
			return nil, fault.New(fault.Invalid, "CONFIG_INVALID", "region %q is not in the region catalog, which has %v", c.Region, catalog.Names())
		}
	}
	return catalog, nil
}

// Require checks that keys have a value.
func (c *Config) Require(keys ...string) error {
	values := map[string]string{
		"region": string(c.Region), "instance": c.Instance, "database.url": c.Database.URL, "auth.keys_file": c.Auth.KeysFile,
		"account.directory_key_file": c.Account.DirectoryKeyFile, "payment.provider_url": c.Payment.ProviderURL,
		"kafka.brokers": strings.Join(c.Kafka.Brokers, ","),
	}
	for _, key := range keys {
		if values[key] == "" {
			return fault.New(fault.Invalid, "CONFIG_INVALID", "%s is not set: give --%s, %s or the key in the configuration file", key, key, envName(key))
		}
	}
	return nil
}

func fromEnvironment(environ []string) (map[string]any, error) {
	names := map[string]string{}
	for _, k := range Keys() {
		names[envName(k.Name)] = k.Name
	}
	out := map[string]any{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, envPrefix) || name == "MERIDIAN_PLANT" || name == "MERIDIAN_REQUIRE_SERVERS" {
			continue
		}
		key, known := names[name]
		if !known {
			return nil, fault.New(fault.Invalid, "CONFIG_INVALID", "environment variable %s names no configuration key", name)
		}
		out[key] = value
	}
	return out, nil
}

const envPrefix = "MERIDIAN_"

func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func invalid(err error, where string) error {
	return fault.Wrap(err, fault.Invalid, "CONFIG_INVALID", "the configuration cannot be read (%s)", where)
}
