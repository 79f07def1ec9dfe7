package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// reader is a client of Vault with a token of its own that may read creds/avanan/us.
func reader(t *testing.T, m *harness.Mount, request api.TokenCreateRequest) *api.Client {
	t.Helper()
	policy := "reader-of-" + m.Path
	require.NoError(t, m.Client.Sys().PutPolicyWithContext(t.Context(), policy, `
		path "`+m.Path+`/creds/avanan/us" { capabilities = ["read"] }
		path "auth/token/revoke-self" { capabilities = ["update"] }`))
	request.Policies, request.NoDefaultPolicy = []string{policy}, true
	created, err := m.Client.Auth().Token().CreateWithContext(t.Context(), &request)
	require.NoError(t, err)
	client, err := m.Client.Clone()
	require.NoError(t, err)
	client.SetToken(created.Auth.ClientToken)
	return client
}

// Twenty readers that log in, read and go away again, among them one with a batch token, whose lease Vault cuts shorter
// than the engine is told, and one whose token is short-lived, cost one handshake.
func TestReadersThatComeAndGoShareOneToken(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Write("config/avanan/us", harness.With(m.AvananValues(), values{"verify": false}))
	tokens := map[any]bool{}
	for i := range 20 {
		request := api.TokenCreateRequest{TTL: "10m"}
		switch i {
		case 3:
			request = api.TokenCreateRequest{Type: "batch", TTL: "2s"}
		case 7:
			request = api.TokenCreateRequest{TTL: "1s"}
		}
		client := reader(t, m, request)
		secret, err := client.Logical().ReadWithContext(t.Context(), m.Path+"/creds/avanan/us")
		require.NoError(t, err)
		tokens[secret.Data["token"]] = true
		if request.TTL == "10m" {
			require.NoError(t, client.Auth().Token().RevokeSelfWithContext(t.Context(), ""))
		}
	}
	harness.Eventually(t, func() bool { return len(m.Leases()) == 0 }, "the end of every lease")
	tokens[m.Read("creds/avanan/us").Data["token"]] = true
	require.Len(t, tokens, 1)
	require.Equal(t, 1, m.Vendor.Handshakes())
}

// In an outage a client that revokes itself takes the living token from nobody.
func TestRevokeSelfInAnOutageChangesNothingForOthers(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	// Of a short-lived token, half is soon over: then a new one is due.
	m.Vendor.Change(func(b *sandbox.Behaviour) { b.TokenLife = 20 * time.Second })
	m.Write("config/avanan/us", m.AvananValues())
	token := m.Read("creds/avanan/us").Data["token"]
	m.Fault(sandbox.Break)
	var secret *api.Secret
	harness.Eventually(t, func() bool {
		secret = m.Read("creds/avanan/us")
		return len(secret.Warnings) > 0
	}, "a warning that no new token can be had")
	require.Equal(t, token, secret.Data["token"])
	client := reader(t, m, api.TokenCreateRequest{TTL: "10m"})
	_, err := client.Logical().ReadWithContext(t.Context(), m.Path+"/creds/avanan/us")
	require.NoError(t, err)
	require.NoError(t, client.Auth().Token().RevokeSelfWithContext(t.Context(), ""))
	after := m.Read("creds/avanan/us")
	require.Equal(t, token, after.Data["token"])
	require.Contains(t, after.Warnings[0], "returning the current one, which is still valid")
}

// A token that lives for two minutes serves twenty signatures.
func TestShortLivedTokenServesManySignatures(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Vendor.Change(func(b *sandbox.Behaviour) { b.TokenLife = 2 * time.Minute })
	m.Write("config/avanan/us", m.AvananValues())
	for range 20 {
		signed := m.Read("sign/avanan/us", "request_string", "/v1.0/scopes")
		require.Equal(t, http.StatusOK, m.Call(m.URL+"/v1.0/scopes", signed.Data["headers"]))
	}
	require.Equal(t, 1, m.Vendor.Handshakes())
}
