package kubernetes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"

	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

// signing is the secret whose private keys sign access tokens.
const signing = "meridian/keys/auth"

// fetched returns the keys of each secret that is fetched.
func fetched(objects []object) map[string][]string {
	keys := map[string][]string{}
	for _, s := range objects {
		if s.Kind != "ExternalSecret" {
			continue
		}
		name := s.Spec.Target.Name
		if made := s.Spec.Target.Template.Data; made != nil { // then nothing but it
			keys[name] = slices.Sorted(maps.Keys(made))
			continue
		}
		for _, d := range s.Spec.Secrets {
			keys[name] = append(keys[name], d.SecretKey)
		}
	}
	return keys
}

// checkSecrets wants every secret that a pod uses to be fetched, with its keys.
func checkSecrets(o object, objects []object) []string {
	keys := fetched(objects)
	var out []string
	for _, v := range o.Spec.Template.Spec.Volumes {
		if name := v.Secret.Name; name != "" && keys[name] == nil {
			out = append(out, "no ExternalSecret fetches "+name)
		}
	}
	for _, c := range o.Spec.Template.Spec.Containers {
		for _, e := range c.Env {
			if s := e.From.Secret; s.Name != "" && !slices.Contains(keys[s.Name], s.Key) {
				out = append(out, fmt.Sprintf("no ExternalSecret fetches %s of %s", s.Key, s.Name))
			}
		}
	}
	for _, s := range []secretKey{o.Spec.TLS.CA.Secret, o.Spec.Authorization.Credentials} { // of a ScrapeConfig
		if s.Name != "" && !slices.Contains(keys[s.Name], s.Key) {
			out = append(out, fmt.Sprintf("no ExternalSecret fetches %s of %s", s.Key, s.Name))
		}
	}
	return out
}

// mounted reports whether a file is one of a secret that the pod's first container mounts.
func mounted(p pod, file string, objects []object) bool {
	for _, m := range p.Containers[0].Mounts {
		for _, v := range p.Volumes {
			if m.Path == path.Dir(file) && m.Name == v.Name && slices.Contains(fetched(objects)[v.Secret.Name], path.Base(file)) {
				return true
			}
		}
	}
	return false
}

// privateKeys returns the secrets that hold the private keys as they are.
func privateKeys(objects []object) []string {
	var out []string
	for _, s := range objects {
		for _, d := range s.Spec.Secrets {
			if s.Kind == "ExternalSecret" && d.Remote.Key == signing && s.Spec.Target.Template.Data == nil {
				out = append(out, s.Spec.Target.Name)
			}
		}
	}
	return out
}

// gossipKeys returns the secrets that hold the key by which Consul's agents and servers gossip.
func gossipKeys(objects []object) []string {
	var out []string
	for _, s := range objects {
		for _, d := range s.Spec.Secrets {
			if s.Kind == "ExternalSecret" && d.Remote.Property == "gossip_key" {
				out = append(out, s.Spec.Target.Name)
			}
		}
	}
	return out
}

// checkConsuls wants an edge to ask the Consul of every other region by TLS, to know the authority of its certificate,
// and to be let through to it.
func checkConsuls(o object, cfg config.Config, environ []string, objects []object) []string {
	p := o.Spec.Template
	var out []string
	authority := ""
	for _, e := range environ {
		if file, ok := strings.CutPrefix(e, "CONSUL_CACERT="); ok {
			authority = file
		}
	}
	if !mounted(p.Spec, authority, objects) {
		out = append(out, fmt.Sprintf("the authority of Consul's, %q, is in no mounted secret", authority))
	}
	for _, region := range slices.Sorted(maps.Keys(cfg.Edge.Consul)) {
		address, secure := strings.CutPrefix(cfg.Edge.Consul[region], "https://")
		if !secure && region != string(cfg.Region) {
			out = append(out, "it asks the Consul of "+region+" in clear text")
		}
		_, port, _ := net.SplitHostPort(address)
		if !slices.ContainsFunc(objects, func(n object) bool {
			return n.Kind == "NetworkPolicy" && n.Spec.PodSelector.matches(p.Metadata.Labels) &&
				slices.ContainsFunc(n.Spec.Egress, func(r rule) bool {
					return slices.ContainsFunc(r.ports(), func(n int) bool { return strconv.Itoa(n) == port })
				})
		}) {
			out = append(out, "no NetworkPolicy lets it reach the Consul of "+region+" at port "+port)
		}
	}
	return out
}

