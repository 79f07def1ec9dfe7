package backend

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// oauthValues are a whole config of a scheme of the catalogue for the sandbox's OAuth 2.0 server.
func (m *mount) oauthValues(scheme string, secret values) values {
	return with(values{
		"scheme":        scheme,
		"base_url":      m.url,
		"token_address": m.url,
		"token_path":    "/oauth2/token",
		"client_id":     "sandbox-client",
	}, secret)
}

// publicKeyOf is the public key of a private one, both in PEM.
func publicKeyOf(t *testing.T, private string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(private))
	require.NotNil(t, block)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.(interface{ Public() crypto.PublicKey }).Public())
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// Each way of client credentials gets a token from a server that checks it with arithmetic of its own, and the token
// opens its API.
func TestClientCredentialsOfTheCatalogue(t *testing.T) {
	t.Parallel()
	byText := values{"client_secret": "sandbox-oauth-secret"}
	for scheme, secret := range map[string]values{
		"oauth2-client-credentials":      byText,
		"oauth2-client-credentials-form": byText,
		"oauth2-private-key-jwt":         {"private_key": madeKey(t, "rsa"), "key_id": "key-1"},
		"oauth2-private-key-jwt-es256":   {"private_key": madeKey(t, "p256")},
	} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			if key, is := secret["private_key"].(string); is {
				m.vendor.Change(func(b *sandbox.Behaviour) { b.OAuthPublicKey = publicKeyOf(t, key) })
			}
			m.write("config/custom/orders", m.oauthValues(scheme, secret))
			answer := m.read("creds/custom/orders")
			require.Equal(t, answer, m.read("creds/custom/orders"), "readers share it")
			require.Equal(t, 1, m.vendor.OAuthLogins(), "the write logged in")
			require.Len(t, m.vendor.OAuthTokens(), 1)
			headers := answer["headers"].(map[string]string)
			require.Equal(t, map[string]string{"Authorization": "Bearer " + m.vendor.OAuthTokens()[0]}, headers)
			call := httptest.NewRequest(http.MethodGet, "/oauth2/v1/orders", http.NoBody)
			call.Header.Set("Authorization", headers["Authorization"])
			called := httptest.NewRecorder()
			m.vendor.ServeHTTP(called, call)
			require.Equal(t, http.StatusOK, called.Code)

			m.must(logical.UpdateOperation, "check/custom/orders", nil)
			require.Equal(t, 2, m.vendor.OAuthLogins())
			for fault, status := range map[sandbox.Fault]int{
				sandbox.Refuse: http.StatusBadRequest,
				sandbox.Limit:  http.StatusTooManyRequests,
				sandbox.Break:  http.StatusBadGateway,
			} {
				m.fault(fault)
				_, got, text := m.handle(logical.UpdateOperation, "config/custom/other", m.oauthValues(scheme, secret))
				require.Equal(t, status, got, text)
				require.NotContains(t, text, "sandbox-oauth-secret")
			}
		})
	}
}
