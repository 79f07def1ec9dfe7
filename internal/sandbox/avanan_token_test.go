package sandbox_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// unbase64 decodes a part of a JWT or JWK.
func unbase64(t *testing.T, text string) []byte {
	t.Helper()
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	require.NoError(t, err)
	return decoded
}

// publishedKey gets the JWK without credentials.
func publishedKey(t *testing.T, s http.Handler) map[string]string {
	t.Helper()
	status, body := send(s, http.MethodGet, "/v1.0/public_key", nil, "")
	require.Equal(t, http.StatusOK, status, body)
	var jwk map[string]string
	require.NoError(t, json.Unmarshal([]byte(body), &jwk))
	return jwk
}

func TestAvananTokenVerifiesWithPublishedKey(t *testing.T) {
	t.Parallel()
	s := start(nil)
	jwk := publishedKey(t, s)
	require.Equal(t, "RSA", jwk["kty"])
	require.Equal(t, "RS256", jwk["alg"])
	require.Equal(t, "sig", jwk["use"])
	key := rsa.PublicKey{
		N: new(big.Int).SetBytes(unbase64(t, jwk["n"])),
		E: int(new(big.Int).SetBytes(unbase64(t, jwk["e"])).Int64()),
	}
	require.Equal(t, 2048, key.N.BitLen())

	token := login(t, s)
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	require.JSONEq(t, `{"alg":"RS256","typ":"JWT","kid":"`+jwk["kid"]+`"}`, string(unbase64(t, parts[0])))
	require.NotEmpty(t, jwk["kid"])
	var claims struct {
		Iat, Exp int64
		Scope    string
	}
	require.NoError(t, json.Unmarshal(unbase64(t, parts[1]), &claims))
	require.Equal(t, now.Unix(), claims.Iat)
	require.EqualValues(t, 3600, claims.Exp-claims.Iat)
	require.Equal(t, "mt-prod-3:acme", claims.Scope)

	signed := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	require.NoError(t, rsa.VerifyPKCS1v15(&key, crypto.SHA256, signed[:], unbase64(t, parts[2])))
	signed[0]++
	require.Error(t, rsa.VerifyPKCS1v15(&key, crypto.SHA256, signed[:], unbase64(t, parts[2])))
}

func TestSandboxesShareOneKey(t *testing.T) {
	t.Parallel()
	one, other := start(nil), start(nil)
	require.Equal(t, publishedKey(t, one), publishedKey(t, other))
}

func TestPublicKeyIsReadOnly(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		status, _ := send(start(nil), method, "/v1.0/public_key", nil, "")
		require.Equal(t, http.StatusUnauthorized, status, method)
	}
}

func TestAvananTokenEndsWithItsLifetime(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		after     time.Duration
		date, sig string
		status    int
	}{
		{
			time.Hour - time.Second, "2026-01-02T04:04:04", "faf734ab584c3f75d7d8a9676bb4cd1ac071c3fe9a48c24d65c110da0f172b36",
			http.StatusOK,
		},
		{
			time.Hour, "2026-01-02T04:04:05", "878bc4a5a9143018187d43b35611d7073da0d51404f24bc971020ecd0dd0d2e0",
			http.StatusUnauthorized,
		},
	} {
		clock := now
		s := sandbox.New(sandbox.Default(), func() time.Time { return clock }, io.Discard)
		token := login(t, s)
		clock = now.Add(test.after)
		require.Equal(t, test.status == http.StatusOK, s.Living(token))
		status, body := send(s, http.MethodGet, taskTarget, with(callHeaders(test.sig, token), "x-av-date", test.date), "")
		require.Equal(t, test.status, status, body)
	}
}

func TestTokenLifeSetsLifetimeOfTokens(t *testing.T) {
	t.Parallel()
	s := start(func(b *sandbox.Behaviour) { b.TokenLife = time.Minute })
	var claims struct{ Iat, Exp int64 }
	require.NoError(t, json.Unmarshal(unbase64(t, strings.Split(login(t, s), ".")[1]), &claims))
	require.EqualValues(t, 60, claims.Exp-claims.Iat)
}
