// Package baseurl checks the base URL of a vendor's API that an operator writes.
package baseurl

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

// Rule describes what Parse accepts, for error messages and help texts.
const Rule = "an https URL, or an http URL of a loopback address, with no userinfo, query or fragment"

// The errors of Parse. They never quote the address, because it may contain a password.
var (
	errCharacter = errors.New("contains a space, a backslash, or a character outside printable ASCII")
	errSyntax    = errors.New("cannot be parsed")
	errScheme    = errors.New("begins with neither https:// nor http://")
	errHost      = errors.New("has no host")
	errUserinfo  = errors.New("has userinfo (a user name or a password)")
	errQuery     = errors.New("has a query")
	errFragment  = errors.New("has a fragment")
	errLoopback  = errors.New("is plain http, but its host is not a loopback address")
)

// Parse checks an address against Rule. It returns the address with its path, without trailing slashes, so that a
// request target, which starts with a slash, can be appended. The error says which part of the rule is broken; its text
// follows the name of a parameter.
func Parse(address string) (string, error) {
	if strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }) {
		return "", errCharacter
	}
	if !strings.Contains(address, "://") {
		return "", errScheme
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

// isLoopback accepts loopback addresses and localhost, the name that RFC 6761, section 6.3 reserves for them. It does
// not resolve other names.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}
