package proxy

import (
	"errors"
	"net"
)

// unixSockets reports whether the proxy can listen on a unix socket. Windows has them, but not their modes, which say
// who may connect.
const unixSockets = false

func listenUnix(Address) (net.Listener, error) {
	return nil, errors.New("there are no unix sockets with modes on Windows")
}
