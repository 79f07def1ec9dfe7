package exchange

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// LoopbackOption is the option of a mount that becomes Client.LoopbackLogins.
const LoopbackOption = "loopback_logins"

// refusedAddressError is the error of a dial that a guarded exchange must not make.
type refusedAddressError struct{ fault string }

func (e *refusedAddressError) Error() string { return e.fault }

// CheckAddress says why a guarded request may not go to a URL, as far as its host tells without a name being resolved;
// "" if it may. The text follows the name of the URL. It quotes nothing.
//
// Link-local, unspecified and multicast addresses are always refused. Those of this machine are refused too, because
// what listens there may trust it, as Vault Agent's and Vault Proxy's listeners do; with LoopbackLogins, loopback
// itself may be named. An exchange holds the addresses that a name leads to against the same rules.
func (c Client) CheckAddress(address string) (fault string) {
	parsed, err := url.Parse(address)
	if err != nil {
		return "cannot be parsed"
	}
	host := strings.TrimRight(parsed.Hostname(), ".")
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil:
		return c.refuses(ip, namesLoopback(host))
	case namesLoopback(host) && !c.LoopbackLogins:
		return onLoopback
	case !isPlainName(host):
		return "has a host that is neither a name nor an address in the usual spelling"
	}
	return ""
}

const onLoopback = "is a loopback address, which a login may go to only with the mount's option " + LoopbackOption +
	"=true (vault secrets enable or tune -options=" + LoopbackOption + "=true; after tune, reload the plugin)"

// refuses says why a guarded exchange may not go to an address; "" if it may. named reports whether its URL names
// loopback.
func (c Client) refuses(ip netip.Addr, named bool) (fault string) {
	whole := ip.Unmap().WithZone("")
	ip = embedded(whole)
	switch {
	case !ip.IsValid():
		return "cannot be parsed"
	case ip.IsUnspecified(), ip.IsLinkLocalUnicast(), ip.IsMulticast():
		return "is link-local, unspecified or multicast; logins cannot go there"
	case ip.IsLoopback() && !c.LoopbackLogins:
		return onLoopback
	case ip.IsLoopback() && !named:
		return "is a loopback address; " + LoopbackOption + " admits those that a URL names as 127.0.0.1, ::1 or localhost"
	case ip.IsLoopback():
		return ""
	case named:
		return "is not a loopback address, although its name is localhost"
	case c.isOwn(ip), ip != whole && c.isOwn(whole):
		return "is one of this machine's; " + LoopbackOption + "=true admits 127.0.0.1, ::1 and localhost alone"
	}
	return ""
}

// embedded is the IPv4 address that an IPv6 address stands for: through NAT64 (RFC 6052, section 2.1) or 6to4
// (RFC 3056, section 2), or compatible (RFC 4291, section 2.5.5.1). Others stand for themselves.
func embedded(ip netip.Addr) netip.Addr {
	if ip.Is4() {
		return ip
	}
	bytes := ip.As16()
	first, last := [4]byte(bytes[:4]), [4]byte(bytes[12:])
	switch {
	case first == [4]byte{0, 0x64, 0xff, 0x9b} && [8]byte(bytes[4:12]) == [8]byte{}:
		return netip.AddrFrom4(last)
	case bytes[0] == 0x20 && bytes[1] == 0x02:
		return netip.AddrFrom4([4]byte(bytes[2:6]))
	case [12]byte(bytes[:12]) == [12]byte{} && bytes[12] != 0: // neither :: nor ::1
		return netip.AddrFrom4(last)
	}
	return ip
}

// isOwn reports whether an address is one of this machine's, or may be.
func (c Client) isOwn(ip netip.Addr) bool {
	list := c.own
	if list == nil {
		list = net.InterfaceAddrs
	}
	own, err := list()
	return err != nil || slices.ContainsFunc(own, func(of net.Addr) bool {
		var bytes net.IP
		switch of := of.(type) {
		case *net.IPNet:
			bytes = of.IP
		case *net.IPAddr:
			bytes = of.IP
		}
		address, _ := netip.AddrFromSlice(bytes)
		return address.Unmap() == ip
	})
}

// namesLoopback reports whether a host of a URL is a loopback address, or a name that is reserved for them (RFC 6761,
// section 6.3).
func namesLoopback(host string) bool {
	host = strings.ToLower(strings.TrimRight(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// isPlainName reports whether a host that is no address is a name that no resolver or proxy takes for one: 127.1 and
// 0x7f000001 are addresses to some, and letters outside ASCII can stand for digits.
func isPlainName(host string) bool {
	last := host[strings.LastIndex(host, ".")+1:]
	numeric := strings.Trim(last, "0123456789") == "" || strings.HasPrefix(strings.ToLower(last), "0x")
	return !numeric && !strings.ContainsFunc(host, func(r rune) bool { return r > '~' })
}
