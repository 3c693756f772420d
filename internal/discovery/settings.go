package discovery

// Settings are configuration keys, below consul.
type Settings struct {
	Address string `koanf:"address" help:"this region's Consul agent (host:port); empty: not registered"`
}
