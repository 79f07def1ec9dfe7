package proxy

import (
	"net/http"
	"strings"
)

// plainName is a header's name as servers that make variables of headers see it: without case, and with - for _.
func plainName(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

// neverPassed says whether a header of the client's is dropped on every route: it may authenticate to the vendor or to Vault,
// change the method or the path that was allowed, or say who the client is.
func neverPassed(plain string) bool {
	switch plain {
	case "authorization", "proxy-authorization", "cookie", "x-method-override", "forwarded", "x-real-ip":
		return true
	}
	for _, prefix := range []string{"x-vault-", "x-av-", "api-", "x-http-method", "x-original-", "x-rewrite-", "x-forwarded-"} {
		if strings.HasPrefix(plain, prefix) {
			return true
		}
	}
	return false
}

// headerScopes is a header of Avanan's that is not signed.
const headerScopes = "scopes"

// filter drops the headers or trailers that never pass.
func filter(header http.Header) {
	for name := range header {
		if neverPassed(plainName(name)) {
			delete(header, name)
		}
	}
}

// drop drops the headers or trailers of a name.
func drop(header http.Header, name string) {
	for other := range header {
		if len(other) == len(name) && plainName(other) == plainName(name) {
			delete(header, other)
		}
	}
}

// spelled is the name that a header of Vault's is sent with: as it is, unless net/http looks for the header under its canonical name,
// and would send one of its own beside it.
func spelled(name string) string {
	switch canonical := http.CanonicalHeaderKey(name); canonical {
	case "User-Agent", "Accept-Encoding", "Range":
		return canonical
	default:
		return name
	}
}

// dress puts Vault's headers, and the route's own, into a call, in place of the client's headers and trailers of those names. Vault's
// keep their spelling: some vendors compare it.
func (r *Route) dress(out *http.Request, set map[string]string) {
	if r.Scopes != "" {
		drop(out.Header, headerScopes)
		drop(out.Trailer, headerScopes)
		out.Header.Set(headerScopes, r.Scopes)
	}
	for name := range set {
		drop(out.Header, name)
		drop(out.Trailer, name)
	}
	for name, value := range set {
		out.Header[spelled(name)] = []string{value}
	}
}
