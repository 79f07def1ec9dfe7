package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// A real Vault logs in at an OAuth 2.0 server by a scheme of the catalogue. Its token opens the API, is leased, and is
// shared.
func TestClientCredentialsInVault(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Write("config/custom/orders", m.OAuthValues())
	for range 2 {
		status, answer, problem := m.Request(http.MethodGet, "creds/custom/orders", nil)
		require.Equal(t, http.StatusOK, status, problem)
		require.NotEmpty(t, answer.LeaseID)
		require.Equal(t, http.StatusOK, m.Call(m.URL+"/oauth2/v1/orders", answer.Data["headers"]))
	}
	require.Equal(t, 1, m.Vendor.OAuthLogins())
}
