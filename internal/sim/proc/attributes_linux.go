package proc

import "syscall"

// attributes put the child into its own process group, so that the terminal's Ctrl-C reaches only the parent,
// and have the kernel end it when the thread that started it dies.
func attributes(spec Spec) *syscall.SysProcAttr {
	death := spec.DeathWith
	if death == 0 {
		death = syscall.SIGKILL
	}
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death}
	if spec.User != nil {
		a.Credential = &syscall.Credential{Uid: spec.User.UID, Gid: spec.User.GID}
	}
	return a
}
