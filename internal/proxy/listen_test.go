package proxy

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyLoopbackIsListenedOn(t *testing.T) {
	t.Parallel()
	_, err := Listen(Address{TCP: netip.MustParseAddrPort("0.0.0.0:0")})
	require.ErrorContains(t, err, "loopback")
	listener, err := Listen(Address{TCP: netip.MustParseAddrPort("127.0.0.1:0")})
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	address := listener.Addr().String()
	require.Equal(t, []string{address, "localhost" + address[strings.LastIndex(address, ":"):]}, hostsOf(listener))
}

// on is a listener that says that it has an address.
type on struct {
	net.Listener
	address net.Addr
}

func (l on) Addr() net.Addr { return l.address }

func TestHostNeedsNoPortOn80(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string][]string{
		"127.0.0.1": {"127.0.0.1:80", "localhost:80", "127.0.0.1", "localhost"},
		"::1":       {"[::1]:80", "localhost:80", "[::1]", "localhost"},
	} {
		t.Run(ip, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, hostsOf(on{address: &net.TCPAddr{IP: net.ParseIP(ip), Port: 80}}))
		})
	}
}
