package redistest

import (
	"net"
	"testing"

	driver "github.com/redis/go-redis/v9"

	"github.com/meridian-commerce/meridian/internal/credentials"
	"github.com/meridian-commerce/meridian/internal/credentials/credentialstest"
	"github.com/meridian-commerce/meridian/internal/nettest"
	"github.com/meridian-commerce/meridian/internal/redis"
)

// What a Secure server knows its callers by.
const (
	DefaultPassword = "of the default user" // Redis's default user
	User            = "meridian"
	UserPassword    = "of-meridian" // User's
)

// Secure is a server that speaks TLS alone and lets in the default user and User.
type Secure struct {
	*Server
	Authority *credentialstest.Authority
}

// StartSecure returns such a server. The test is skipped where Redis is not installed.
func StartSecure(t testing.TB) *Secure {
	t.Helper()
	s := &Secure{Authority: credentialstest.NewAuthority(t)}
	address := nettest.Address(t)
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := s.Authority.Issue(t, host)
	secure, err := credentials.ClientTLS(true, s.Authority.File)
	if err != nil {
		t.Fatal(err)
	}
	s.Server = startWith(t, address, &driver.Options{Password: DefaultPassword, TLSConfig: secure},
		"--requirepass", DefaultPassword, "--user", User, "on", ">"+UserPassword, "~*", "&*", "+@all",
		"--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", s.Authority.File, "--tls-auth-clients", "no")
	return s
}

// Config returns how to get in as a user by the password that a file holds.
func (s *Secure) Config(user, passwordFile string) redis.Config {
	return redis.Config{Address: s.Address, Username: user, PasswordFile: passwordFile, TLS: true, CAFile: s.Authority.File}
}
