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

	"github.com/meridian-commerce/meridian/internal/account"
	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/admission"
	"github.com/meridian-commerce/meridian/internal/credentials"
	"github.com/meridian-commerce/meridian/internal/discovery"
	"github.com/meridian-commerce/meridian/internal/edge"
	"github.com/meridian-commerce/meridian/internal/event/kafka"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/health"
	"github.com/meridian-commerce/meridian/internal/order"
	"github.com/meridian-commerce/meridian/internal/payment"
	"github.com/meridian-commerce/meridian/internal/redis"
	"github.com/meridian-commerce/meridian/internal/sqldb"
	"github.com/meridian-commerce/meridian/internal/telemetry"
	"github.com/meridian-commerce/meridian/regions"
)

// Config configures a Meridian process: each room's own settings, under the name of their group, and what
// belongs to the process itself. docs/reference/configuration.md explains the keys.
type Config struct {
	Region       regions.Name `koanf:"region" help:"the region that this process runs in, as the regions file names it"`
	Instance     string       `koanf:"instance" help:"this process's name, unique in its region; default: the host's name"`
	RegionsFile  string       `koanf:"regions_file" help:"regions file (YAML); default: the built-in one"`
	Listen       string       `koanf:"listen" default:"127.0.0.1:8080" help:"address of the API"`
	AdminListen  string       `koanf:"admin_listen" default:"127.0.0.1:9090" help:"address of /metrics, /healthz and /readyz"`
	Advertise    string       `koanf:"advertise" help:"host:port at which others reach the API; default: listen"`
	Target       []string     `koanf:"target" default:"all" help:"modules to run: all, or some of account, catalog, cart, order, payment, relay"`
	OTLPEndpoint string       `koanf:"otlp_endpoint" help:"OpenTelemetry collector (URL); empty: traces are not exported"`

	Log       telemetry.LogConfig    `koanf:"log"`
	Shutdown  Shutdown               `koanf:"shutdown"`
	Consul    discovery.Settings     `koanf:"consul"`
	Database  sqldb.Config           `koanf:"database"`
	Redis     redis.Config           `koanf:"redis"`
	Kafka     kafka.Config           `koanf:"kafka"`
	Auth      token.Settings         `koanf:"auth"`
	Account   account.Settings       `koanf:"account"`
	Payment   payment.Settings       `koanf:"payment"`
	Order     order.Settings         `koanf:"order"`
	Capacity  health.Settings        `koanf:"capacity"`
	TLS       credentials.StackFiles `koanf:"tls"`
	Edge      edge.Settings          `koanf:"edge"`
	Admission admission.Config       `koanf:"admission"`
}

// Shutdown is how a process ends.
type Shutdown struct {
	Delay   time.Duration `koanf:"delay" default:"2s" help:"on SIGTERM: how long to go on serving after leaving discovery"`
	Timeout time.Duration `koanf:"timeout" default:"20s" help:"on SIGTERM: how long running requests may take to end"`
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

// RegionSet loads the set of regions and checks that the process's region is in it.
func (c *Config) RegionSet() (*regions.Set, error) {
	set := regions.Default()
	if c.RegionsFile != "" {
		var err error
		if set, err = regions.Load(c.RegionsFile); err != nil {
			return nil, invalid(err, "regions_file")
		}
	}
	if c.Region != "" {
		if _, known := set.Lookup(c.Region); !known {
			return nil, fault.New(fault.Invalid, "CONFIG_INVALID", "region %q is not in the set of regions, which has %v", c.Region, set.Names())
		}
	}
	return set, nil
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
