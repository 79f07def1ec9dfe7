package verifiers

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v3"
	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/storage"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// oauthClient is who a token is for, and how it proves that.
type oauthClient struct {
	// secret is that of client_secret_basic and client_secret_post.
	secret string
	// key is that of private_key_jwt, and algorithm its signatures'.
	key       crypto.PublicKey
	algorithm string
}

// oauthServer is a server of ory/fosite: /token gives tokens by the grant client_credentials, and everything else is an
// API that opens with them.
type oauthServer struct {
	*httptest.Server
	// tokens is how many it gave.
	tokens atomic.Int64
}

const oauthClientID = "reports+nightly"

func newOAuthServer(t *testing.T, method string, client oauthClient, life time.Duration) *oauthServer {
	t.Helper()
	registered := &fosite.DefaultOpenIDConnectClient{
		DefaultClient: &fosite.DefaultClient{
			ID: oauthClientID, GrantTypes: []string{"client_credentials"}, Scopes: []string{"orders.read"},
		},
		TokenEndpointAuthMethod:           method,
		TokenEndpointAuthSigningAlgorithm: client.algorithm,
	}
	if client.secret != "" {
		hash, err := bcrypt.GenerateFromPassword([]byte(client.secret), bcrypt.MinCost)
		require.NoError(t, err)
		registered.Secret = hash
	}
	if client.key != nil {
		registered.JSONWebKeys = &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: client.key, KeyID: "key-1", Use: "sig"}}}
	}
	store := storage.NewMemoryStore()
	store.Clients[oauthClientID] = registered

	s := &oauthServer{}
	mux := http.NewServeMux()
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	config := &fosite.Config{
		AccessTokenLifespan: life,
		GlobalSecret:        []byte(rand.Text() + rand.Text())[:32],
		TokenURL:            s.URL + "/token",
	}
	provider := compose.Compose(config, store, compose.NewOAuth2HMACStrategy(config),
		compose.OAuth2ClientCredentialsGrantFactory, compose.OAuth2TokenIntrospectionFactory)
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		request, err := provider.NewAccessRequest(r.Context(), r, &fosite.DefaultSession{})
		if err != nil {
			provider.WriteAccessError(r.Context(), w, request, err)
			return
		}
		for _, scope := range request.GetRequestedScopes() {
			request.GrantScope(scope)
		}
		answer, err := provider.NewAccessResponse(r.Context(), request)
		if err != nil {
			provider.WriteAccessError(r.Context(), w, request, err)
			return
		}
		s.tokens.Add(1)
		provider.WriteAccessResponse(r.Context(), w, request, answer)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		token := fosite.AccessTokenFromRequest(r)
		_, _, err := provider.IntrospectToken(r.Context(), token, fosite.AccessToken, &fosite.DefaultSession{}, "orders.read")
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	return s
}

// open is the status of a call to the API with the headers that Vault gives.
func (s *oauthServer) open(t *testing.T, m *harness.Mount) (status int, authorization string) {
	t.Helper()
	answer := m.In(t).Read("creds/custom/api")
	headers, _ := answer.Data["headers"].(harness.Values)
	authorization, _ = headers["Authorization"].(string)
	require.True(t, answer.LeaseDuration > 0, "not leased")
	call, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/orders", nil)
	require.NoError(t, err)
	call.Header.Set("Authorization", authorization)
	resp, err := http.DefaultClient.Do(call)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode, authorization
}

// privateKey makes a key pair, and its private half as PEM.
func privateKey(t *testing.T, kind string) (private string, public crypto.PublicKey) {
	t.Helper()
	var key crypto.Signer
	var err error
	if kind == "RS256" {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), key.Public()
}

// An OAuth 2.0 server that others wrote gives tokens to every way in which a declared login proves who it is, refuses
// another secret or key, and its API opens with the tokens.
func TestOAuth2ServerGivesTokens(t *testing.T) {
	t.Parallel()
	rs256, rs256Public := privateKey(t, "RS256")
	es256, es256Public := privateKey(t, "ES256")
	otherRSA, _ := privateKey(t, "RS256")
	otherEC, _ := privateKey(t, "ES256")
	// Every character of a secret that a form, a header or percent-encoding could change.
	secret := harness.NewSecret() + ` +%:&="~/\`
	for name, test := range map[string]struct {
		scheme, method string
		client         oauthClient
		config, wrong  harness.Values
	}{
		"a secret in the header": {
			scheme: "oauth2-client-credentials", method: "client_secret_basic",
			client: oauthClient{secret: secret},
			config: harness.Values{"client_secret": secret},
			wrong:  harness.Values{"client_secret": secret + "0"},
		},
		"a secret in the form": {
			scheme: "oauth2-client-credentials-form", method: "client_secret_post",
			client: oauthClient{secret: secret},
			config: harness.Values{"client_secret": secret},
			wrong:  harness.Values{"client_secret": secret + "0"},
		},
		"an assertion with RS256": {
			scheme: "oauth2-private-key-jwt", method: "private_key_jwt",
			client: oauthClient{key: rs256Public, algorithm: "RS256"},
			config: harness.Values{"private_key": rs256, "key_id": "key-1"},
			wrong:  harness.Values{"private_key": otherRSA},
		},
		"an assertion with ES256": {
			scheme: "oauth2-private-key-jwt-es256", method: "private_key_jwt",
			client: oauthClient{key: es256Public, algorithm: "ES256"},
			config: harness.Values{"private_key": es256, "key_id": "key-1"},
			wrong:  harness.Values{"private_key": otherEC},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := harness.NewMount(t)
			server := newOAuthServer(t, test.method, test.client, time.Hour)
			config := harness.With(harness.Values{
				"scheme": test.scheme, "base_url": server.URL, "token_address": server.URL, "token_path": "/token",
				"client_id": oauthClientID, "scope": "orders.read",
			}, test.config)

			status, _, problem := m.Request(http.MethodPut, "config/custom/api", harness.With(config, test.wrong))
			require.Equal(t, http.StatusBadRequest, status)
			require.Contains(t, problem, "401")
			require.Zero(t, server.tokens.Load())

			status, _, problem = m.Request(http.MethodPut, "config/custom/api", config)
			require.Contains(t, []int{http.StatusOK, http.StatusNoContent}, status, problem)
			status, first := server.open(t, m)
			require.Equal(t, http.StatusOK, status)
			_, second := server.open(t, m)
			require.Equal(t, first, second)
			require.EqualValues(t, 1, server.tokens.Load())
		})
	}
}

// The life that the server tells is the token's: every reader's token is alive, and a new one comes when the old one
// ends.
func TestOAuth2TokensAreAlive(t *testing.T) {
	t.Parallel()
	secret := harness.NewSecret()
	m := harness.NewMount(t)
	server := newOAuthServer(t, "client_secret_basic", oauthClient{secret: secret}, 6*time.Second)
	status, _, problem := m.Request(http.MethodPut, "config/custom/api", harness.Values{
		"scheme": "oauth2-client-credentials", "base_url": server.URL, "token_address": server.URL, "token_path": "/token",
		"client_id": oauthClientID, "scope": "orders.read", "client_secret": secret,
	})
	require.Contains(t, []int{http.StatusOK, http.StatusNoContent}, status, problem)
	tokens := map[string]bool{}
	require.Eventually(t, func() bool {
		status, token := server.open(t, m)
		tokens[token] = true
		return status != http.StatusOK || len(tokens) == 3
	}, time.Minute, 50*time.Millisecond)
	require.Len(t, tokens, 3, "a reader got a token that is not alive")
}
