package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/regions"
)

// The files of keys: for stacks, which sign, and for edges.
const (
	signingKeys = "auth.json"
	publicKeys  = "jwks.json"
)

// keyFile is where a region's processes read keys, which are brought there as by a secret store; of no region it is where
// operators keep them.
func (c *Cluster) keyFile(region regions.Name, name string) string {
	return filepath.Join(c.state.path, "keys", string(region), name)
}

// shareKeys brings the operators' keys to every region.
func (c *Cluster) shareKeys() error {
	set, err := c.Keys()
	if err != nil {
		return err
	}
	return c.GiveKeys(set, c.plan.Catalog.Names()...)
}

// Keys reads the operators' keys of access tokens.
func (c *Cluster) Keys() (token.KeySet, error) { return token.Load(c.keyFile("", signingKeys)) }

// GiveKeys puts a key set into the files of some regions, which their processes look at every ten seconds.
func (c *Cluster) GiveKeys(set token.KeySet, to ...regions.Name) error {
	for _, region := range to {
		err := os.MkdirAll(c.keyFile(region, ""), 0o700)
		if err = errors.Join(err, set.Save(c.keyFile(region, signingKeys)), set.SavePublic(c.keyFile(region, publicKeys))); err != nil {
			return fmt.Errorf("cluster: keys of %s: %w", region, err)
		}
	}
	return nil
}

// RotateKeys runs `meridian keys rotate` with the operators' files, and more of its command line. What it prints goes to
// out. When the context ends it is killed.
func (c *Cluster) RotateKeys(ctx context.Context, out io.Writer, args ...string) error {
	consuls := map[string]string{}
	for _, r := range c.plan.Regions {
		consuls[string(r.Name)] = r.Consul
	}
	if err := c.writeConfig("operator", settings{"regions_file": c.regionsFile(), "edge.consul": consuls}); err != nil {
		return err
	}
	signing, public := c.keyFile("", signingKeys), c.keyFile("", publicKeys)
	cmd := exec.CommandContext(ctx, c.tools.meridian, append([]string{
		"keys", "rotate", "--config", c.configFile("operator"), "--in", signing, "--public", public,
		"--exec", fmt.Sprintf("cp '%s' '%s' '%s/{region}/'", signing, public, c.keyFile("", "")),
	}, args...)...)
	cmd.Env = environment()
	cmd.Stdout = out
	cmd.Stderr = out
	// Alone in a group, so that what it started is killed with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cluster: meridian keys rotate: %w", errors.Join(err, context.Cause(ctx)))
	}
	return nil
}
