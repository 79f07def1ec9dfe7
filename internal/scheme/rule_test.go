package scheme_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

func TestShortAndEncodedSecretsAreNotInTheDocument(t *testing.T) {
	t.Parallel()
	check := func(document, name string, value secret.Text) error { return checkSecret(t, document, name, value) }
	with := func(body string) string { return strings.Replace(encoded, "{body: hello}", "{body: "+body+"}", 1) }
	// The two alphabets of base64 differ where bytes give 62 and 63.
	const both = "canary>>>???"
	for name, encoding := range map[string]*base64.Encoding{
		"base64":                 base64.StdEncoding,
		"base64 without padding": base64.RawStdEncoding,
		"base64url":              base64.URLEncoding,
		"base64url, no padding":  base64.RawURLEncoding,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			comment := encoding.EncodeToString([]byte(both))
			require.True(t, strings.ContainsAny(comment, "+/-_"))
			require.ErrorContains(t, check(encoded+"# x"+comment+"\n", "plain", both), "plain is in the scheme")
		})
	}
	// A short one as it was given, though its bytes are nowhere.
	require.ErrorContains(t, check(with("deadbe"), "digits", "DEADBE"), "digits is in the scheme")
	// The bytes of an example's secret.
	require.ErrorContains(t, check(strings.Replace(encoded, "bWFkZS11cA==", "aGlkZGVu", 1), "plain", "hidden"),
		"plain is in the scheme")
	require.ErrorContains(t, check(with("c2VjcmV0"), "based", "c2VjcmV0"), "based is in the scheme")
	require.ErrorContains(t, check(encoded, "based", secret.Text(strings.Repeat("!", 8193))),
		"based must have 1 to 4096 bytes")
}

func TestFieldNamedRequestStringAndLongBaseURL(t *testing.T) {
	t.Parallel()
	// A field of the config that is called request_string is none.
	_, err := scheme.Parse(replaced(t, "ttl: 60s", "fields: {request_string: {default: a}}\nttl: 60s"))
	require.NoError(t, err)
	s := parsed(t, small)
	for length, fits := range map[int]bool{512: true, 513: false} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			t.Parallel()
			address := "https://a.example/"
			address += strings.Repeat("a", length-len(address))
			_, err := s.Signer(scheme.Values{Secrets: map[string]secret.Text{"key": "k"}, BaseURL: address})
			require.Equal(t, fits, err == nil)
		})
	}
}

func TestQueryLimitsAndUndeclaredRequestString(t *testing.T) {
	t.Parallel()
	made := signer(t, replaced(t, "{body: {}}", "{body: {max: 9000}}", "ttl: 60s", "query: {q: body}\nttl: 60s"),
		scheme.Values{Secrets: map[string]secret.Text{"key": "k"}})
	_, err := made.Sign(scheme.Moment{}, map[string]string{"body": strings.Repeat("c", 8192)})
	require.NoError(t, err)
	_, err = made.Sign(scheme.Moment{}, map[string]string{"body": strings.Repeat("c", 8193)})
	require.EqualError(t, err, "query.q cannot be sent: a query parameter has at most 8192 bytes")
	// A parameter that the scheme does not declare is not used.
	signed, err := made.Sign(scheme.Moment{}, map[string]string{"body": "b", "request_string": "/canary"})
	require.NoError(t, err)
	require.Empty(t, signed.URL)
	_, err = scheme.Parse(replaced(t, "{body: {}}", "{body: {pattern: '[ab]{18}', max: 65536}}"))
	require.NoError(t, err)
	_, err = scheme.Parse(replaced(t, "{body: {}}", "{body: {pattern: '[ab]{19}', max: 65536}}"))
	require.ErrorContains(t, err, "would take too long")
}

func TestExamplesNeedWant(t *testing.T) {
	t.Parallel()
	_, err := scheme.Parse(small + "  - {secrets: {key: made-up-key}, request: {body: x}}\n")
	require.ErrorContains(t, err, "examples[1]: has no want")
	// A header that is left out is not what an example wants.
	s := parsed(t, replaced(t, "{body: {}}", "{body: {}, more: {optional: true}}",
		"{X-Sig: 'hex(hmac_sha256(key, body))'}",
		"{X-More: more, X-Sig: 'hex(hmac_sha256(key, body))'}", "want: {", "want: {X-More: x, "))
	require.EqualError(t, s.CheckExamples(), `examples[0].want.X-More: the scheme gives "", and the example wants "x"`)
}

