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

// A document of before there was a length, a segment or a host_of can have fields and lets of these names.
func TestNameOfANewFunctionCanBeDeclared(t *testing.T) {
	t.Parallel()
	s, err := scheme.Parse(`secrets: {unhex: {}}
fields: {host_of: {}, plus: {}}
request: {length: {}, segment: {}, minus: {}}
let:
  decoded_query: length(length) + segment(segment, "1") + host_of(base_url)
  sorted_pairs: segment + minus
headers:
  X-Sig: hex(hmac_sha256(unhex, unhex(plus) + bytes(decoded_query + sorted_pairs + host_of + now.plus("1s").unix())))
ttl: 60s
examples:
  - name: made with openssl dgst -sha256 -hmac
    secrets: {unhex: made-up}
    fields: {host_of: h, plus: 6d}
    request: {length: four, segment: /s/t, minus: '-'}
    base_url: https://api.example
    now: 2026-01-02T03:04:05Z
    want: {X-Sig: 75b47f495c3a18e9df73b84a624651aac639d601f80c8245729d182b61df420d}
`)
	require.NoError(t, err)
	require.NoError(t, s.CheckExamples())
}

func TestFunctionWithoutACallSaysSo(t *testing.T) {
	t.Parallel()
	_, err := scheme.Parse(hostileDocument("hex(hmac_sha256(key, path))", "", ""))
	require.ErrorContains(t, err, "this is a function, and no value of this name is declared; write path(x)")
}

// A document of an earlier version can have fields with the names of today's functions.
func TestStoredFieldsWithNamesOfKeyFunctionsKeepWorking(t *testing.T) {
	t.Parallel()
	const text = `secrets: {rsa_sha256: {}}
fields: {public_key: {}, ed25519: {optional: true}}
request: {ecdsa_sha256: {}}
let: {rsa_pss_sha512: 'public_key + ed25519'}
headers:
  X-Key: public_key
  X-Sig: hex(hmac_sha256(rsa_sha256, rsa_pss_sha512 + ecdsa_sha256))
ttl: 60s
examples:
  - name: made with openssl dgst -sha256 -hmac
    secrets: {rsa_sha256: made-up}
    fields: {public_key: k, ed25519: e}
    request: {ecdsa_sha256: r}
    want: {X-Key: k, X-Sig: ad5e41d27c395735739499cb409e4eee50c5a79252f7a9fbedaef5755440ce06}
`
	for _, parse := range []func(string) (*scheme.Scheme, error){scheme.Parse, scheme.ParseStored} {
		s, err := parse(text)
		require.NoError(t, err)
		require.NoError(t, s.Outdated())
		require.NoError(t, s.CheckExamples())
	}
}
