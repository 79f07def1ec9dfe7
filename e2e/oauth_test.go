package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// A real Vault logs in at an OAuth 2.0 server by schemes of the catalogue: with a secret, by Basic or in a form, and
// with a signed assertion. The token opens the API, is leased, and is shared. Where the server refuses or fails, the
// search for leaks finds nothing.
func TestClientCredentialsInVault(t *testing.T) {
	t.Parallel()
	key, public := harness.NewKey(t)
	for scheme, given := range map[string]values{
		"oauth2-client-credentials":      {"client_secret": harness.OAuthSecret},
		"oauth2-client-credentials-form": {"client_secret": harness.OAuthSecret},
		"oauth2-private-key-jwt-es256":   {"private_key": key},
	} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			m := harness.NewMount(t)
			m.Vendor.Change(func(b *sandbox.Behaviour) { b.OAuthPublicKey = public })
			config := harness.With(m.OAuthValues(), given, values{"scheme": scheme})
			if given["client_secret"] == nil {
				delete(config, "client_secret")
			}
			m.Write("config/custom/orders", config)
			for name := range given {
				require.NotContains(t, m.Read("config/custom/orders").Data, name)
			}
			for range 2 {
				answer := m.Read("creds/custom/orders")
				m.RequireLeased(answer)
				require.InDelta(t, 59*60, answer.LeaseDuration, 15)
				require.False(t, answer.Renewable)
				require.Equal(t, http.StatusOK, m.Call(m.URL+"/oauth2/v1/orders", answer.Data["headers"]))
			}
			require.Equal(t, 1, m.Vendor.OAuthLogins())

			for fault, want := range map[sandbox.Fault]int{
				sandbox.Refuse: http.StatusBadRequest,
				sandbox.Limit:  http.StatusTooManyRequests,
				sandbox.Break:  http.StatusBadGateway,
			} {
				m.Fault(fault)
				status, _, text := m.Request(http.MethodPut, "config/custom/"+string(fault), config)
				require.Equal(t, want, status, text)
			}
		})
	}
}
