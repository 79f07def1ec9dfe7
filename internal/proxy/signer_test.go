package proxy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// What the engine says is wrong with a call is the application's mistake, and it gets to know what. Other refusals are
// not: those are of the route, of Vault's config or of the vendor.
func TestRefusalOfTheCallIs400(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		status       int
		reason, want string // "": 502
	}{
		"a request string": {
			400, "request_string contains the app id: its signature would be valid for a second request",
			"request_string contains the app id: its signature would be valid for a second request",
		},
		"that of a batch": {
			400, "request_strings[0] contains a comma: write it as %2C", "request_string contains a comma: write it as %2C",
		},
		"that of a batch of maps": {
			400, "requests[0]: method does not match its pattern; this takes method", "method does not match its pattern",
		},
		"an unknown one of a batch of maps": {400, `requests[0]: unknown parameter "method"; this takes body`, ""},
		"a missing one of a batch of maps":  {400, "requests[0]: body is required; this takes body, method", ""},
		"a method": {
			400, "method does not match its pattern; this takes method, request_string", "method does not match its pattern",
		},
		"a requirement of the scheme": {400, "GET has no body; this takes method, request_string", "GET has no body"},
		"a header": {
			400, "headers.X cannot be sent: too long; this takes method, request_string", "headers.X cannot be sent: too long",
		},
		"a parameter that is not sent": {400, "body is required; this takes body, method", ""},
		"a parameter that is unknown":  {400, `unknown parameter "method"; this takes request_string`, ""},
		"no config":                    {400, "there is no config at config/custom/x; write one first: vault write", ""},
		"credentials":                  {400, "request failed: the vendor refused method and request_string", ""},
		"another status":               {502, "request_string contains a comma", ""},
		"a policy":                     {403, "request_string contains a comma", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.stub.say(nil, &signing.Failure{Status: row.status, Reason: row.reason})
			got := problemOf(t, r.do(t, http.MethodPost, "/hashed/upload", http.NoBody))
			want := problem{Type: "about:blank", Title: "Bad Request", Status: 400}
			if want.Detail = "Vault refused the call: " + row.want; row.want == "" {
				want = problem{Type: "about:blank", Title: "Bad Gateway", Status: 502, Side: "vault"}
				want.Detail = "Vault did not sign the call"
			}
			require.Equal(t, want, got)
			require.Empty(t, r.vendorGot())
		})
	}
}

// A warning of Vault's is logged once, and again after an answer without it.
func TestWarningsOfVaultAreLoggedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for i, warnings := range [][]string{{"stale"}, {"stale"}, nil, {"stale"}, {"stale", "other"}} {
		r.stub.mu.Lock()
		r.stub.answer = func(route *Route, call signing.Call) (*signing.Signed, error) {
			signed, err := r.sign(route, call)
			signed.Warnings = warnings
			return signed, err
		}
		r.stub.mu.Unlock()
		require.Equal(t, http.StatusOK, r.get(t, "/avanan/us/v1.0/event/1").StatusCode)
		require.Equal(t, []int{1, 1, 1, 2, 3}[i], strings.Count(r.log.String(), `"warning":"stale"`))
	}
}
