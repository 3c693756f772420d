package kubecheck

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority issues the certificates by which the parts of a control plane know each other. They last for a day.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// pair is a certificate and its key, as files.
type pair struct{ cert, key string }

func newAuthority(t *testing.T, dir string) *authority {
	t.Helper()
	a := &authority{dir: dir}
	a.cert, a.key = a.issue(t, "authority", pkix.Name{CommonName: "kube-check"}, nil)
	return a
}

// file returns where the authority's own certificate is.
func (a *authority) file() string { return filepath.Join(a.dir, "authority.crt") }

// pair issues a certificate for somebody of some groups, or for a server at loopback.
func (a *authority) pair(t *testing.T, name string, groups ...string) pair {
	t.Helper()
	a.issue(t, name, pkix.Name{CommonName: name, Organization: groups}, []net.IP{net.IPv4(127, 0, 0, 1)})
	return pair{filepath.Join(a.dir, name+".crt"), filepath.Join(a.dir, name+".key")}
}

func (a *authority) issue(t *testing.T, file string, name pkix.Name, addresses []net.IP) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: name, IPAddresses: addresses,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(a.dir, file+".crt"), "CERTIFICATE", der)
	writePEM(t, filepath.Join(a.dir, file+".key"), "PRIVATE KEY", private)
	return cert, key
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// kubeconfig writes a file by which somebody reaches the API server of each region, in a context of the region's name.
func (a *authority) kubeconfig(t *testing.T, who pair, servers map[string]string) string {
	t.Helper()
	type named map[string]any
	var clusters, contexts []named
	for region, url := range servers {
		clusters = append(clusters, named{"name": region, "cluster": named{"server": url, "certificate-authority": a.file()}})
		contexts = append(contexts, named{"name": region, "context": named{"cluster": region, "user": "me"}})
	}
	current := ""
	for region := range servers {
		if len(servers) == 1 { // programs that know no contexts have one to go to
			current = region
		}
	}
	text, err := json.Marshal(named{
		"apiVersion": "v1", "kind": "Config", "clusters": clusters, "contexts": contexts, "current-context": current,
		"users": []named{{"name": "me", "user": named{"client-certificate": who.cert, "client-key": who.key}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := who.key + ".kubeconfig"
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
