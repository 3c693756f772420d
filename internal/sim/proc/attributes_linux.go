package proc

import (
	"cmp"
	"syscall"
)

// attributes put the child into its own process group, so that the terminal's Ctrl-C reaches only the parent,
// and have the kernel end it when the thread that started it dies.
func attributes(spec Spec) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: cmp.Or(spec.DeathWith, syscall.SIGKILL), Credential: spec.User}
}
