package scheme_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// A signature in a form, and one in a text that is JSON. The values are from Python's hmac and urllib.parse.quote:
//
//	payload = "amount=1.5 & more&stamp=1767323045"
//	quote(b64encode(hmac.digest(b"made-up", payload.encode(), "sha512")), safe="-._~")
//	hmac.digest(b"made-up", 'POST\n/v1/orders\n1767323045\n{"a":"ü"}'.encode(), "sha256").hex()
const (
	inForm = `secrets: {key: {}}
request: {request_string: {}, amount: {pattern: '.+'}, coupon: {optional: true, pattern: '.*'}}
let:
  stamp: now.unix()
  sig: base64(hmac_sha512(key, "amount=" + amount + "&stamp=" + stamp))
body:
  form:
    note: amount
    coupon: coupon
    stamp: stamp
    signature: sig
ttl: 60s
examples:
  - secrets: {key: made-up}
    request: {request_string: /v1/orders, amount: 1.5 & more}
    now: 2026-01-02T03:04:05Z
    want:
      body: "note=1.5%20%26%20more&stamp=1767323045&signature=U5%2F4jJtTIy39ncm7QuTinFBs4W%2FAt92b522FFy6pW3ApwPDi\
        6YcviQhoHHOWmCHZ6aTlC8XfYunVbAEj2%2BiMCQ%3D%3D"
      Content-Type: application/x-www-form-urlencoded
`
	inText = `secrets: {key: {}}
request: {method: {}, request_string: {}, content: {pattern: '(?s).*', optional: true, max: 9000}}
let:
  stamp: now.unix()
  digest: hex(hmac_sha256(key, method + "\n" + request_string + "\n" + stamp + "\n" + content))
body:
  text: '"{\"sig\":\"" + digest + "\",\"data\":" + json(content) + "}"'
  content_type: '"application/json; v=" + stamp'
ttl: 60s
examples:
  - secrets: {key: made-up}
    request: {method: POST, request_string: /v1/orders, content: "{\"a\":\"\u00fc\"}"}
    now: 2026-01-02T03:04:05Z
    want: {body: "{\"sig\":\"e54825f3cf0b2a7cc0b26bd7e0dca6a2db663db3e620fcc2b8d52ef35c53e11b\",\
      \"data\":\"{\\\"a\\\":\\\"\u00fc\\\"}\"}"}
`
)

func TestBodies(t *testing.T) {
	t.Parallel()
	at := scheme.Moment{Now: time.Unix(1767323045, 0)}
	values := scheme.Values{Secrets: map[string]secret.Text{"key": "made-up"}, BaseURL: "https://api.example"}
	for name, test := range map[string]struct {
		text          string
		request       map[string]string
		body, content string
	}{
		"a form": {
			inForm,
			map[string]string{"request_string": "/v1/orders", "amount": "1.5 & more", "coupon": "é"},
			"note=1.5%20%26%20more&coupon=%C3%A9&stamp=1767323045&signature=U5%2F4jJtTIy39ncm7QuTinFBs4W%2FAt92b522FFy6pW3A" +
				"pwPDi6YcviQhoHHOWmCHZ6aTlC8XfYunVbAEj2%2BiMCQ%3D%3D",
			"application/x-www-form-urlencoded",
		},
		"a text": {
			inText,
			map[string]string{"request_string": "/v1/orders", "method": "POST", "content": `{"a":"ü"}`},
			`{"sig":"e54825f3cf0b2a7cc0b26bd7e0dca6a2db663db3e620fcc2b8d52ef35c53e11b","data":"{\"a\":\"ü\"}"}`,
			"application/json; v=1767323045",
		},
		"a text of other lines than a header has": {
			replaced(t, "{body: {}}", "{content: {pattern: '(?s).*', optional: true}}", "key, body", "key, uuid",
				"ttl: 60s", "body: {text: content, content_type: uuid}\nttl: 60s", "{body: hello}", "{content: a}",
				"    want:", "    uuid: u\n    want:"),
			map[string]string{"content": " \x00\r\n\u00e9 "},
			" \x00\r\n\u00e9 ", "u",
		},
		"an empty text": {
			replaced(t, "{body: {}}", "{content: {pattern: '(?s).*', optional: true}}", "key, body", "key, uuid",
				"ttl: 60s", "body: {text: content, content_type: uuid}\nttl: 60s", "{body: hello}", "{content: a}",
				"    want:", "    uuid: u\n    want:"),
			nil, "", "u",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := at
			at.UUID = "u"
			require.True(t, parsed(t, test.text).HasBody())
			signed, err := signer(t, test.text, values).Sign(at, test.request)
			require.NoError(t, err)
			require.Equal(t, test.body, signed.Body)
			require.Equal(t, test.content, signed.Headers["Content-Type"])
		})
	}
	require.False(t, parsed(t, small).HasBody())
	for name, text := range map[string]string{"a form": inForm, "a text": inText} {
		require.NoError(t, parsed(t, text).CheckExamples(), name)
	}
	err := parsed(t, strings.Replace(inForm, "stamp=1767323045&", "stamp=1767323046&", 1)).CheckExamples()
	require.ErrorContains(t, err, "examples[0].want.body: the scheme gives \"note=1.5%20")
	require.ErrorContains(t, err, `it is made with hmac_sha512 of "amount=1.5 & more&stamp=1767323045"`)
	err = parsed(t, strings.Replace(inForm, "x-www-form-urlencoded", "json", 1)).CheckExamples()
	require.ErrorContains(t, err, "examples[0].want.Content-Type: the scheme gives \"application/x-www-form-urlencoded\"")
}

