package scheme_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// Only a call means a function, so a new function cannot make a stored document mean something else.
func TestNameOfAFunctionCanBeDeclared(t *testing.T) {
	t.Parallel()
	s, err := scheme.Parse(`secrets: {hmac_sha256: {}}
request: {path: {}, query: {}, unix: {}}
let: {hex: 'path + "?" + query'}
headers: {X-Sig: 'hex(hmac_sha256(hmac_sha256, path(hex) + " " + unix))'}
ttl: 60s
examples:
  - name: made with openssl dgst -sha256 -hmac
    secrets: {hmac_sha256: made-up}
    request: {path: /a, query: b, unix: '5'}
    now: 2026-01-02T03:04:05Z
    want: {X-Sig: 9326ff51d571d07cfa02f2299b452ebb7b72479e5c6f6919f9bc232e5a9ebada}
`)
	require.NoError(t, err)
	require.NoError(t, s.CheckExamples())
	signer, err := s.Signer(scheme.Values{
		Secrets: map[string]secret.Text{"hmac_sha256": "another"}, BaseURL: "https://api.example",
	})
	require.NoError(t, err)
	_, err = signer.Sign(scheme.Moment{Now: time.Unix(0, 0)}, map[string]string{"path": "/a", "query": "b", "unix": "5"})
	require.NoError(t, err)
}

func TestFunctionWithoutACallSaysSo(t *testing.T) {
	t.Parallel()
	_, err := scheme.Parse(hostileDocument("hex(hmac_sha256(key, path))", "", ""))
	require.ErrorContains(t, err, "this is a function, and no value of this name is declared; write path(x)")
}
