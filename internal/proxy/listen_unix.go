//go:build !windows

package proxy

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// unixSockets reports whether the proxy can listen on a unix socket.
const unixSockets = true

// listenUnix listens on a unix socket, which has its mode from the beginning.
func listenUnix(address Address) (net.Listener, error) {
	if err := removeStale(address.Socket); err != nil {
		return nil, err
	}
	before := syscall.Umask(int(0o777 &^ address.Mode))
	defer syscall.Umask(before)
	return net.Listen("unix", address.Socket)
}

// removeStale removes a socket that a process left behind. It removes nothing that is not a socket, or that somebody
// answers on.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there already, and is not a socket: remove it, or listen elsewhere", path)
	}
	connection, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = connection.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s is in use by another process", path)
	}
	return os.Remove(path)
}
