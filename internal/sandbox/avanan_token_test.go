package sandbox_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
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

func TestAvananTokenEndsWithItsLifetime(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		after     time.Duration
		date, sig string
		status    int
	}{
		{time.Hour - time.Second, "2026-01-02T04:04:04", "faf734ab584c3f75d7d8a9676bb4cd1ac071c3fe9a48c24d65c110da0f172b36", http.StatusOK},
		{time.Hour, "2026-01-02T04:04:05", "878bc4a5a9143018187d43b35611d7073da0d51404f24bc971020ecd0dd0d2e0", http.StatusUnauthorized},
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
