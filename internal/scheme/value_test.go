package scheme_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// addressed is a scheme with a base URL, an address and values. Its values were computed with openssl.
const addressed = `base_url: HTTPS://api.example/
secrets: {key: {}}
fields: {site: {}, token_address: {address: true, default: 'https://Login.example:443/'}, salt: {default: 6d6164}}
request: {body: {}}
let: {until: now.plus("9m")}
headers: {X-Sig: 'hex(hmac_sha256(key, bytes(body + host_of(base_url) + until.unix()) + unhex(salt)))'}
values:
  site_id: site
  host: host_of(token_address) + "|" + token_address
  bare: base64(hmac_sha256(key, body))
ttl: 60s
examples:
  - secrets: {key: made-up}
    fields: {site: s}
    request: {body: hello}
    base_url: https://api.example
    now: 2026-01-02T03:04:05Z
    want:
      X-Sig: 08d58d0da9ace15a21108b845fa1b49f6151c58b92224a41f4648dcd2573b8cc
      bare: fDYiTTpKmx/sRmosTcNLyWTY5Y8Jcbk3ZBqAlKosTpw=
      host: login.example|https://Login.example:443
`

func addressedWith(t *testing.T, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		require.Contains(t, addressed, pairs[i])
	}
	return strings.NewReplacer(pairs...).Replace(addressed)
}

func TestValuesAndAddresses(t *testing.T) {
	t.Parallel()
	s := parsed(t, addressed)
	require.NoError(t, s.CheckExamples())
	require.Equal(t, "https://api.example", s.BaseURL())
	require.True(t, s.IsAddress("token_address"))
	require.False(t, s.IsAddress("site"))
	fallback, has := s.Default("token_address")
	require.True(t, has)
	require.Equal(t, "https://Login.example:443", fallback)
	values := scheme.Values{
		Secrets: map[string]secret.Text{"key": "made-up"},
		Fields:  map[string]string{"site": "s", "token_address": "http://LOCALHOST:8400//"},
		BaseURL: "https://api.example",
	}
	signer, err := s.Signer(values)
	require.NoError(t, err)
	signed, err := signer.Sign(scheme.Moment{Now: time.Unix(1767323045, 0)}, map[string]string{"body": "hello"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"site_id": "s", "host": "localhost:8400|http://LOCALHOST:8400",
		"bare": "fDYiTTpKmx/sRmosTcNLyWTY5Y8Jcbk3ZBqAlKosTpw=",
	}, signed.Values)
	// An address keeps the rules of base_url, and no secret is in one.
	for value, want := range map[string]string{
		"http://api.example":       "is plain http",
		"https://api.example?a=b":  "has a query",
		"https://api.example/'":    "contains a quote",
		"":                         "begins with neither",
		"https://" + long(505):     "is longer than 512 bytes",
		"https://" + long(504):     "",
		"https://api.example/a,b+": "",
	} {
		err := s.CheckField("token_address", value)
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want)
	}
	values.Secrets["key"] = "canary-secret"
	values.Fields["token_address"] = "https://api.example/canary%2Dsecret"
	require.EqualError(t, s.CheckHidden(values), "key is in the scheme, a field or base_url, which are read back; use "+
		"made-up secrets in examples")
	values.Secrets["key"] = "https://api.example" // the document's own base_url
	values.Fields["token_address"] = "https://login.example"
	values.BaseURL = "https://other.example"
	require.ErrorContains(t, s.CheckHidden(values), "key is in the scheme")
}

func long(length int) string { return strings.Repeat("a", length) }

