package exchange_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/upstreamtest"
)

// machine are addresses of a machine that is not this one.
func machine() ([]net.Addr, error) {
	return []net.Addr{
		&net.IPNet{IP: net.ParseIP("198.51.100.7"), Mask: net.CIDRMask(24, 32)},
		&net.IPNet{IP: net.ParseIP("2001:db8::7"), Mask: net.CIDRMask(64, 128)},
		&net.IPAddr{IP: net.ParseIP("198.51.100.8")},
		&net.IPNet{IP: net.ParseIP("2002:cb00:7109::7"), Mask: net.CIDRMask(48, 128)},
	}, nil
}

// What the faults of an address say.
const (
	needsOption = "is a loopback address, which a login may go to only with the mount's option loopback_logins=true " +
		"(vault secrets enable or tune -options=loopback_logins=true; after tune, reload the plugin)"
	nobodys     = "is link-local, unspecified or multicast; logins cannot go there"
	machines    = "is one of this machine's; loopback_logins=true admits 127.0.0.1, ::1 and localhost alone"
	notNamed    = "is a loopback address; loopback_logins admits those that a URL names as 127.0.0.1, ::1 or localhost"
	notLoopback = "is not a loopback address, although its name is localhost"
	unusual     = "has a host that is neither a name nor an address in the usual spelling"
)

// A URL that names an address of this machine, or one that is nobody's, is refused before anything is sent.
func TestCheckAddress(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]struct{ without, with string }{
		"https://vendor.example":               {"", ""},
		"https://vendor.example:8443/a":        {"", ""},
		"https://xn--bcher-kva.example":        {"", ""},
		"https://localhost.example":            {"", ""},
		"https://203.0.113.9":                  {"", ""},
		"https://10.0.0.1":                     {"", ""},
		"https://[2001:db8::1]":                {"", ""},
		"https://[::ffff:203.0.113.9]":         {"", ""},
		"http://127.0.0.1:8200":                {needsOption, ""},
		"https://127.9.9.9":                    {needsOption, ""},
		"https://[::1]:8200":                   {needsOption, ""},
		"https://[::1%25lo]":                   {needsOption, ""},
		"https://[::ffff:127.0.0.1]":           {needsOption, ""},
		"https://[::ffff:7f00:1]":              {needsOption, ""},
		"https://localhost":                    {needsOption, ""},
		"https://LocalHost.:443":               {needsOption, ""},
		"https://a.localhost":                  {needsOption, ""},
		"https://127.0.0.1.":                   {needsOption, ""},
		"https://0.0.0.0":                      {nobodys, nobodys},
		"https://[::]":                         {nobodys, nobodys},
		"https://[::ffff:0.0.0.0]":             {nobodys, nobodys},
		"https://169.254.169.254":              {nobodys, nobodys},
		"https://[::ffff:169.254.169.254]":     {nobodys, nobodys},
		"https://[fe80::1]":                    {nobodys, nobodys},
		"https://[fe80::1%25eth0]":             {nobodys, nobodys},
		"https://224.0.0.1":                    {nobodys, nobodys},
		"https://239.1.2.3":                    {nobodys, nobodys},
		"https://[ff02::1]":                    {nobodys, nobodys},
		"https://[ff05::2%25eth0]":             {nobodys, nobodys},
		"https://198.51.100.7":                 {machines, machines},
		"https://198.51.100.8":                 {machines, machines},
		"https://198.51.100.9":                 {"", ""},
		"https://[::ffff:198.51.100.7]":        {machines, machines},
		"https://[2001:db8::7]":                {machines, machines},
		"https://[2001:db8::7%25eth0]":         {machines, machines},
		"https://[64:ff9b::203.0.113.9]":       {"", ""},
		"https://[64:ff9b::169.254.169.254]":   {nobodys, nobodys}, // RFC 6052, section 2.1
		"https://[64:ff9b::0.0.0.0]":           {nobodys, nobodys},
		"https://[64:ff9b::127.0.0.1]":         {needsOption, notNamed},
		"https://[64:ff9b::198.51.100.7]":      {machines, machines},
		"https://[2002:a9fe:a9fe::1]":          {nobodys, nobodys}, // RFC 3056, section 2
		"https://[2002:7f00:1::1]":             {needsOption, notNamed},
		"https://[2002:cb00:7109::7]":          {machines, machines},
		"https://[2002:cb00:7109::8]":          {"", ""},
		"https://[::169.254.169.254]":          {nobodys, nobodys}, // RFC 4291, section 2.5.5.1
		"https://[::127.0.0.1]":                {needsOption, notNamed},
		"https://127.1":                        {unusual, unusual},
		"https://2130706433":                   {unusual, unusual},
		"https://0177.0.0.1":                   {unusual, unusual},
		"https://0x7f.1":                       {unusual, unusual},
		"https://vendor.0x7f000001":            {unusual, unusual},
		"https://%EF%BC%91%EF%BC%92%EF%BC%97":  {unusual, unusual}, // full-width 127
		"https://%E2%93%9Bocalhost":            {unusual, unusual}, // a circled l
		"https://":                             {unusual, unusual},
		"https://[::1":                         {"cannot be parsed", "cannot be parsed"},
		"https://vendor.example:canary/canary": {"cannot be parsed", "cannot be parsed"},
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			on := func(option bool) exchange.Client {
				return exchange.On(exchange.Client{LoopbackLogins: option}, nil, machine)
			}
			require.Equal(t, want.without, on(false).CheckAddress(url))
			require.Equal(t, want.with, on(true).CheckAddress(url))
		})
	}
	unknown := exchange.On(exchange.Client{}, nil, func() ([]net.Addr, error) { return nil, io.ErrUnexpectedEOF })
	require.Equal(t, machines, unknown.CheckAddress("https://203.0.113.9"), "any address may be this machine's")
}

