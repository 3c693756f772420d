package credentials

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// The files of an authority for trials.
const (
	authorityFile    = "ca.pem"
	authorityKeyFile = "ca.key"
)

// Authority issues certificates for trials and tests. In production something that keeps its key apart does, such as
// Vault or cert-manager.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	PEM  []byte // its certificate
}

// NewAuthority makes an authority that is valid for so long.
func NewAuthority(now time.Time, valid time.Duration) (*Authority, error) {
	raw, key, err := sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "Meridian internal authority"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(valid),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, nil)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("credentials: make an authority: %w", err)
	}
	return &Authority{cert, key, encode("CERTIFICATE", raw)}, nil
}

// Issue makes a certificate for a name or an IP address, good for either side of a connection but told apart by the name,
// and its key; both PEM. It is valid for as long as the authority.
func (a *Authority) Issue(name string, now time.Time) (cert, key []byte, err error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-time.Hour), NotAfter: a.cert.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.DNSNames = nil
		template.IPAddresses = []net.IP{ip}
	}
	raw, private, err := sign(template, a)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("credentials: issue a certificate: %w", err)
	}
	return encode("CERTIFICATE", raw), encode("PRIVATE KEY", secret), nil
}

// Generate writes an authority for trials and a certificate of each name into a folder, and tells of each file. It
// refuses a folder that holds an authority: what was issued by it would be worth nothing from then on.
func Generate(dir string, now time.Time, valid time.Duration, wrote func(path string)) error {
	if _, err := os.Lstat(filepath.Join(dir, authorityFile)); err == nil {
		return fmt.Errorf("credentials: %s is there already; use another folder, or remove it", filepath.Join(dir, authorityFile))
	}
	a, err := NewAuthority(now, valid)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return fmt.Errorf("credentials: keep the authority's key: %w", err)
	}
	type file struct {
		name    string
		content []byte
	}
	files := []file{{authorityFile, a.PEM}, {authorityKeyFile, encode("PRIVATE KEY", secret)}}
	for short, name := range map[string]string{"stack": StackName, "edge": EdgeName} {
		cert, key, err := a.Issue(name, now)
		if err != nil {
			return err
		}
		files = append(files, file{short + ".pem", cert}, file{short + ".key", key})
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("credentials: %w", err)
	}
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		if err := os.WriteFile(path, f.content, 0o600); err != nil {
			return fmt.Errorf("credentials: %w", err)
		}
		wrote(path)
	}
	return nil
}

func encode(kind string, raw []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw})
}

// sign makes a key, and the certificate of it as a template says, by an authority, or by itself without one.
func sign(template *x509.Certificate, by *Authority) (raw []byte, key *ecdsa.PrivateKey, err error) {
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, nil, fmt.Errorf("credentials: make a key: %w", err)
	}
	if by == nil {
		by = &Authority{cert: template, key: key}
	}
	// Without a number in the template the standard library draws one.
	if raw, err = x509.CreateCertificate(rand.Reader, template, by.cert, key.Public(), by.key); err != nil {
		return nil, nil, fmt.Errorf("credentials: issue a certificate: %w", err)
	}
	return raw, key, nil
}
