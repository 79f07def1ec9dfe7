package scheme_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
)

// Every example of a login here is wrong in one way, which is found when the document is read.
func TestWrongExamplesOfLogins(t *testing.T) {
	t.Parallel()
	with := func(pairs ...string) string { return loginWith(t, pairs...) }
	before, rest, _ := strings.Cut(loggingIn, "    login:\n")
	_, after, _ := strings.Cut(rest, "      life: 3600\n")
	head, _, _ := strings.Cut(loggingIn, "      answer:")
	_, tail, _ := strings.Cut(with("      life: 3600\n", ""), "      gives:")
	const (
		whole = "login: at least one example must have a login with all that it sends in want: path, query, form, headers " +
			"(Authorization); an answer; and all that it gives: access_token, site"
		wants = "        headers: {Authorization: 'Basic Y2wlM0FpZDptYWRlJTIwdXAlMkZzZWNyZXQ='}\n"
	)
	for _, test := range []struct{ name, text, want string }{
		{"no path", with("        path: /oauth/token\n", ""), whole},
		{"no query", with("        query: api-version=1%200\n", ""), whole},
		{"no header", with(wants, ""), whole},
		{"no form", with("        form: grant_type=client_credentials&at=1767323045\n", ""), whole},
		{"no answer", head + "      gives:" + tail, whole},
		{"no login", before + after, "examples[0]: needs login.gives.access_token, which the scheme uses"},
		{
			"nothing that is given", with("      gives: {access_token: made-up-token, site: 42}\n", ""),
			"examples[0].login: has an answer, so it must have gives",
		},
		{
			"a value that is not given", with("gives: {access_token: made-up-token, site: 42}", "gives: {site: 42}"),
			"examples[0]: needs login.gives.access_token, which the scheme uses",
		},
		{
			"a value that nothing uses, and is not given",
			with("answer:\n    access_token", "answer:\n    unused: {pointer: /unused}\n    access_token"),
			whole[:strings.LastIndex(whole, "access_token")] + "unused, access_token, site",
		},
		{
			"another value", with("gives: {access", "gives: {canary: a, access"),
			"examples[0].login.gives: has a key that the login does not declare; it declares: access_token, site",
		},
		{
			"another part", with("        form: grant", "        json: canary\n        form: grant"),
			"examples[0].login.want: has a key that the login does not declare; it declares: path, query, form",
		},
		{
			"an unknown part", with("        form: grant", "        canary: a\n        form: grant"),
			"unknown key in examples[0].login.want; the keys are path, query, headers, form, json, body",
		},
		{
			"another header", with("headers: {Authorization: 'Basic Y", "headers: {Accept: a, Authorization: 'Basic Y"),
			"examples[0].login.want.headers: has a key that the login does not declare; it declares: Authorization",
		},
		{
			"an unknown key", with("      life: 3600", "      lives: 3600"),
			"unknown key in examples[0].login; the keys are want, " +
				"answer, gives, life",
		},
		{
			"a life of words", with("      life: 3600", "      life: canary"),
			"examples[0].login.life: must be a number of seconds",
		},
		{
			"a life of nothing", with("      life: 3600", "      life: 0"),
			"examples[0].login.life: must be a number of seconds",
		},
		{
			"an answer that is a list", with("      answer: >-", "      answer: [a]\n      more: >-"),
			"unknown key in examples[0].login",
		},
		{
			"an answer of other keys", with("      answer: >-", "      answer: {canary: a}\n      x: >-"),
			"unknown key in examples[0].login",
		},
		{
			"a login of a scheme without one", strings.Replace(small, "    want:", "    login: {}\n    want:", 1),
			"examples[0].login: the scheme has no login",
		},
		{"no base_url, which is expected", with("    base_url: https://api.example\n", ""), "examples[0]: needs base_url"},
		{"no time", with("    now: 2026-01-02T03:04:05Z\n", ""), "examples[0]: needs now, which the scheme uses"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := scheme.Parse(test.text)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "canary")
		})
	}
	// A second example need not be whole.
	_, err := scheme.Parse(loggingIn + strings.NewReplacer("    login:\n",
		"    login: {gives: {access_token: a, site: b}}\n").
		Replace(`  - secrets: {client_secret: a}
    fields: {client_id: b}
    base_url: https://api.example
    now: 2026-01-02T03:04:05Z
    login:
    want: {Authorization: Bearer a}
`))
	require.NoError(t, err)
}

