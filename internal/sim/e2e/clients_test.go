package e2e_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

const clientsPage = "docs/how-to/build-a-client.md"

// language is one of those in which the page makes a client. Its name is that of its section there, and of its folder.
type language struct {
	name     string
	version  string   // a command that fails where no client can be made, and says whose packages are needed
	locked   []string // the files that say which packages
	packages string   // where these then are
	sources  []string // the other files; patterns
	ran      *regexp.Regexp
}

func languages() []language {
	return []language{
		{
			name:    "typescript",
			version: `npm --version && node -p 'if (parseInt(process.versions.node) < 20) process.exit(1); process.version'`,
			locked:  []string{".npmrc", "package.json", "package-lock.json"}, packages: "node_modules",
			sources: []string{"*.json", "*.yaml", "proto", "src", "test"},
			ran:     regexp.MustCompile(`(?m)^\W*pass [1-9]`),
		},
		{
			name:    "python",
			version: `python3 -c 'import sys, ensurepip, venv; print(sys.version); sys.exit(sys.version_info < (3, 10))'`,
			locked:  []string{"requirements.txt"}, packages: "venv",
			sources: []string{"*.py"},
			ran:     regexp.MustCompile(`(?m)^Ran [1-9]`),
		},
	}
}

// TestClients follows the page that tells how to build a client, and so has generated clients run their own cases against
// the edges of three regions, one of which they kill. It is skipped where a language or its packages cannot be had.
func TestClients(t *testing.T) {
	t.Parallel()
	c := start(t, "")
	serveControl(t, c)
	for _, l := range languages() {
		t.Run(l.name, func(t *testing.T) {
			commands := blocks(section(t, clientsPage, l.name))
			installed := l.install(t, commands[0])
			dir := filepath.Join(l.tree(t), "clients", l.name)
			if err := os.Symlink(filepath.Join(installed, l.packages), filepath.Join(dir, l.packages)); err != nil {
				t.Fatal(err)
			}
			out, err := shell(t, dir, strings.Join(commands[1:], ""), fmt.Sprintf("MERIDIAN_NET=%d", c.Plan().Net))
			if err != nil || !l.ran.MatchString(out) {
				t.Fatalf("%v\n%s", err, out)
			}
		})
	}
	t.Run("grpcurl", func(t *testing.T) {
		path := "PATH=" + filepath.Dir(deploytest.Tool(t, "grpcurl")) + string(filepath.ListSeparator) + os.Getenv("PATH")
		here := func(commands string) string {
			return strings.ReplaceAll(commands, "127.0.", fmt.Sprintf("127.%d.", c.Plan().Net))
		}
		out, err := shell(t, t.TempDir(), here(strings.Join(blocks(section(t, clientsPage, "grpcurl")), "")), path)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		const refused = "grpcurl -plaintext 127.0.2.10:8080 meridian.cart.v1.CartService/GetCart 2>&1 || [ $? -eq 80 ]" // 64 and the code
		said, err := shell(t, t.TempDir(), here(refused), path)
		if err != nil {
			t.Errorf("%v\n%s", err, said)
		}
		out += said
		for _, want := range []string{
			"meridian.order.v1.OrderService\n", "rpc SetItem ( .meridian.cart.v1.SetItemRequest ) returns ( .meridian.cart.v1.SetItemResponse )",
			`"nextPageToken":`, `"status": "SERVING"`, "Code: Unauthenticated", `"reason": "TOKEN_MISSING"`,
		} {
			if !strings.Contains(out, want) {
				t.Errorf("it did not print %q:\n%s", want, out)
			}
		}
	})
}

// blocks returns the shell commands of a section, by code block.
func blocks(section string) (out []string) {
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1) {
		out = append(out, block[1])
	}
	return out
}

// shell runs commands in a folder and returns what they printed.
func shell(t *testing.T, dir, commands string, env ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-eu", "-c", commands)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// lockedWrong is what package managers say when the lock is at fault, and not that nothing is to be had.
var lockedWrong = regexp.MustCompile(`EUSAGE|EINTEGRITY|HASHES|--require-hashes mode`)

// install returns a folder with the packages of a language. It is in the cache, by what is locked and for whom.
func (l language) install(t *testing.T, commands string) string {
	t.Helper()
	key, err := shell(t, t.TempDir(), l.version)
	if err != nil {
		t.Skipf("no %s client can be made here: %v\n%s", l.name, err, key)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip("no cache folder: ", err)
	}
	files := map[string][]byte{}
	for _, name := range l.locked {
		text, err := os.ReadFile(filepath.Join(root, "clients", l.name, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = text
		key += string(text)
	}
	all := filepath.Join(cache, "meridian", "clients")
	folder := filepath.Join(all, fmt.Sprintf("%s-%x", l.name, sha256.Sum256([]byte(key)))[:len(l.name)+17])
	if _, err := os.Stat(folder); err == nil {
		return folder
	}
	if err := os.MkdirAll(all, 0o755); err != nil {
		t.Fatal(err)
	}
	made, err := os.MkdirTemp(all, ".new-") //nolint:usetesting // it is renamed, which no other file system allows
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(made) }() // which is not there any more if all went well
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(made, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	switch out, err := shell(t, made, commands); {
	case err != nil && lockedWrong.MatchString(out):
		t.Fatalf("%v\n%s", err, out)
	case err != nil:
		t.Skipf("the packages of the %s client cannot be had here: %v\n%s", l.name, err, out)
	}
	if err := os.Rename(made, folder); err != nil {
		if _, there := os.Stat(folder); there != nil { // not by another run either
			t.Fatal(err)
		}
	}
	return folder
}

// tree returns a folder with the protobuf files and the sources of a language, at the same paths.
func (l language) tree(t *testing.T) string {
	t.Helper()
	names := []string{"api/meridian", "api/buf.yaml"}
	for _, pattern := range l.sources {
		found, err := filepath.Glob(filepath.Join(root, "clients", l.name, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range found {
			names = append(names, filepath.Join("clients", l.name, filepath.Base(file)))
		}
	}
	return deploytest.Copy(t, names...)
}
