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

// dress puts Vault's headers, and the route's own, into a call, in place of the client's headers and trailers of those names.
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
