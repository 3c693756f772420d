package credentialstest

import (
	"net"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/meridian-commerce/meridian/internal/access/redisaccess"
	"github.com/meridian-commerce/meridian/internal/cache/redistest"
	"github.com/meridian-commerce/meridian/internal/credentials"
	"github.com/meridian-commerce/meridian/internal/nettest"
)

// What Redis knows its callers by.
const (
	DefaultPassword = "of the default user" // Redis's default user
	User            = "meridian"
	UserPassword    = "of-meridian" // User's
)

// Redis is a real redis-server that speaks TLS alone and lets in the default user and User.
type Redis struct {
	*redistest.Server
	Authority *Authority
}

// StartRedis returns such a server. The test is skipped where Redis is not installed.
func StartRedis(t testing.TB) *Redis {
	t.Helper()
	r := &Redis{Authority: NewAuthority(t)}
	address := nettest.Address(t)
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := r.Authority.Issue(t, host)
	secure, err := credentials.ClientTLS(true, r.Authority.File)
	if err != nil {
		t.Fatal(err)
	}
	r.Server = redistest.StartWith(t, address, &redis.Options{Password: DefaultPassword, TLSConfig: secure},
		"--requirepass", DefaultPassword, "--user", User, "on", ">"+UserPassword, "~*", "&*", "+@all",
		"--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", r.Authority.File, "--tls-auth-clients", "no")
	return r
}

// Access returns how to get in as a user by the password that a file holds.
func (r *Redis) Access(user, passwordFile string) redisaccess.Access {
	return redisaccess.Access{Username: user, PasswordFile: passwordFile, TLS: true, CAFile: r.Authority.File}
}
