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

// passes says whether a header or trailer of the client's passes on a route.
func (r *Route) passes(name string) bool {
	plain := plainName(name)
	return !neverPassed(plain) && (plain != headerScopes || r.Scopes == "")
}

// filter drops what does not pass.
func (r *Route) filter(header http.Header) {
	for name := range header {
		if !r.passes(name) {
			delete(header, name)
		}
	}
}

// dress puts Vault's headers, and the route's own, into a call, in place of the client's.
func (r *Route) dress(out *http.Request, set map[string]string) {
	all := make(map[string]string, len(set)+1)
	if r.Scopes != "" {
		all[headerScopes] = r.Scopes
	}
	for name, value := range set {
		all[name] = value
	}
	replaced := map[string]bool{}
	for name := range all {
		replaced[plainName(name)] = true
	}
	for _, header := range []http.Header{out.Header, out.Trailer} {
		for name := range header {
			if replaced[plainName(name)] {
				delete(header, name)
			}
		}
	}
	for name, value := range all {
		out.Header.Set(name, value)
	}
}