func TestWrongValuesAndAddresses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"a secret": {
			addressedWith(t, "site_id: site", "site_id: hex(key)"),
			"values.site_id: would give the secret away",
		},
		"a stale digest": {
			addressedWith(t, "site_id: site", "site_id: hex(sha256(key))"),
			"values.site_id: has a digest of a secret that stays the same",
		},
		"a digest that no example wants": {
			addressedWith(t, "      bare: fDYiTTpKmx/sRmosTcNLyWTY5Y8Jcbk3ZBqAlKosTpw=\n", ""),
			"values.bare: has a digest of a secret in it, so at least one example must have it in its want",
		},
		"bytes": {
			addressedWith(t, "site_id: site", "site_id: sha256(body)"),
			"values.site_id: is bytes",
		},
		"a wrong name": {
			addressedWith(t, "site_id: site", "Site: site"),
			"values, line 8: the name of a value is lower-case",
		},
		"a header's name": {
			addressedWith(t, "  X-Sig", "  bare", "headers: {X-Sig", "headers: {bare",
				"      X-Sig: 08d58d0da9ace15a21108b845fa1b49f6151c58b92224a41f4648dcd2573b8cc\n", ""),
			"values.bare: is the name of a header too",
		},
		"a query's name": {
			addressedWith(t, "values:", "query: {bare: site}\nvalues:"),
			"values.bare: is the name of a query",
		},
		"no header": {
			replaced(t, "headers:", "values:", "X-Sig", "sig"),
			"headers: declare at least one header, query",
		},
		"a base URL": {addressedWith(t, "HTTPS:", "http:"), "base_url: is plain http"},
		"no base URL": {
			addressedWith(t, "HTTPS://api.example/", `""`),
			"base_url: begins with neither",
		},
		"a wrong default": {
			addressedWith(t, "https://Login", "http://Login"),
			"fields.token_address.default: is plain http",
		},
		"no boolean": {
			addressedWith(t, "address: true", "address: yes"),
			"fields.token_address.address: must be true or",
		},
		"a pattern": {
			addressedWith(t, "address: true", "address: true, pattern: .+"),
			"token_address.pattern: is not for",
		},
		"max": {
			addressedWith(t, "address: true", "address: true, max: 9"),
			"fields.token_address.max: is not for",
		},
		"optional": {
			addressedWith(t, "address: true", "address: true, optional: true"),
			"address.optional: is not for",
		},
		"of a request": {
			addressedWith(t, "{body: {}}", "{body: {address: true}}"),
			"unknown key in request.body",
		},
		"an unknown secret": {
			addressedWith(t, "{key: made-up}", "{key: made-up, bare: x}"),
			"examples[0].secrets: has a key",
		},
		"33 values": {
			addressedWith(t, "  site_id: site\n", many(31, "", func(i int) string { return fmt.Sprintf("  v%d: site\n", i) })),
			"values: has more than 32",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := scheme.Parse(test.text)
			require.ErrorContains(t, err, test.want)
		})
	}
	// A secret is used that only a value has.
	_, err := scheme.Parse(addressedWith(t, "{key: {}}", "{key: {}, more: {}}",
		"hmac_sha256(key, body)", "hmac_sha256(more, body)", "made-up", "made-up, more: m"))
	require.NoError(t, err)
}

// A value is what a header may be.
func TestValuesThatCannotBeAnswered(t *testing.T) {
	t.Parallel()
	made := signer(t, replaced(t, "{body: {}}", "{body: {pattern: '(?s).+', max: 9000}}",
		"ttl: 60s", "values: {v: body}\nttl: 60s"),
		scheme.Values{Secrets: map[string]secret.Text{"key": "k"}})
	for value, fits := range map[string]bool{
		"a b": true, " a": false, "a ": false, "a\nb": false, "\u00e9": false, long(8192): true, long(8193): false,
	} {
		signed, err := made.Sign(scheme.Moment{}, map[string]string{"body": value})
		if fits {
			require.NoError(t, err)
			require.Equal(t, map[string]string{"v": value}, signed.Values)
			continue
		}
		require.EqualError(t, err, "values.v cannot be answered: a value is printable ASCII of at most 8192 bytes, without "+
			"a space at either end")
	}
	made = signer(t, replaced(t, "{body: {}}", "{body: {}, more: {optional: true}}",
		"ttl: 60s", "values: {v: more}\nttl: 60s"),
		scheme.Values{Secrets: map[string]secret.Text{"key": "k"}})
	signed, err := made.Sign(scheme.Moment{}, map[string]string{"body": "b"})
	require.NoError(t, err)
	require.Nil(t, signed.Values)
}

