// Package baseurl holds the rule for the addresses of a vendor's API that an operator may write.
package baseurl

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

// Rule is what Parse accepts, in words for an error or a help text.
const Rule = "an https URL, or an http URL of a loopback address, with no userinfo, query or fragment"

// Errors of Parse, a fault each. None repeats the address: it may hold a password.
var (
	errCharacter = errors.New("holds a space, a backslash, or a character outside printable ASCII")
	errSyntax    = errors.New("can not be parsed")
	errScheme    = errors.New("is neither https nor http")
	errHost      = errors.New("has no host")
	errUserinfo  = errors.New("has userinfo (a user name or a password)")
	errQuery     = errors.New("has a query")
	errFragment  = errors.New("has a fragment")
	errLoopback  = errors.New("is plain http on a host that is no loopback address")
)

// Parse checks an address against Rule and returns it without slashes at its end, so that a request target, which
// begins with one, can be appended. A path is kept. The error says which part of the rule is broken.
func Parse(address string) (string, error) {
	if strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }) {
		return "", errCharacter
	}
	parsed, err := url.Parse(address)
	if err != nil {
		return "", errSyntax
	}
	switch {
	case parsed.Scheme != "https" && parsed.Scheme != "http":
		return "", errScheme
	case parsed.Hostname() == "":
		return "", errHost
	case parsed.User != nil:
		return "", errUserinfo
	case parsed.RawQuery != "" || parsed.ForceQuery:
		return "", errQuery
	case strings.Contains(address, "#"):
		return "", errFragment
	case parsed.Scheme == "http" && !isLoopback(parsed.Hostname()):
		return "", errLoopback
	}
	return strings.TrimRight(parsed.String(), "/"), nil
}

// isLoopback knows addresses and the one name that RFC 6761, section 6.3 reserves for them; it asks no resolver.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}