// A section body that says nothing counts as absent, as other empty mappings do.
func TestEmptyBodyIsNone(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"body: {}", "body: {form: {}}"} {
		require.False(t, parsed(t, replaced(t, "ttl: 60s", body+"\nttl: 60s")).HasBody(), body)
	}
	s := parsed(t, replaced(t, "{body: {}}", "{content: {}}", "key, body", "key, content", "{body: hello}", "{content: a}",
		"ttl: 60s", "body: {form: {}, text: content, content_type: '\"a\"'}\nttl: 60s"))
	require.True(t, s.HasBody())
}

func TestWrongBodies(t *testing.T) {
	t.Parallel()
	with := func(text string, pairs ...string) string {
		for i := 0; i < len(pairs); i += 2 {
			require.Contains(t, text, pairs[i])
		}
		return strings.NewReplacer(pairs...).Replace(text)
	}
	const stale = "has a digest of a secret that stays the same"
	for _, test := range []struct{ name, text, want string }{
		{"a word", replaced(t, "ttl: 60s", "body: canary\nttl: 60s"), "body: must be a mapping"},
		{
			"an unknown key", with(inText, "  text:", "  json:"),
			"line 7: unknown key in body; the keys are form, text, content_type",
		},
		{"both", with(inForm, "  form:", "  text: stamp\n  content_type: stamp\n  form:"), "body: has one of form and text"},
		{"a Content-Type alone", replaced(t, "ttl: 60s", "body: {content_type: '\"a\"'}\nttl: 60s"), "body: has one of"},
		{
			"a form's Content-Type", with(inForm, "  form:", "  content_type: stamp\n  form:"),
			"body.content_type: is for text",
		},
		{
			"a text without one", with(inText, "  content_type: '\"application/json; v=\" + stamp'\n", ""),
			"body.content_type: is required",
		},
		{
			"an empty Content-Type", with(inText, `'"application/json; v=" + stamp'`, "content"),
			"body.content_type: can be empty",
		},
		{
			"a secret as Content-Type", with(inText, `'"application/json; v=" + stamp'`, "key"),
			"body.content_type: would give the secret away",
		},
		{
			"bytes", with(inText, "hex(hmac_sha256", "bytes(hex(hmac_sha256", "+ content))", "+ content)))"),
			"text, column 15: + joins",
		},
		{"a secret in the text", with(inText, "json(content)", "json(key)"), "body.text: would give the secret away"},
		{
			"a secret in the form", with(inForm, "note: amount", "note: hex(key)"),
			"body.form.note: would give the secret away",
		},
		{"a stale digest in the form", with(inForm, "note: amount", "note: hex(sha256(key))"), "body.form.note: " + stale},
		{"a stale digest in the text", with(inText, "json(content)", "hex(sha256(key))"), "body.text: " + stale},
		{
			"one that can be extended", with(inForm, "note: amount", "note: hex(sha256(key + stamp + amount))"),
			"note, column 24: could be extended",
		},
		{
			"a digest compared", with(inForm, "note: amount", `note: choose(hex(sha256(key + stamp)) == amount, "a", "b")`),
			"cannot be compared",
		},
		{"a name", with(inForm, "note:", "no te:"), "body.form, line 8: the name of a query parameter is"},
		{"a name twice", with(inForm, "coupon: coupon", "Note: coupon"), "body.form.Note: is there twice"},
		{
			"33 parameters",
			with(inForm, "    note: amount\n", many(30, "", func(i int) string { return fmt.Sprintf("    f%d: stamp\n", i) })),
			"body.form: has more than 32",
		},
		{
			"the header", with(inText, "body:\n", "headers: {content-type: stamp}\nbody:\n"),
			"headers.content-type: is that of the body",
		},
		{
			"the header with _", with(inText, "body:\n", "headers: {Content_Type: stamp}\nbody:\n"),
			"headers.Content_Type: is that of the body",
		},
		{
			"a request field",
			with(inText, "content: {", "body: {", "content))", "body))", "(content)", "(body)", "content: \"", "body: \""),
			"request.body: is not for a scheme with body",
		},
		{
			"a header of the name", with(inText, "body:\n", "headers: {body: stamp}\nbody:\n"),
			"headers.body: has the name of the body",
		},
		{
			"a parameter of the name", with(inText, "body:\n", "query: {body: stamp}\nbody:\n"),
			"query.body: has the name of the body",
		},
		{
			"a value of the name", with(inText, "body:\n", "values: {body: stamp}\nbody:\n"),
			"values.body: has the name of the body",
		},
		{
			"a digest that no example wants", with(inText, "want: {body: ", "want: {Content-Type: "),
			"body.text: has a digest of a secret in it",
		},
		{
			"a digest of a form", regexp.MustCompile(`(?m)^      body: (.*\n){2}`).ReplaceAllString(inForm, ""),
			"body.form: has a digest of a secret in it",
		},
		{
			"a text above 64 KiB", with(inText, "json(content)", "json(content) + content", "max: 9000", "max: 10000"),
			"can have more than 65536 bytes",
		},
		{
			"a form above 64 KiB", with(inForm, "{pattern: '.+'}", "{pattern: '.+', max: 19680}"),
			"body.form: can have more than 65536 bytes when it is percent-encoded",
		},
		{
			"no secret in it", with(inForm, "{key: {}}", "{key: {}, more: {}}"),
			"secrets.more: is not used in any header, query parameter, value or body",
		},
		{
			"a body that a scheme does not have", replaced(t, "want: {", "want: {body: a, "),
			"examples[0].want: has a key that the scheme does not declare; it declares: X-Sig",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := scheme.Parse(test.text)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "canary")
		})
	}
	// 6,499 bytes are not of the amount.
	_, err := scheme.Parse(with(inForm, "{pattern: '.+'}", "{pattern: '.+', max: 19679}"))
	require.NoError(t, err)
	_, err = scheme.Parse(with(inForm, "note: amount", "note: hex(sha256(key))",
		"ttl: 60s", "allow_static: true\nttl: 60s"))
	require.NoError(t, err)
}

