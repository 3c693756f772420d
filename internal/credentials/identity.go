package credentials

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/meridian-commerce/meridian/internal/credentials/filewatch"
)

// The names that certificates are issued for, as DNS names.
const (
	StackName = "stack.meridian.internal"
	EdgeName  = "edge.meridian.internal"
)

// Files are where an identity is kept, PEM.
type Files struct {
	Cert      string // the certificate, and the intermediate ones if there are any
	Key       string // its private key
	Authority string // the certificates of the authorities that the other side's is from
}

// StackFiles are those of a stack. The tags of its fields are configuration keys, below tls.
type StackFiles struct {
	CertFile     string `koanf:"cert_file" help:"stack: its certificate for edges (PEM); with it, only edges with a certificate are answered"`
	KeyFile      string `koanf:"key_file" help:"stack: the certificate's key (PEM)"`
	ClientCAFile string `koanf:"client_ca_file" help:"stack: authorities that edges' certificates are from (PEM)"`
}

// Files returns them.
func (f StackFiles) Files() Files { return Files{f.CertFile, f.KeyFile, f.ClientCAFile} }

// EdgeFiles are those of an edge toward stacks. The tags of its fields are configuration keys, below edge.upstream_tls.
type EdgeFiles struct {
	CertFile string `koanf:"cert_file" help:"edge: its certificate for stacks (PEM); empty: clear text"`
	KeyFile  string `koanf:"key_file" help:"edge: that certificate's key (PEM)"`
	CAFile   string `koanf:"ca_file" help:"edge: authorities that stacks' certificates are from (PEM)"`
}

// Files returns them.
func (f EdgeFiles) Files() Files { return Files{f.CertFile, f.KeyFile, f.CAFile} }

// Set reports whether any file is named.
func (f Files) Set() bool { return f != Files{} }

// Identity is a process's own certificate, and whose it takes. It is safe for concurrent use.
type Identity struct {
	pair      *Pair
	files     *filewatch.Files
	authority string
	pool      atomic.Pointer[x509.CertPool]
}

// Open reads an identity. log may be nil. Errors say which file cannot be used.
func Open(f Files, log *slog.Logger) (*Identity, error) {
	if f.Cert == "" || f.Key == "" || f.Authority == "" {
		return nil, errors.New("credentials: it takes a certificate, a key and an authority")
	}
	pair, err := OpenPair(f.Cert, f.Key, log)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	i := &Identity{pair: pair, authority: f.Authority}
	if i.files, err = filewatch.Open(log, i.read, f.Authority); err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	return i, nil
}

// read takes the authorities up.
func (i *Identity) read() error {
	text, err := os.ReadFile(i.authority)
	if err != nil {
		return err // it names the file, and its callers the operation
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s holds no certificate", i.authority)
	}
	i.pool.Store(pool)
	return nil
}

// Pair is the certificate and its key.
func (i *Identity) Pair() *Pair { return i.pair }

// Refused returns why the files are not in use as they are now; nil: they are.
func (i *Identity) Refused() error { return errors.Join(i.pair.Refused(), i.files.Refused()) }

// Watch takes up new files until ctx is done. It is called once.
func (i *Identity) Watch(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { _ = i.pair.Watch(ctx) }) // it returns no error
	both.Go(func() { i.files.Watch(ctx) })
	both.Wait()
}

// Stack returns the settings of a stack's port: HTTP/2 and HTTP/1.1 over TLS 1.3, for edges.
func (i *Identity) Stack() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS13,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return i.pair.Certificate(), nil },
		// The certificate is verified below, against the authorities of the moment, in resumed sessions too.
		ClientAuth:       tls.RequireAnyClientCert,
		VerifyConnection: func(s tls.ConnectionState) error { return i.verify(s, EdgeName, x509.ExtKeyUsageClientAuth) },
	}
}

// Edge returns the settings by which an edge connects to stacks.
func (i *Identity) Edge() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: StackName,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return i.pair.Certificate(), nil
		},
		InsecureSkipVerify: true, //nolint:gosec // verified below, against the authorities of the moment
		VerifyConnection: func(s tls.ConnectionState) error {
			return i.verify(s, StackName, x509.ExtKeyUsageServerAuth)
		},
	}
}

// verify checks that the other side is what it should be.
func (i *Identity) verify(s tls.ConnectionState, name string, usage x509.ExtKeyUsage) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("credentials: the other side shows no certificate")
	}
	leaf := s.PeerCertificates[0]
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	if !slices.Contains(leaf.DNSNames, name) {
		return fmt.Errorf("credentials: the other side is %q, and not %s", leaf.DNSNames, name)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: i.pool.Load(), Intermediates: between, DNSName: name, KeyUsages: []x509.ExtKeyUsage{usage},
	})
	if err != nil {
		return fmt.Errorf("credentials: the certificate of %s is not taken: %w", name, err)
	}
	return nil
}
