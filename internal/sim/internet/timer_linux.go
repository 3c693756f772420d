package internet

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// timer waits with the kernel's high-resolution clock. The runtime's own timers round up to a whole
// millisecond on an idle Linux machine, which two directions and four waits would make visible.
type timer struct {
	fd   int
	file *os.File
}

func newTimer() (*timer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("internet: create timer: %w", err)
	}
	return &timer{fd: fd, file: os.NewFile(uintptr(fd), "timer")}, nil
}

// wait returns at a time. One goroutine at a time may wait.
func (t *timer) wait(until time.Time) error {
	left := time.Until(until)
	if left <= 0 {
		return nil
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(left))}
	if err := unix.TimerfdSettime(t.fd, 0, &spec, nil); err != nil {
		return fmt.Errorf("internet: arm timer: %w", err)
	}
	var expirations [8]byte
	_, err := t.file.Read(expirations[:])
	return err
}

func (t *timer) close() { _ = t.file.Close() }
