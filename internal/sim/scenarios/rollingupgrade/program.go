package rollingupgrade

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrNoHistory says that a git reference leads nowhere: the history is shallow, or there is none.
var ErrNoHistory = errors.New("rolling-upgrade: no such commit in this repository's history")

// Program returns a meridian program: the file at from, or, if there is none, one that is built from the git
// reference from of the repository that holds dir. Programs are kept in the cache by commit. Errors wrap
// ErrNoHistory where from is neither.
func Program(ctx context.Context, dir, from string, out io.Writer) (string, error) {
	if info, err := os.Stat(from); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
		return filepath.Abs(from)
	}
	commit, err := git(ctx, dir, "rev-parse", "--verify", "--quiet", "--short=12", from+"^{commit}")
	if err != nil {
		return "", fmt.Errorf("%w: %q is neither a program nor a commit: %w", ErrNoHistory, from, err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("rolling-upgrade: cache folder: %w", err)
	}
	program := filepath.Join(cache, "meridian", "releases", commit, "meridian")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	_, _ = fmt.Fprintf(out, "building meridian of %s (%s)\n", from, commit)
	tree, err := os.MkdirTemp("", "meridian-release-")
	if err != nil {
		return "", fmt.Errorf("rolling-upgrade: %w", err)
	}
	defer func() { _ = os.RemoveAll(tree) }() // a copy of what git has
	if err := checkOut(ctx, dir, commit, tree); err != nil {
		return "", err
	}
	return program, Build(ctx, tree, commit, program)
}

// checkOut copies a commit's files into a folder, and leaves the repository as it is.
func checkOut(ctx context.Context, dir, commit, to string) error {
	top, err := git(ctx, dir, "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	packed := filepath.Join(to, "tree.tar")
	if _, err := git(ctx, top, "archive", "--output="+packed, commit); err != nil {
		return err
	}
	_, err = output(ctx, to, "tar", "-xf", packed)
	return err
}

// Build builds the meridian program of a source tree, stamped with a commit.
func Build(ctx context.Context, tree, commit, program string) error {
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		return fmt.Errorf("rolling-upgrade: %w", err)
	}
	building := fmt.Sprintf("%s.%d", program, os.Getpid())
	// Without paths, what is the same in both trees is compiled once.
	if _, err := output(ctx, tree, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-X "+stamp+".Commit="+commit, "-o", building, "./cmd/meridian"); err != nil {
		return err
	}
	if err := os.Rename(building, program); err != nil { // whole, or not there
		return fmt.Errorf("rolling-upgrade: %w", err)
	}
	return nil
}

// stamp is the package that says which build a program is.
const stamp = "github.com/meridian-commerce/meridian/internal/version"

// git runs git in a folder, whoever owns it.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	return output(ctx, dir, "git", append([]string{"-c", "safe.directory=*"}, args...)...)
}

// output runs a program in a folder and returns what it printed.
func output(ctx context.Context, dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("rolling-upgrade: %s %s: %w\n%s", program, strings.Join(args, " "), err, bytes.TrimSpace(errOut.Bytes()))
	}
	return strings.TrimSpace(string(text)), nil
}

// identity is what a program says of itself.
func identity(ctx context.Context, program string) (string, error) {
	return output(ctx, ".", program, "version")
}
