package credentials_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/credentials"
	"github.com/meridian-commerce/meridian/internal/credentials/credentialstest"
)

func TestPassword(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	for text, want := range map[string]string{
		"secret": "secret", "secret\n": "secret", "secret\r\n": "secret", "two words\n": "two words", "": "", "\n": "",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := credentials.Password(file)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, credentials.ErrPassword) {
			t.Errorf("of %q: %q, %v", text, got, err)
		}
	}
	absent := filepath.Join(t.TempDir(), "absent")
	if _, err := credentials.Password(absent); !errors.Is(err, credentials.ErrPassword) || !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), absent) {
		t.Errorf("of no file: %v", err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	if c, err := credentials.ClientTLS(false, ""); c != nil || err != nil {
		t.Errorf("off: %v, %v", c, err)
	}
	if c, err := credentials.ClientTLS(true, ""); err != nil || c.RootCAs != nil || c.InsecureSkipVerify {
		t.Errorf("by the system's authorities: %+v, %v", c, err)
	}
	authority := credentialstest.NewAuthority(t)
	if c, err := credentials.ClientTLS(true, authority.File); err != nil || c.RootCAs == nil || c.InsecureSkipVerify {
		t.Errorf("by our own: %+v, %v", c, err)
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, refused := range map[string]struct {
		on   bool
		file string
	}{"a file without TLS": {false, authority.File}, "no file": {true, "absent.pem"}, "no certificate": {true, empty}} {
		if _, err := credentials.ClientTLS(refused.on, refused.file); !errors.Is(err, credentials.ErrAuthority) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
