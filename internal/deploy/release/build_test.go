package release_test

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/meridian-commerce/meridian/internal/deploy/deploytest"
)

// buildLine finds the command of the Dockerfile that builds the program.
var buildLine = regexp.MustCompile(`(?s)\nRUN (?:--mount=\S+\s+(?:\\\n\s+)?)*([A-Z_]+=\S+ .*?go build .*?[^\\])\n`)

// imageContext copies what .dockerignore lets into the build of an image.
func imageContext(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deploytest.Root(t), ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	var in, out []string
	for line := range strings.Lines(string(text)) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "!"):
			in = append(in, line[1:])
		case line != "" && !strings.HasPrefix(line, "#") && !strings.Contains(line, "*"):
			out = append(out, line)
		}
	}
	root := deploytest.Copy(t, in...)
	for _, name := range out {
		if err := os.RemoveAll(filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// build runs the Dockerfile's own command outside of Docker, in the folder root, and returns the program.
func build(t *testing.T, root string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deploytest.Root(t), dockerfile))
	if err != nil {
		t.Fatal(err)
	}
	line := buildLine.FindSubmatch(text)
	if line == nil || bytes.Count(line[1], []byte("/out/meridian")) != 1 {
		t.Fatalf("the Dockerfile builds nothing: %q", line)
	}
	program := filepath.Join(root, "out", "meridian")
	command := strings.Replace(string(line[1]), "/out/meridian", program, 1)
	out, err := deploytest.Run(t.Context(), root, "env", "COMMIT=0123456789ab", "VERSION=v1.2.3", "TARGETOS=linux", "TARGETARCH="+runtime.GOARCH,
		"GOFLAGS=", "GOWORK=off", "sh", "-euc", command)
	if err != nil {
		t.Fatalf("%s\n%v: %s", command, err, out)
	}
	return program
}

func TestImageIsStaticAndReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program twice")
	}
	t.Parallel()
	root, elsewhere := imageContext(t), t.TempDir()
	if err := os.CopyFS(elsewhere, os.DirFS(root)); err != nil {
		t.Fatal(err)
	}
	program := build(t, root)
	t.Run("static", func(t *testing.T) { checkStatic(t, program) })
	t.Run("without rights", func(t *testing.T) { checkWithoutRights(t, program) })

	first, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(build(t, elsewhere))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("two builds of one tree differ")
	}
}

func checkStatic(t *testing.T, program string) {
	t.Helper()
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("it needs a dynamic linker (%v)", p.Type)
		}
	}
}

// checkWithoutRights runs the program as the image does: as nobody in particular, with no environment.
func checkWithoutRights(t *testing.T, program string) {
	t.Helper()
	folder := filepath.Join(filepath.Dir(program), "keys")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(program); dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // a temporary folder is its owner's alone
			t.Fatal(err)
		}
	}
	nobody := &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		nobody.Credential = &syscall.Credential{Uid: 65532, Gid: 65532}
		if err := os.Chown(folder, 65532, 65532); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		args []string
		says string
	}{
		{[]string{"version"}, "v1.2.3 (0123456789ab, go1."},
		{[]string{"health", "--help"}, "meridian health"},
		{[]string{"keys", "generate", "--dir", folder}, "auth.json"},
	} {
		cmd := exec.CommandContext(t.Context(), program, tc.args...)
		cmd.Env, cmd.Dir, cmd.SysProcAttr = []string{}, "/", nobody
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), tc.says) {
			t.Errorf("meridian %s: %v: %s; want %q", strings.Join(tc.args, " "), err, out, tc.says)
		}
	}
}
