package harness

import "syscall"

// endsWithParent makes a process get an interrupt when the one that started it ends.
func endsWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT} }
