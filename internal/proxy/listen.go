package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Listening is a listener for applications.
type Listening struct{ net.Listener }

// Listen listens on an address. Call it before the program has other goroutines: for a unix socket it changes the
// process's umask for a moment, so that the socket never has another mode than its own.
func Listen(address Address) (Listening, error) {
	if address.Socket == "" {
		if !address.TCP.Addr().IsLoopback() {
			return Listening{}, errors.New("listen must be a loopback address or a unix socket")
		}
		listener, err := net.Listen("tcp", address.TCP.String())
		return Listening{listener}, err
	}
	return listenUnix(address)
}

// hosts are the values of Host that requests may have: the address with its port, and localhost. Without a port, Host
// means 80. On a unix socket they are nil: no web page can reach one.
func (l Listening) hosts() hosts {
	address, is := l.Addr().(*net.TCPAddr)
	if !is {
		return nil
	}
	own := netip.AddrPortFrom(address.AddrPort().Addr().Unmap(), address.AddrPort().Port()).String()
	found := hosts{own, fmt.Sprint("localhost:", address.Port)}
	if address.Port == 80 {
		found = append(found, strings.TrimSuffix(own, ":80"), "localhost")
	}
	return found
}
