//go:build !linux

package harness

import "syscall"

// endsWithParent does nothing: only Linux can end a process with the one that started it.
func endsWithParent() *syscall.SysProcAttr { return nil }
