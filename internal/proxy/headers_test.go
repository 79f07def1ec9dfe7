package proxy

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// Vault's headers and the route's replace the client's headers and trailers of those names, in any spelling. Others stay.
func TestDressReplacesHeadersAndTrailers(t *testing.T) {
	t.Parallel()
	out := &http.Request{
		Header:  http.Header{"X_sig": {"client"}, "SCOPES": {"client"}, "Accept": {"*/*"}},
		Trailer: http.Header{"X-Sig": nil, "Scopes": nil, "X-Sum": nil},
	}
	(&Route{Scopes: "farm:customer"}).dress(out, map[string]string{"x-sig": "vault"})
	require.Equal(t, http.Header{"x-sig": {"vault"}, "Scopes": {"farm:customer"}, "Accept": {"*/*"}}, out.Header)
	require.Equal(t, http.Header{"X-Sum": nil}, out.Trailer)
}
