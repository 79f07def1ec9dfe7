// Package infinity speaks the authentication of Check Point's Infinity Portal, for the API of Harmony Email, to which
// the tenants of Avanan move.
//
// A login, POST /auth/external with a client id and an access key, gives a token for half an hour. Calls carry it as a
// bearer token; nothing is signed (the portal's API pages, "Authentication"; about ten public clients agree). So the
// token alone opens everything that its key may do.
//
// The raw key is in the body of the login. It must only be sent to the portal's own gateway or to an address that the
// operator named, and no redirect may be followed.
//
// Everything here is pure except Login; instants are arguments.
package infinity

import (
	"maps"
	"slices"
	"strings"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// The headers of a call, spelled as on the wire.
const (
	HeaderAuthorization = "Authorization"
	HeaderReqID         = "x-av-req-id"
)

// loginPath is where a login is sent. A key's "Authentication URL" is the gateway with this path.
const loginPath = "/auth/external"

// APIPath is where Harmony Email's API is, below the gateway (the portal's API pages).
const APIPath = "/app/hec-api"

// gateways has the gateway of each region. That of ae is less certain than the others: fewer clients know it.
var gateways = map[string]string{
	"eu": "cloudinfra-gw.portal.checkpoint.com",
	"us": "cloudinfra-gw-us.portal.checkpoint.com",
	"ca": "cloudinfra-gw.ca.portal.checkpoint.com",
	"au": "cloudinfra-gw.ap.portal.checkpoint.com",
	"uk": "cloudinfra-gw.uk.portal.checkpoint.com",
	"in": "cloudinfra-gw.in.portal.checkpoint.com",
	"ae": "cloudinfra-gw.me.portal.checkpoint.com",
}

// Regions lists the regions' names in alphabetical order.
func Regions() []string { return slices.Sorted(maps.Keys(gateways)) }

// GatewayURL returns the base URL of a region's gateway, or "" if there is no such region.
func GatewayURL(region string) string {
	host, known := gateways[region]
	if !known {
		return ""
	}
	return "https://" + host
}

// TrimLoginPath removes what a pasted "Authentication URL" has beyond the gateway.
func TrimLoginPath(baseURL string) string {
	return strings.TrimRight(strings.TrimSuffix(strings.TrimRight(baseURL, "/"), loginPath), "/")
}

// Headers returns the headers of a call by name. The id is a UUID, fresh for each call.
func Headers(token secret.Text, reqID string) map[string]string {
	return map[string]string{HeaderAuthorization: "Bearer " + token.Reveal(), HeaderReqID: reqID}
}
