package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"
)

// Listening is a listener for applications.
type Listening struct{ net.Listener }

// Listen listens on an address. Call it before the program has other goroutines: for a unix socket it changes the process's umask
// for a moment, so that the socket never has another mode than its own.
func Listen(address Address) (Listening, error) {
	if address.Socket == "" {
		if !address.TCP.Addr().IsLoopback() {
			return Listening{}, errors.New("listen must be a loopback address or a unix socket")
		}
		listener, err := net.Listen("tcp", address.TCP.String())
		return Listening{listener}, err
	}
	if err := removeStale(address.Socket); err != nil {
		return Listening{}, err
	}
	before := syscall.Umask(int(0o777 &^ address.Mode))
	defer syscall.Umask(before)
	listener, err := net.Listen("unix", address.Socket)
	return Listening{listener}, err
}

// removeStale removes a socket that a process left behind. It removes nothing that is not a socket, or that somebody answers on.
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
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	connection, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err == nil {
		_ = connection.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s is in use by another process", path)
	}
	return os.Remove(path)
}

// hosts are the values of Host that requests may have: the address with its port, and localhost. Without a port, Host means 80. On
// a unix socket they are nil: no web page can reach one.
func (l Listening) hosts() hosts {
	address, is := l.Addr().(*net.TCPAddr)
	if !is {
		return nil
	}
	ip := address.AddrPort().Addr().Unmap()
	port := strconv.Itoa(address.Port)
	found := hosts{netip.AddrPortFrom(ip, address.AddrPort().Port()).String(), "localhost:" + port}
	if address.Port == 80 {
		text := ip.String()
		if ip.Is6() {
			text = "[" + text + "]"
		}
		found = append(found, text, "localhost")
	}
	return found
}
