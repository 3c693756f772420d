package account

// Settings are configuration keys, below account.
type Settings struct {
	DirectoryKeyFile string `koanf:"directory_key_file" help:"secret key of the account directory (meridian keys generate)"`
}