// What unhex and unbase64 give of a config's values is looked at when they are written.
func TestWarningsOfEmptyDecodings(t *testing.T) {
	t.Parallel()
	const document = `secrets: {key: {}}
fields: {salt: {}, more: {optional: true, pattern: '.*'}}
request: {body: {}}
let: {both: lower(salt) + more, unused: unbase64(more)}
headers: {X-Sig: 'hex(hmac_sha256(key, unhex(both) + unhex(both) + unhex(body) + bytes(body)))'}
ttl: 60s
examples: [{secrets: {key: a}, fields: {salt: '6d'}, request: {body: b}, want: {X-Sig: x}}]
`
	const of = " of what the config has is empty: it is not "
	for name, test := range map[string]struct {
		salt, more string
		want       []string
	}{
		"both are good": {"6D61", "6d61", nil},
		"not hex":       {"6D6", "YQ==", []string{"headers.X-Sig: unhex" + of + "hex, or is itself empty"}},
		"absent":        {"6D", "", []string{"let.unused: unbase64" + of + "base64, or is itself empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ElementsMatch(t, test.want, parsed(t, document).Warnings(scheme.Values{
				Secrets: map[string]secret.Text{"key": "k"},
				Fields:  map[string]string{"salt": test.salt, "more": test.more},
				BaseURL: "https://api.example",
			}))
		})
	}
}

// A value that is made with a key pair does no harm to the warnings.
func TestWarningsOfAConfigWithAKeyPair(t *testing.T) {
	t.Parallel()
	for _, let := range []string{
		"base64(public_key(private_key))",
		"base64(unbase64(base64(public_key(private_key))))",
		"base64(ed25519(private_key, now.unix()))",
	} {
		s := parsed(t, fmt.Sprintf(`secrets: {private_key: {key: ed25519}}
fields: {salt: {}}
let: {made: %q, more: 'made + hex(unhex(salt))'}
headers: {X-Sig: 'base64(ed25519(private_key, more + now.unix()))'}
ttl: 60s
examples: [{secrets: {private_key: %q}, fields: {salt: '6d'}, now: 2026-01-02T03:04:05Z, want: {X-Sig: x}}]
`, let, testKey(t, "ed25519.pem")))
		for salt, warnings := range map[string]int{"6D": 0, "6D6": 1} {
			require.Len(t, s.Warnings(scheme.Values{
				Secrets: map[string]secret.Text{"private_key": secret.Text(testKey(t, "ed25519-other.pem"))},
				Fields:  map[string]string{"salt": salt},
				BaseURL: "https://api.example",
			}), warnings)
		}
	}
}

// Decoding can turn an encoded separator into one, if a caller can encode one.
func TestLintOfDecodedSeparators(t *testing.T) {
	t.Parallel()
	const lint = " can turn an encoded & or = of what callers give into one that separates"
	for expression, warned := range map[string]bool{
		`decoded_query(body)`:                                  true,
		`sorted_pairs(body, "=", "&")`:                         true,
		`decoded_query(query(request_string))`:                 true,
		`decoded_query(lower(trim("a=" + body)))`:              true,
		`decoded_query("a=" + percent_encode(plain))`:          false,
		`decoded_query("a=" + percent_encode(formed))`:         true,
		`decoded_query(percent_encode(plain + formed))`:        true,
		`decoded_query(length(body))`:                          false,
		`decoded_query(sorted_query(formed))`:                  true,
		`decoded_query(json(body))`:                            true,
		`decoded_query(decoded_query(formed))`:                 false,
		`decoded_query(percent_encode(decoded_query(formed)))`: true,
		`decoded_query(formed)`:                                false, // it has separators, and none is encoded
		`decoded_query(field + plain)`:                         false,
		`decoded_query(hex(sha256(body)) + base64(body))`:      false,
		`decoded_query(choose(plain == "a", body, "b"))`:       true,
		`sorted_query(body)`:                                   false,
	} {
		t.Run(expression, func(t *testing.T) {
			t.Parallel()
			s := parsed(t, `secrets: {key: {}}
fields: {field: {}}
request:
  request_string: {}
  body: {pattern: '.*', optional: true, max: 99}
  plain: {pattern: '[a-z]+'}
  formed: {pattern: '[a-z&=]+'}
headers: {X-Test: '`+expression+`', X-Sig: 'hex(hmac_sha256(key, request_string))'}
ttl: 60s
examples: [{secrets: {key: a}, fields: {field: f}, request: {request_string: /, plain: a, formed: a}, want: {X-Sig: x}}]
`)
			require.Equal(t, warned, strings.Contains(strings.Join(s.Lints(), "\n"), lint))
		})
	}
}
