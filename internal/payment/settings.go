package payment

// Settings are configuration keys, below payment.
type Settings struct {
	ProviderURL string `koanf:"provider_url" help:"base URL of the payment provider"`
	Concurrency int    `koanf:"concurrency" default:"8" help:"payments of a region worked on at the same time; each may hold a database connection"`
}
