package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Listen listens on an address. Call it before the program has other goroutines: for a unix socket it changes the
// process's umask for a moment, so that the socket never has another mode than its own.
func Listen(address Address) (net.Listener, error) {
	switch {
	case address.Socket != "":
		return listenUnix(address)
	case !address.TCP.Addr().IsLoopback():
		return nil, errors.New("listen must be a loopback address or a unix socket")
	default:
		return net.Listen("tcp", address.TCP.String())
	}
}

// hostsOf are the values of Host that requests may have: the address with its port, and localhost. Without a port, Host
// means 80. On a unix socket they are nil: no web page can reach one.
func hostsOf(listener net.Listener) []string {
	address, is := listener.Addr().(*net.TCPAddr)
	if !is {
		return nil
	}
	own := netip.AddrPortFrom(address.AddrPort().Addr().Unmap(), address.AddrPort().Port()).String()
	found := []string{own, fmt.Sprint("localhost:", address.Port)}
	if address.Port == 80 {
		found = append(found, strings.TrimSuffix(own, ":80"), "localhost")
	}
	return found
}
