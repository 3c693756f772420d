package main

import (
	"embed"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/credentials"
)

// configs are the configurations: each as a plain reverse proxy with TLS in front and kept-alive HTTP/1.1 behind, without
// an access log. {role} stands for a port.
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
	authority, err := credentials.NewAuthority(time.Now(), 24*time.Hour)
	if err != nil {
		return err
	}
	cert, key, err := authority.Issue("127.0.0.1", time.Now())
	return errors.Join(err,
		os.WriteFile(filepath.Join(dir, "cert.pem"), cert, 0o600),
		os.WriteFile(filepath.Join(dir, "key.pem"), key, 0o600),
		os.WriteFile(filepath.Join(dir, "both.pem"), append(cert, key...), 0o600),
	)
}
