package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// Canary begins every secret of the tests, so that one look finds them all.
const Canary = "canary-"

// OAuthClient is the client that the OAuth 2.0 server knows. Basic needs it percent-encoded, and the secret too.
const OAuthClient = "client/of:tests"

// The secrets that the stand-ins know.
var (
	PaveSecret     = NewSecret()
	AvananSecret   = NewSecret()
	InfinitySecret = NewSecret()
	CustomSecret   = NewSecret()
	OAuthSecret    = keep(Canary + rand.Text()[:5] + "/" + rand.Text()[:5] + " " + rand.Text()[:5] + "+" + rand.Text())
)

// secrets are all that the tests made up.
var secrets struct {
	mu  sync.Mutex
	all []string
}

// standIns are the stand-ins of all tests. Their bearer tokens have no mark, so a search asks for all that there are.
var standIns struct {
	mu  sync.Mutex
	all []*sandbox.Sandbox
}

// standInTokens are those of the Infinity Portal and of the OAuth 2.0 server that the stand-ins have issued so far.
func standInTokens() []string {
	standIns.mu.Lock()
	defer standIns.mu.Unlock()
	var tokens []string
	for _, standIn := range standIns.all {
		tokens = slices.Concat(tokens, standIn.InfinityTokens(), standIn.OAuthTokens())
	}
	return tokens
}

// standInAssertions are those that clients of the OAuth 2.0 server have signed so far.
func standInAssertions() []string {
	standIns.mu.Lock()
	defer standIns.mu.Unlock()
	var assertions []string
	for _, standIn := range standIns.all {
		assertions = append(assertions, standIn.OAuthAssertions()...)
	}
	return assertions
}

// NewSecret makes up a secret, which every search knows from then on.
func NewSecret() string { return keep(Canary + rand.Text()) }

// NewKey makes up a private key, in PEM, for ES256, which every search knows from then on.
func NewKey(t *testing.T) (private, public string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	number, err := key.Bytes() // what is around it is the same in all keys
	require.NoError(t, err)
	keep(string(number))
	private = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	der, err = x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	return private, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// keep adds a secret to those that searches know.
func keep(secret string) string {
	secrets.mu.Lock()
	defer secrets.mu.Unlock()
	secrets.all = append(secrets.all, secret)
	return secret
}
