package health

// Settings are configuration keys, below capacity.
type Settings struct {
	Requests int `koanf:"requests" default:"256" help:"requests under way, each for its first second, that fill the instance; 0: any number"`
}
