package scheme

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// turnAccount is an account of a scheme that signs with a private key or, without a kind, with a secret.
func turnAccount(t *testing.T, kind, signature string) api.Signer {
	t.Helper()
	value, declared := "made-up", "{}"
	if kind != "" {
		text, err := os.ReadFile("testdata/keys/" + kind + ".pem")
		require.NoError(t, err)
		value, declared = string(text), "{key: "+kind+"}"
	}
	s, err := ParseStored(fmt.Sprintf(`secrets: {key: %s}
request: {message: {}}
headers: {X-Sig: 'hex(%s(key, message))'}
ttl: 60s
examples: [{secrets: {key: %q}, request: {message: m}, want: {X-Sig: x}}]
`, declared, signature, value))
	require.NoError(t, err)
	signer, err := s.Signer(Values{
		Secrets: map[string]secret.Text{"key": secret.Text(value)}, BaseURL: "https://api.example",
	})
	require.NoError(t, err)
	return &account{scheme: s, signer: signer}
}

// At most half of the processors sign with private keys at once. Others wait until one is done, or their time is over.
func TestPrivateKeysWaitForTheirTurn(t *testing.T) { //nolint:paralleltest // it takes all turns
	require.Equal(t, max(1, runtime.GOMAXPROCS(0)/2), cap(keyTurns))
	pair, plain := turnAccount(t, "ed25519", "ed25519"), turnAccount(t, "", "hmac_sha256")
	given := api.Inputs{"message": "m"}
	sign := func(ctx context.Context, signer api.Signer) error {
		_, err := signer.Sign(api.Moment{Context: ctx}, given)
		return err
	}
	require.NoError(t, sign(t.Context(), pair))
	ended, end := context.WithCancel(t.Context())
	end()
	require.ErrorIs(t, sign(ended, pair), api.ErrBusy, "a turn is free, but nobody waits for the answer")
	require.NoError(t, sign(ended, plain))

	for range cap(keyTurns) {
		keyTurns <- struct{}{}
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, sign(short, pair), api.ErrBusy)
	require.NoError(t, sign(t.Context(), plain), "an HMAC does not wait")

	signed := make(chan error, 1)
	go func() { signed <- sign(t.Context(), pair) }()
	select {
	case err := <-signed:
		t.Fatal("signed out of turn", err)
	case <-time.After(20 * time.Millisecond):
	}
	for range cap(keyTurns) {
		<-keyTurns
	}
	require.NoError(t, <-signed)
	require.Empty(t, keyTurns, "a turn was not given back")
	_, err := pair.Sign(api.Moment{Context: t.Context()}, api.Inputs{})
	require.Error(t, err)
	require.Empty(t, keyTurns, "a turn was not given back after a failure")
}