// The addresses of this machine are those of its interfaces.
func TestOwnAddressesAreThoseOfTheInterfaces(t *testing.T) {
	t.Parallel()
	own, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, of := range own {
		network, is := of.(*net.IPNet)
		require.True(t, is)
		address, _ := netip.AddrFromSlice(network.IP)
		url := "https://" + netip.AddrPortFrom(address.Unmap(), 443).String()
		require.NotEmpty(t, exchange.Client{}.CheckAddress(url), url)
	}
	require.NotEmpty(t, own)
}

// A name is held to the same rules by each address that it leads to, when that is dialed. Without a guard it is not.
func TestGuardedDials(t *testing.T) {
	t.Parallel()
	server := upstreamtest.New(t, upstreamtest.Body("a.b.c"))
	server.Start()
	for name, test := range map[string]struct {
		host    string
		leadsTo []string
		option  bool
		fault   string // "": it is reached
	}{
		"loopback":                       {"vendor.example.", []string{"127.0.0.1"}, false, needsOption},
		"loopback, with the option":      {"vendor.example.", []string{"127.0.0.1"}, true, notNamed},
		"another loopback":               {"vendor.example.", []string{"127.9.9.9"}, true, notNamed},
		"IPv6 loopback":                  {"vendor.example.", []string{"::1"}, false, needsOption},
		"loopback as IPv6 writes IPv4":   {"vendor.example.", []string{"::ffff:127.0.0.1"}, false, needsOption},
		"metadata of a cloud":            {"vendor.example.", []string{"169.254.169.254"}, true, nobodys},
		"the same as IPv6 writes IPv4":   {"vendor.example.", []string{"::ffff:169.254.169.254"}, true, nobodys},
		"the same through NAT64":         {"vendor.example.", []string{"64:ff9b::169.254.169.254"}, true, nobodys},
		"IPv6 link-local":                {"vendor.example.", []string{"fe80::1"}, true, nobodys},
		"unspecified":                    {"vendor.example.", []string{"0.0.0.0"}, true, nobodys},
		"IPv6 unspecified":               {"vendor.example.", []string{"::"}, true, nobodys},
		"multicast":                      {"vendor.example.", []string{"224.0.0.1"}, true, nobodys},
		"this machine's":                 {"vendor.example.", []string{"198.51.100.7"}, true, machines},
		"this machine's, IPv6":           {"vendor.example.", []string{"2001:db8::7"}, true, machines},
		"several of them":                {"vendor.example.", []string{"127.9.9.9", "127.0.0.1"}, true, notNamed},
		"localhost that leads elsewhere": {"a.localhost", []string{"203.0.113.9"}, true, notLoopback},
		"localhost, with the option":     {"a.localhost", []string{"127.0.0.1"}, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resolver := resolving(t, test.leadsTo...)
			attempts := 0
			url := strings.Replace(server.URL, "127.0.0.1", test.host, 1)
			called := counted(request(url), &attempts)
			called.Guarded = true
			client := exchange.Client{Now: time.Now, Pause: time.Millisecond, LoopbackLogins: test.option}
			answer, err := exchange.On(client, resolver, machine).Do(t.Context(), called)
			if test.fault == "" {
				require.NoError(t, err)
				require.Equal(t, "a.b.c", string(answer.Body))
				return
			}
			requireFailure(t, err, exchange.Unavailable, 0, "its name leads to an address that "+test.fault)
			require.Equal(t, 1, attempts)
			require.Empty(t, answer)
		})
	}
	t.Run("not guarded", func(t *testing.T) {
		t.Parallel()
		url := strings.Replace(server.URL, "127.0.0.1", "vendor.example.", 1)
		client := exchange.On(exchange.Client{Now: time.Now}, resolving(t, "127.0.0.1"), machine)
		_, err := client.Do(t.Context(), request(url))
		require.NoError(t, err)
	})
}

