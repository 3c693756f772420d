package credentials_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/credentials/credentialstest"
	"github.com/meridian-commerce/meridian/internal/sqldb"
)

// gateway is a database's gateway as far as the TLS handshake, which it tells the outcome of: who the client is by its
// certificate, or nobody.
func gateway(t *testing.T, clients, own *credentialstest.Authority) (address string, who <-chan string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	secure := own.Server(t, "127.0.0.1")
	secure.ClientAuth, secure.ClientCAs = tls.RequireAndVerifyClientCert, pool(t, clients)
	told := make(chan string, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			told <- greet(conn, secure)
			_ = conn.Close()
		}
	}()
	return listener.Addr().String(), told
}

// greet answers PostgreSQL's request for TLS and shakes hands.
func greet(conn net.Conn, secure *tls.Config) string {
	if _, err := io.ReadFull(conn, make([]byte, 8)); err != nil {
		return ""
	}
	if _, err := conn.Write([]byte("S")); err != nil {
		return ""
	}
	over := tls.Server(conn, secure)
	if err := over.Handshake(); err != nil {
		return ""
	}
	if _, err := over.Read(make([]byte, 1)); err != nil { // a TLS 1.3 client that turns away says so after it is done
		return ""
	}
	return over.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func pool(t *testing.T, a *credentialstest.Authority) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(a.File)
	if err != nil {
		t.Fatal(err)
	}
	out := x509.NewCertPool()
	out.AppendCertsFromPEM(text)
	return out
}

// A database URL's own parameters are enough for TLS in both directions.
func TestDatabaseByTLS(t *testing.T) {
	t.Parallel()
	ours, strangers := credentialstest.NewAuthority(t), credentialstest.NewAuthority(t)
	cert, key := ours.Issue(t, "127.0.0.7")
	for name, tc := range map[string]struct {
		server *credentialstest.Authority
		want   string
	}{"our own gateway": {ours, "127.0.0.7"}, "a stranger": {strangers, ""}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, who := gateway(t, ours, tc.server)
			db, err := sqldb.Open(t.Context(), sqldb.Config{
				URL: "postgres://meridian@" + address + "/meridian?sslmode=verify-full&sslrootcert=" + ours.File + "&sslcert=" + cert + "&sslkey=" + key, MaxConns: 1,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(t.Context(), "SELECT 1"); err == nil {
				t.Error("a gateway that answers nothing answered")
			}
			select {
			case got := <-who:
				if got != tc.want {
					t.Errorf("the gateway met %q, want %q", got, tc.want)
				}
			case <-time.After(5 * time.Minute):
				t.Error("nobody connected")
			}
		})
	}
}

// TestDatabaseCertificatesAreReadAgain: a connection that is made after a renewal shows the new certificate, and the one before while
// a file is half written.
func TestDatabaseCertificatesAreReadAgain(t *testing.T) {
	t.Parallel()
	ours := credentialstest.NewAuthority(t)
	cert, key := ours.Issue(t, "127.0.0.7")
	address, who := gateway(t, ours, ours)
	db, err := sqldb.Open(t.Context(), sqldb.Config{
		URL: "postgres://meridian@" + address + "/meridian?sslmode=verify-full&sslrootcert=" + ours.File + "&sslcert=" + cert + "&sslkey=" + key, MaxConns: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	// Idle connections are made all along, so the next that is met may still be one from before.
	meets := func(want string) {
		t.Helper()
		for range 100 {
			_, _ = db.Exec(t.Context(), "SELECT 1")
			if got := <-who; got == want {
				return
			}
		}
		t.Errorf("the gateway never met %q", want)
	}
	meets("127.0.0.7")
	replace := func(file string, text []byte) {
		t.Helper()
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	replace(cert, []byte("half"))
	meets("127.0.0.7")
	newCert, newKey := ours.Issue(t, "127.0.0.8")
	for from, to := range map[string]string{newCert: cert, newKey: key} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		replace(to, text)
	}
	meets("127.0.0.8")
}
