package account

import (
	"encoding/base64"
	"os"
	"strings"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
)

// Settings are configuration keys, below account.
type Settings struct {
	DirectoryKeyFile string `koanf:"directory_key_file" help:"secret key of the account directory (meridian keys generate)"`
	FallbackCurrency string `koanf:"fallback_currency" default:"USD" help:"stack: currency of accounts in whose country's currency nothing has a price"`
	SignInRate       int    `koanf:"sign_in_rate" default:"20" help:"stack: sign-ins to one account in a minute, with whatever password; 0: no limit"`
}

// Fallback returns the fallback currency. Its error is fault.Invalid (CONFIG_INVALID).
func (s Settings) Fallback() (money.Currency, error) {
	c, err := money.ParseCurrency(s.FallbackCurrency)
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "CONFIG_INVALID", "account.fallback_currency is an ISO 4217 code such as EUR")
	}
	return c, nil
}

// DirectoryKey reads the secret that keys e-mail addresses in the directory. Its error is fault.Invalid (CONFIG_INVALID).
func (s Settings) DirectoryKey() ([]byte, error) {
	text, err := os.ReadFile(s.DirectoryKeyFile)
	if err == nil {
		var key []byte
		if key, err = base64.StdEncoding.DecodeString(strings.TrimSpace(string(text))); err == nil {
			return key, nil
		}
	}
	return nil, fault.Wrap(err, fault.Invalid, "CONFIG_INVALID", "the key file %s cannot be used; make one with `meridian keys generate`", s.DirectoryKeyFile)
}