// An address in the URL is refused before it is dialed.
func TestGuardedAddresses(t *testing.T) {
	t.Parallel()
	server := upstreamtest.New(t, upstreamtest.Body("a.b.c"))
	server.Start()
	called := request(server.URL)
	called.Guarded = true
	_, err := exchange.Client{Now: time.Now}.Do(t.Context(), called)
	requireFailure(t, err, exchange.Unavailable, 0, "its address "+needsOption)
	require.Empty(t, server.Headers())

	_, err = exchange.Client{Now: time.Now, LoopbackLogins: true}.Do(t.Context(), called)
	require.NoError(t, err)
}

// childTarget names where a test's process of its own is to go.
const childTarget = "EXCHANGE_TEST_CHILD_TARGET"

// The address of a proxy is not checked. That of the target is, where the URL tells it.
func TestGuardAndProxyOfTheEnvironment(t *testing.T) {
	t.Parallel()
	if target := os.Getenv(childTarget); target != "" {
		called := request(target)
		called.Guarded = true
		answer, err := do(t, called)
		fmt.Printf("child: %s %v\n", answer.Body, err)
		os.Exit(0)
	}
	for name, test := range map[string]struct{ target, want string }{
		"a name":     {"http://vendor.invalid", "child: from the proxy <nil>"},
		"an address": {"http://169.254.169.254", "child:  no answer from 169.254.169.254: its address " + nobodys},
		"localhost":  {"http://localhost.", "child:  no answer from localhost.: its address " + needsOption},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := upstreamtest.New(t, upstreamtest.Body("from the proxy"))
			proxy.Start()
			command := exec.Command(os.Args[0], "-test.run=^TestGuardAndProxyOfTheEnvironment$")
			command.Env = append(os.Environ(), childTarget+"="+test.target,
				"HTTP_PROXY="+proxy.URL, "http_proxy="+proxy.URL, "NO_PROXY=", "no_proxy=")
			printed, err := command.CombinedOutput()
			require.NoError(t, err, string(printed))
			require.Contains(t, string(printed), test.want)
			require.Len(t, proxy.Headers(), map[bool]int{true: 1}[name == "a name"])
		})
	}
}

// resolving is a resolver for which every name leads to some addresses (RFC 1035, section 4.1).
func resolving(t *testing.T, addresses ...string) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		query := make([]byte, 1<<10)
		for {
			n, from, err := server.ReadFrom(query)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil || n < 12 {
				continue
			}
			question := query[12:n]
			end := strings.IndexByte(string(question), 0) + 5
			question = question[:end]
			kind := binary.BigEndian.Uint16(question[end-4:])
			var records []byte
			count := 0
			for _, address := range addresses {
				bytes := netip.MustParseAddr(address).AsSlice()
				if (kind == 1) != (len(bytes) == 4) || (kind != 1 && kind != 28) {
					continue
				}
				count++
				records = append(records, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 60, 0, byte(len(bytes)))
				records = append(records, bytes...)
			}
			answer := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, byte(count), 0, 0, 0, 0}, question...)
			_, _ = server.WriteTo(append(answer, records...), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}