// What is refused in a header is refused in a body, too.
func TestHostileExpressionsInBodies(t *testing.T) {
	t.Parallel()
	word := regexp.MustCompile(`\bbody\b`)
	for _, test := range hostileExpressions {
		if test.want == "" || strings.Contains(test.expression, "\n") {
			continue
		}
		lets := "  secret_let: (key)\n  request_let: key + stamp + body\n  digest_let: hex(sha256(key + stamp))\n" +
			"  derived_let: derive_sha256(seed)\n  long_let: salt\n  pair_let: (rsakey)\n"
		text := word.ReplaceAllString(hostileDocument(test.expression, lets, ""), "content")
		for place, body := range map[string]string{
			"text": "body:\n  content_type: '\"a\"'\n  text: |", "form": "body:\n  form:\n    sig: |",
		} {
			_, err := scheme.Parse(strings.NewReplacer(
				"  X-Test: |", body, "want: {X-Test: x,", "want: {body: x,").Replace(text))
			require.Error(t, err, "%s: %s", place, test.expression)
		}
	}
}

// A body is JSON in Vault's answer, so it cannot be bytes that are not UTF-8.
func TestBodyThatIsNotUTF8(t *testing.T) {
	t.Parallel()
	text := replaced(t, "{body: {}}", "{content: {}}", "key, body", "key, content", "{body: hello}", "{content: a}",
		"ttl: 60s", "body: {text: decoded_query(content), content_type: '\"a\"'}\nttl: 60s")
	made := signer(t, text, scheme.Values{Secrets: map[string]secret.Text{"key": "k"}, BaseURL: "https://api.example"})
	signed, err := made.Sign(scheme.Moment{}, map[string]string{"content": "%C3%A9"})
	require.NoError(t, err)
	require.Equal(t, "é", signed.Body)
	_, err = made.Sign(scheme.Moment{}, map[string]string{"content": "canary%FF"})
	require.EqualError(t, err, "body.text cannot be sent: it is not UTF-8")
}

// A field beside the literal that it can have is a lint in a body, too.
func TestLintOfBodies(t *testing.T) {
	t.Parallel()
	lints := func(text string) string { return strings.Join(parsed(t, text).Lints(), "\n") }
	const lint = "body.text: content can have the text in it that stands next to it"
	require.NotContains(t, lints(inText), lint)
	require.Contains(t, lints(strings.Replace(inText, "json(content)", "content", 1)), lint)
}
