package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"embed"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// configs are the configurations: each as a plain reverse proxy with TLS in front and kept-alive HTTP/1.1 behind, without
// an access log, and wrk's script. {role} stands for a port.
//
//go:embed configs
var configs embed.FS

// body is what the upstream answers: a product's page of about 1 KiB.
func body() string {
	return `{"product":{"handle":"mug","title":"Enamel mug","description":"` + strings.Repeat("A mug that lasts. ", 50) + `"}}`
}

func (b *bench) writeConfigs() error {
	words := []string{"{dir}", b.dir, "{body}", body()}
	for role, addr := range b.ports {
		words = append(words, "{"+role+"}", addr)
	}
	fill := strings.NewReplacer(words...)
	files, err := configs.ReadDir("configs")
	for _, file := range files {
		text, failed := configs.ReadFile("configs/" + file.Name())
		err = errors.Join(err, failed, os.WriteFile(filepath.Join(b.dir, file.Name()), []byte(fill.Replace(string(text))), 0o600))
	}
	return err
}

// writeCertificate makes the certificate that all servers use.
func writeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("make a certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode a key: %w", err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "cert.pem"), cert, 0o600),
		os.WriteFile(filepath.Join(dir, "key.pem"), secret, 0o600),
		os.WriteFile(filepath.Join(dir, "both.pem"), append(cert, secret...), 0o600),
	)
}
