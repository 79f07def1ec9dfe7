package harness

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// An address can be listened on, again and again, and is given out once: to no other test, in this process or another,
// even while nothing listens on it.
func TestAddressesAreHeld(t *testing.T) {
	t.Parallel()
	address, err := FreeAddress()
	require.NoError(t, err)
	for range 2 {
		require.Error(t, reserve(address))
		var listener net.Listener
		// Not at once: a process that another test starts has a copy of the last listener until it has loaded its program.
		Eventually(t, func() bool {
			listener, err = net.Listen("tcp", address)
			return err == nil
		}, "listening on "+address)
		require.Less(t, listener.Addr().(*net.TCPAddr).Port, 32_768, "the least that Linux uses for outgoing connections")
		require.NoError(t, listener.Close())
	}
}

// An address that something listens on is not given out.
func TestTakenAddressIsNotReserved(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })
	require.Error(t, reserve(taken.Addr().String()))
}
