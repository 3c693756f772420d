// Package credentialstest gives tests an authority and certificates of their own, and files with passwords.
package credentialstest

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/credentials"
)

// Authority issues certificates that nothing but its own file makes believed.
type Authority struct {
	File string // its certificate (PEM)

	issuer *credentials.Authority
}

// NewAuthority returns an authority that is valid for an hour.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	issuer, err := credentials.NewAuthority(time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return &Authority{write(t, "ca.pem", issuer.PEM), issuer}
}

// Issue returns the files of a certificate for an IP address and of its key, for servers and clients.
func (a *Authority) Issue(t testing.TB, address string) (cert, key string) {
	t.Helper()
	public, private, err := a.issuer.Issue(address, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "cert.pem", public), write(t, "key.pem", private)
}

// InFolder is where credentials.Generate puts the identity of a stack or an edge.
func InFolder(dir, short string) credentials.Files {
	file := func(name string) string { return filepath.Join(dir, name) }
	return credentials.Files{Cert: file(short + ".pem"), Key: file(short + ".key"), Authority: file("ca.pem")}
}

// Server returns the settings of a server at an IP address.
func (a *Authority) Server(t testing.TB, address string) *tls.Config {
	t.Helper()
	cert, key := a.Issue(t, address)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
}

// PasswordFile returns a file that holds a password, as editors and secret stores write it.
func PasswordFile(t testing.TB, password string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	Rotate(t, file, password)
	return file
}

// Rotate puts another password into a file.
func Rotate(t testing.TB, file, password string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// write puts a file into a folder of its own.
func write(t testing.TB, name string, content []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
