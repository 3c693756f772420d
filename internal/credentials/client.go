package credentials

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Errors that this room's are wrapped around.
var (
	ErrPassword  = errors.New("credentials: no password in the file")
	ErrAuthority = errors.New("credentials: bad authorities")
)

// Password reads the password that a file holds now: all of it but the line's end. Errors wrap ErrPassword and show
// nothing of the content.
func Password(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrPassword, err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", fmt.Errorf("%w: %s is empty", ErrPassword, file)
	}
	return password, nil
}

// ClientTLS returns how to connect by TLS 1.2 or newer to servers whose certificates are from the authorities in a file
// (PEM), or from the system's where it is "". The driver gives the server's name, which is checked. Without TLS the
// settings are nil, and a file is an error. Errors wrap ErrAuthority.
func ClientTLS(on bool, authorities string) (*tls.Config, error) {
	switch {
	case !on && authorities != "":
		return nil, fmt.Errorf("%w: %s is for TLS, which is off", ErrAuthority, authorities)
	case !on:
		return nil, nil // no settings are clear text
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if authorities == "" {
		return c, nil
	}
	text, err := os.ReadFile(authorities)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAuthority, err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%w: %s holds no certificate in PEM", ErrAuthority, authorities)
	}
	return c, nil
}
