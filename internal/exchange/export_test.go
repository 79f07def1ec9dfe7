package exchange

import "net"

// Remote returns the client as it is for all addresses except those on loopback: with causes in its errors.
func Remote(c Client) Client {
	c.remote = true
	return c
}

// On returns the client as it is on a machine with some addresses, where a resolver resolves names.
func On(c Client, resolver *net.Resolver, own func() ([]net.Addr, error)) Client {
	c.own, c.resolver = own, resolver
	return c
}
