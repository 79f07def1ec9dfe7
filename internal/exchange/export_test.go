package exchange

// Remote returns the client as it is for all addresses except those on loopback: with causes in its errors.
func Remote(c Client) Client {
	c.remote = true
	return c
}