// checkListed wants Consul, where a process registers, to be able to ask for its health.
func checkListed(o object, cfg config.Config, objects []object) string {
	_, port, _ := net.SplitHostPort(cfg.AdminListen)
	if cfg.Consul.Address == "" || slices.ContainsFunc(objects, func(n object) bool {
		return n.Kind == "NetworkPolicy" && n.Spec.PodSelector.matches(o.Spec.Template.Metadata.Labels) && slices.ContainsFunc(n.Spec.Ingress, func(r rule) bool {
			return slices.ContainsFunc(r.ports(), func(n int) bool { return strconv.Itoa(n) == port }) &&
				slices.ContainsFunc(r.From, func(p peer) bool { return p.Pods != nil && p.Pods.Labels["app.kubernetes.io/name"] == "consul" })
		})
	}) {
		return ""
	}
	return "no NetworkPolicy lets Consul ask for its health at port " + port
}

// holds reports whether a pod has a volume of one of the secrets.
func holds(p pod, secrets []string) bool {
	return slices.ContainsFunc(p.Volumes, func(v volume) bool { return slices.Contains(secrets, v.Secret.Name) })
}

// TestPublicKeys fills in the template of the public keys, with the functions of the operator's that it uses, and has
// the product read the result.
func TestPublicKeys(t *testing.T) {
	t.Parallel()
	text, err := deploytest.Run(t.Context(), deploytest.Root(t)+"/deploy/k8s/base", deploytest.Tool(t, "kustomize"), "build", ".")
	if err != nil {
		t.Fatal(text)
	}
	secret, ok := find(parse(t, text), "ExternalSecret", "public-keys")
	if !ok || len(secret.Spec.Secrets) != 1 || secret.Spec.Secrets[0].Remote.Key != signing {
		t.Fatalf("public-keys is not made of %s: %+v", signing, secret.Spec)
	}
	set, err := token.Generate(clock.System())
	if err != nil {
		t.Fatal(err)
	}
	if set, err = set.Publish(clock.System()); err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/auth.json"
	if err := set.Save(file); err != nil {
		t.Fatal(err)
	}
	private, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	public := fill(t, secret.Spec.Target.Template.Data["jwks.json"], map[string]string{secret.Spec.Secrets[0].SecretKey: string(private)})
	got, err := token.Parse([]byte(public))
	if err != nil || got.Signs() || strings.Contains(public, `"d"`) {
		t.Fatalf("%v: %s", err, public)
	}
	want, err := set.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	if served, err := got.JWKS(); err != nil || !bytes.Equal(served, want) {
		t.Errorf("the keys are %s, want %s (%v)", served, want, err)
	}
}

// fill executes a template as the operator does.
func fill(t *testing.T, text string, data map[string]string) string {
	t.Helper()
	parsed, err := template.New("").Funcs(template.FuncMap{
		"fromJson": func(text string) any {
			var v any
			if err := json.Unmarshal([]byte(text), &v); err != nil {
				t.Error(err)
			}
			return v
		},
		"toJson": func(v any) string {
			text, err := json.Marshal(v)
			if err != nil {
				t.Error(err)
			}
			return string(text)
		},
		"omit": func(m map[string]any, keys ...string) map[string]any {
			out := maps.Clone(m)
			for _, k := range keys {
				delete(out, k)
			}
			return out
		},
	}).Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, data); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
