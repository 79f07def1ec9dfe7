package proxy

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// neverPassed reports whether a header of the client's is dropped on every route: it may authenticate to the vendor or
// to Vault, change the method or the path that was allowed, or say who the client is. The last two are the client's own
// only with an underscore, and say where the call ends to a server that reads that as a dash.
func neverPassed(plain string) bool {
	switch plain {
	case "authorization", "proxy-authorization", "cookie", "x-method-override", "forwarded", "x-real-ip",
		"transfer-encoding", "content-length":
		return true
	}
	return slices.ContainsFunc(neverPassedPrefixes, func(prefix string) bool { return strings.HasPrefix(plain, prefix) })
}

var neverPassedPrefixes = []string{
	"x-vault-", "x-av-", "api-", "x-http-method", "x-original-", "x-rewrite-", "x-forwarded-",
}

// headerScopes is a header of Avanan's that is not signed.
const headerScopes = "scopes"

// filter drops the headers or trailers that never pass.
func filter(header http.Header) {
	maps.DeleteFunc(header, func(name string, _ []string) bool { return neverPassed(signing.PlainName(name)) })
}

// fixScopes sets the header scopes, if the route fixes it, in place of the client's headers and trailers of that name.
func (r *Route) fixScopes(out *http.Request) {
	if r.Scopes != "" {
		signing.Drop(out.Header, headerScopes)
		signing.Drop(out.Trailer, headerScopes)
		out.Header.Set(headerScopes, r.Scopes)
	}
}