// An example whose login differs shows what the scheme gives, and of what it is made.
func TestExamplesOfLoginsThatDiffer(t *testing.T) {
	t.Parallel()
	with := func(pairs ...string) string { return loginWith(t, pairs...) }
	for _, test := range []struct{ name, text, want string }{
		{
			"the path", with("        path: /oauth/token\n", "        path: /oauth\n"),
			`examples[0].login.want.path: the scheme gives "/oauth/token", and the example wants "/oauth"`,
		},
		{
			"the query", with("query: api-version=1%200", "query: api-version=1+0"),
			`examples[0].login.want.query: the scheme gives "api-version=1%200", and the example wants "api-version=1+0"`,
		},
		{
			"a header", with("'Basic Y2w", "'Basic X2w"),
			`examples[0].login.want.headers.Authorization: the scheme gives "Basic Y2w`,
		},
		{
			"the form", with("form: grant_type=client_credentials&at", "form: grant_type=client&at"),
			`examples[0].login.want.form: the scheme gives "grant_type=client_credentials&at=1767323045", and `,
		},
		{
			"what is given", with("gives: {access_token: made-up-token", "gives: {access_token: made-up"),
			`examples[0].login.gives.access_token: the scheme gives "made-up-token", and the example wants "made-up"`,
		},
		{
			"the life", with("      life: 3600", "      life: 3599"),
			`examples[0].login.life: the scheme gives "3600", and the example wants "3599"`,
		},
		{
			"a life that the answer does not tell", with(`"expires_in": 3600`, `"expires": 3600`, "life: 3600", "life: 7200"),
			`the example wants "7200" (the answer tells no life where the scheme looks for it, so ttl counts: `,
		},
		{
			"an output", with("{Authorization: Bearer made-up-token", "{Authorization: Bearer made-up"),
			`examples[0].want.Authorization: the scheme gives "Bearer made-up-token", and the example wants "Bearer made-up"`,
		},
		{
			"an answer that is no JSON", with(`{"access_token": "made-up`, `{access_token: "made-up`),
			"examples[0].login.answer: the answer is not JSON",
		},
		{
			"an answer without a value", with(`{"access_token": "made-up`, `{"token": "made-up`),
			"examples[0].login.answer: login.answer.access_token: is not in the answer",
		},
		{
			"an answer that is a refusal", with(`{"access_token": "made-up`, `{"success": false, "access_token": "made-up`),
			"examples[0].login.answer: the answer is a refusal, as login.refused has it",
		},
		{
			"an answer that gives the secret back", with(`"made-up-token",`, `"made up/secret",`),
			"examples[0].login.answer: what login.answer or login.life takes has a secret of the config in it",
		},
		{
			"a signature", with("scope: scope, at", "sig: 'hex(hmac_sha256(client_secret, client_id + scope))', at"),
			`; it is made with hmac_sha256 of "cl:id"`,
		},
		{
			"a signature in a let", with("scope: scope, at", "sig: sig, at", "headers:\n  Auth",
				"let: {sig: 'hex(hmac_sha256(client_secret, \"v1\" + client_id))'}\nheaders:\n  Auth"),
			`; it is made with hmac_sha256 of "v1cl:id"`,
		},
		{"a secret that is base64", with("'made up/secret'", "bWFkZQ=="), "; client_secret could be base64"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, parsed(t, test.text).CheckExamples(), test.want)
		})
	}
}

// An answer of an example can have headers, and what is wanted may name what is left out and the media type.
func TestExamplesOfAnswersWithHeaders(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer(`answer: {token: {body: true}}`, `answer: {token: {header: X-Token}, sid: {cookie: sid}}`,
		"headers: {X-Token: token,", "headers: {X-Token: token + sid,",
		"answer: t\n", "answer: {headers: {X-Token: t, Set-Cookie: sid=s; Path=/}, body: x}\n", "gives: {token: t}",
		"gives: {token: t, sid: s}\n      life: 3600", "path: x, body: x", "path: /login, body: 'a b&c'",
		"headers: {X-None: x}", "headers: {X-None: '', Content-Type: text/plain}", "want: {X-Used: x}", "want: {X-Used: "+
			// printf %s u | openssl dgst -sha384 -hmac k
			"1786cf27d9aa82994468339c4468186662572288b201728a"+
			"de4cb34f4add35d71369a211f8597d1d845aecc11251c994, X-Token: ts}").Replace(
		sending("path: path\nheaders: {X-None: none}\nbody: any\ncontent_type: '\"text/plain\"'"))
	require.NoError(t, parsed(t, text).CheckExamples())
	require.ErrorContains(t, parsed(t, strings.Replace(text, "Content-Type: text/plain", "Content-Type: a/b",
		1)).CheckExamples(),
		`examples[0].login.want.headers.Content-Type: the scheme gives "text/plain", and the example wants "a/b"`)
}
