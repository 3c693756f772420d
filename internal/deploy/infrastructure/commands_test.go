package infrastructure

import (
	"crypto/tls"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

// stubs stand in for the programs that need a cloud. They do what these do with what they are given: ACM encrypts with every
// byte of the passphrase, and a secret holds what was put into it.
var stubs = map[string]string{
	"meridian": `[ "$*" = "keys generate" ] && echo a >auth.json && echo b >directory.key`,
	"kubectl":  `echo "$*" >>kubectl.log`,
	"terraform": `case "$*" in
*"output -raw certificate_arn") printf arn:aws:acm:one;;
*"output -json overlays") cat overlays.json;;
*"output -json kubeconfig") echo '{"one": "kubectl one", "two": "kubectl two"}';;
*) echo "terraform $*: unknown" >&2; exit 1;;
esac`,
	"aws": `file() { while [ $# -gt 1 ]; do [ "$1" = "$option" ] && echo "${2#file*://}"; shift; done; }
case "${AWS_REGION:-} $*" in "us-east-1 "*|*" --region us-east-1 "*) ;; *) echo "aws $*: not in the first region" >&2; exit 1;; esac
case "$1 $2" in
"acm export-certificate")
  option=--passphrase
  P=$(cat "$(file "$@")"; printf x) && P=${P%x} && export P
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=api -days 1 -keyout plain.key -out cert.pem 2>openssl.log
  openssl pkcs8 -topk8 -in plain.key -passout env:P -out sealed.key
  jq -n --rawfile c cert.pem --rawfile k sealed.key '{Certificate: $c, CertificateChain: "", PrivateKey: $k}';;
"secretsmanager put-secret-value")
  option=--secret-string; from=$(file "$@")
  option=--secret-id; cp "$from" "secret-$(file "$@" | tr / -)";;
*) echo "aws $*: unknown" >&2; exit 1;;
esac`,
}

// follow runs what the readme says from one step's comment up to the next, in a folder with stubs, and returns the folder.
func follow(t *testing.T, readme string, overlays map[string]map[string]string, steps ...string) (string, error) {
	t.Helper()
	for _, program := range []string{"jq", "openssl", "shred", "base64"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("SKIPPED: %s is not in PATH", program)
		}
	}
	dir := t.TempDir()
	write := func(file, text string) {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "stubs"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, body := range stubs {
		write("stubs/"+name, "#!/bin/sh\nset -eu\n"+body+"\n")
	}
	text, err := json.Marshal(overlays)
	if err != nil {
		t.Fatal(err)
	}
	write("overlays.json", string(text))
	script := "set -eu\nPATH=$PWD/stubs:$PATH\n"
	for _, step := range steps {
		_, body, found := strings.Cut(readme, step)
		if !found {
			t.Fatalf("the readme has no step %q", step)
		}
		body, _, _ = strings.Cut(body, "\n```")
		body, _, _ = strings.Cut(body, "\n\n# ")
		script += "# " + body + "\n"
	}
	out, err := deploytest.Run(t.Context(), dir, "sh", "-c", script)
	t.Log(out)
	return dir, err
}

// TestCommands follows the steps of the readme that make secrets and overlays.
func TestCommands(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(deploytest.Root(t), "terraform/README.md"))
	if err != nil {
		t.Fatal(err)
	}
	overlays := map[string]map[string]string{
		"one": {"kustomization.yaml": "a: \"b\"\nc: ${d}\n", "target-group.yaml": "e: 'f'\n"},
		"two": {"kustomization.yaml": "g: h\n"},
	}
	try := func(t *testing.T, readme string) (wrong []string) {
		t.Helper()
		dir, err := follow(t, readme, overlays, "# 4. ", "# 5. ")
		if err != nil {
			return []string{err.Error()}
		}
		for region, files := range overlays {
			for file, want := range files {
				if got, err := os.ReadFile(filepath.Join(dir, "deploy/k8s/site", region, file)); err != nil || string(got) != want {
					wrong = append(wrong, region+"/"+file+" is "+string(got))
				}
			}
		}
		var secret struct{ Certificate, Key string }
		if text, err := os.ReadFile(filepath.Join(dir, "secret-meridian-edge-tls")); err != nil {
			wrong = append(wrong, err.Error())
		} else if err := json.Unmarshal(text, &secret); err != nil {
			wrong = append(wrong, err.Error())
		}
		if _, err := tls.X509KeyPair([]byte(secret.Certificate), []byte(secret.Key)); err != nil {
			wrong = append(wrong, "the edge's secret: "+err.Error())
		}
		for _, file := range []string{"pass", "exported.json", "tls.key", "tls.json"} {
			if _, err := os.Stat(filepath.Join(dir, file)); err == nil {
				wrong = append(wrong, file+" is left behind")
			}
		}
		if log, _ := os.ReadFile(filepath.Join(dir, "kubectl.log")); string(log) != "one\ntwo\n" {
			wrong = append(wrong, "kubectl was told "+string(log))
		}
		return wrong
	}
	if wrong := try(t, string(readme)); len(wrong) > 0 {
		t.Error(strings.Join(wrong, "\n"))
	}
	for what, m := range map[string][2]string{
		"whichever region is the default": {"export AWS_REGION=us-east-1\n", ""},
		"a passphrase with a line's end":  {" | tr -d '\\n' >pass", " >pass"},
		"everything in base64":            {`"\($r) \(.key) \(.value|@base64)"`, `@base64 "\($r|@text) \(.key|@text) \(.value)"`},
	} {
		mistaken := strings.Replace(string(readme), m[0], m[1], 1)
		if mistaken == string(readme) {
			t.Fatalf("%s: the readme has changed", what)
		}
		if wrong := try(t, mistaken); len(wrong) == 0 {
			t.Errorf("%s is not found", what)
		}
	}
}
