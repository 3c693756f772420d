package rollout

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/meridian-commerce/meridian/regions"
)

// Placeholder stands for the region's name in a command line.
const Placeholder = "{region}"

// Shell returns a command that a shell runs, with the region's name for each {region}. It prints to out; when the
// context ends, the shell and all that it started are asked to end.
func Shell(line string, out io.Writer) Command {
	return func(ctx context.Context, region regions.Name) error {
		text := strings.ReplaceAll(line, Placeholder, string(region))
		cmd := exec.CommandContext(ctx, "sh", "-c", text)
		cmd.Stdout = out
		cmd.Stderr = out
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
		cmd.WaitDelay = 10 * time.Second
		err := cmd.Run()
		if ctx.Err() != nil {
			return fmt.Errorf("`%s` did not end in time: %w", text, ctx.Err())
		}
		if err != nil {
			return fmt.Errorf("`%s`: %w", text, err)
		}
		return nil
	}
}