func TestForbiddenHeaders(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Host", "Content-Length", "Transfer-Encoding", "TE", "Trailer", "Connection", "Keep-Alive", "Proxy-Authorization",
		"Upgrade", "Expect", "X-Vault-Token",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := scheme.Parse(replaced(t, "X-Sig: 'hex", name+": body, X-Sig: 'hex"))
			require.ErrorContains(t, err, "headers, line 3: this header belongs to the connection")
		})
	}
}

// An example's base_url is in the spelling in which a config's is stored.
func TestBaseURLOfAnExample(t *testing.T) {
	t.Parallel()
	s := parsed(t, replaced(t,
		"headers: {", "headers: {X-Base: base_url, ",
		"    want: {", "    base_url: HTTPS://a.example/\n    want: {X-Base: https://a.example, ",
		"2cd37f3bbd12c5e0d6b4a2d0d2ce5ef6cdd4a0a7a1b2b5b2a3d0f0d9c6b1a8e7",
		"b50abd611881311ccb1c3cfb8950edfdaaa3ba2feaba8ce8c71f3cc98e41eb28"))
	require.NoError(t, s.CheckExamples())
}

func TestDocumentSize(t *testing.T) {
	t.Parallel()
	fill := func(size int) string { return small + "#" + strings.Repeat("x", size-len(small)-1) }
	_, err := scheme.Parse(fill(64 << 10))
	require.NoError(t, err)
	_, err = scheme.Parse(fill(64<<10 + 1))
	require.EqualError(t, err, "scheme: is longer than 65536 bytes")
}

// What is just within the limits. TestWrongDocuments has what is just beyond them.
func TestDocumentsAtTheLimits(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"64 names": replaced(t, "{body: {}}", "{body: {}, "+manyNames(62)+"}"),
		"ttl 1s":   replaced(t, "60s", "1s"),
		"ttl 24h":  replaced(t, "60s", "24h"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := scheme.Parse(text)
			require.NoError(t, err)
		})
	}
	_, err := scheme.Parse(replaced(t, "ttl: 60s", "fields: {f: {pattern: 'a{600}', max: 4096}}\nttl: 60s"))
	require.ErrorContains(t, err, "its patterns would take too long")
}

func TestRulesOfFields(t *testing.T) {
	t.Parallel()
	s := parsed(t, replaced(t, "{body: {}}", "{body: {}, request_string: {pattern: '.*'}}"))
	require.NotContains(t, strings.Join(s.Lints(), "\n"), "comma")
	s = parsed(t, replaced(t, "ttl: 60s", "fields: {f: {pattern: '(?s).*', default: a}}\nttl: 60s"))
	require.EqualError(t, s.CheckField("f", "\x00"), "contains a byte 0")
}

func TestConditions(t *testing.T) {
	t.Parallel()
	made := signer(t, replaced(t, "{body: {}}", "{body: {}, more: {}}", "{X-Sig:",
		`{X-And: 'choose(body == "a" && more == "a", "1", "0")', `+
			`X-Or: 'choose(body == "a" || more == "a", "1", "0")', X-Not: 'choose(!(body == "a"), "1", "0")', `+
			`X-Ends: 'choose(body.endsWith(more), "1", "0")', X-Contains: 'choose(body.contains(more), "1", "0")', X-Sig:`),
		scheme.Values{Secrets: map[string]secret.Text{"key": "k"}})
	for request, want := range map[[2]string]string{
		{"a", "a"}:   "11011",
		{"a", "b"}:   "01000",
		{"b", "a"}:   "01100",
		{"b", "b"}:   "00111",
		{"cab", "b"}: "00111",
		{"cab", "a"}: "01101",
	} {
		t.Run(request[0]+" "+request[1], func(t *testing.T) {
			t.Parallel()
			signed, err := made.Sign(scheme.Moment{}, map[string]string{"body": request[0], "more": request[1]})
			require.NoError(t, err)
			got := ""
			for _, name := range []string{"X-And", "X-Or", "X-Not", "X-Ends", "X-Contains"} {
				got += signed.Headers[name]
			}
			require.Equal(t, want, got)
		})
	}
}
