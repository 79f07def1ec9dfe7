package harness

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// reservations are sockets that hold ports until the process ends.
var reservations struct {
	mu  sync.Mutex
	all []net.PacketConn
}

// FreeAddress is a TCP address on loopback that nothing listens on. Its port is below those that systems use for
// outgoing connections, so none of these takes it before the server does. Nor does another test: the UDP port of the
// same number stays taken until this process ends, so the address can be used again after the server has stopped.
func FreeAddress() (string, error) {
	var failures error
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 12_000+rand.IntN(20_000))
		err := reserve(address)
		if err == nil {
			return address, nil
		}
		failures = errors.Join(failures, err)
	}
	return "", failures
}

// reserve fails where another process of tests has the address, or anything listens on it. It asks by a connection, not
// by listening: a process started meanwhile would hold a copy of that listener until it has loaded its program, and the
// server would find the address in use.
func reserve(address string) error {
	reservation, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	connection, err := net.Dial("tcp", address)
	if err == nil {
		return errors.Join(fmt.Errorf("something listens on %s", address), connection.Close(), reservation.Close())
	}
	reservations.mu.Lock()
	defer reservations.mu.Unlock()
	reservations.all = append(reservations.all, reservation)
	return nil
}
