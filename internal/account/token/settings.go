package token

import "time"

// Settings say where the keys are and how long a token lives. The tags of its fields are configuration keys, below auth.
type Settings struct {
	KeysFile string        `koanf:"keys_file" help:"Ed25519 keys that sign and verify access tokens (meridian keys generate); the public ones verify"`
	TokenTTL time.Duration `koanf:"token_ttl" default:"5m" help:"lifetime of an access token"`
}
