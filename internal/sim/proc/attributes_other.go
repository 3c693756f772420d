//go:build !linux

package proc

import "syscall"

// attributes can promise only a process group here: other kernels have no parent-death signal.
func attributes(Spec) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
