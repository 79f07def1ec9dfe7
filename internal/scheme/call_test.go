package scheme_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// sending is a scheme whose login has some sections. Its example is not run.
func sending(sections string) string {
	wanted := func(separator string, names ...string) string {
		var found []string
		for _, name := range names {
			if strings.Contains(sections, name+":") {
				found = append(found, name+": x")
			}
		}
		return strings.Join(found, separator)
	}
	headers := wanted(", ", "Accept", "User-Agent", "content-type", "X-lower", "X-None", "X-Any", "X-Key")
	return `secrets: {key: {}}
fields:
  path: {default: /login, pattern: '.*'}
  any: {default: 'a b&c', pattern: '.*'}
  none: {optional: true}
  login_address: {address: true, default: https://login.example/base/}
login:
  ` + strings.ReplaceAll(sections, "\n", "\n  ") + `
  answer: {token: {body: true}}
  ttl: 1h
headers: {X-Token: token, X-Used: 'hex(hmac_sha384(key, uuid))'}
ttl: 60s
examples:
  - secrets: {key: k}
    base_url: https://a.example
    now: 2026-01-02T03:04:05Z
    uuid: u
    nonce: n
    want: {X-Used: x}
    login:
      answer: t
      gives: {token: t}
      want: {` + wanted(", ", "path", "query", "form", "json", "body") + `, headers: {` + headers + `}}
`
}

// sent is the login of sending.
func sent(t *testing.T, sections string, fields map[string]string) (scheme.LoginCall, error) {
	t.Helper()
	signer, err := parsed(t, sending(sections)).Signer(scheme.Values{
		Secrets: map[string]secret.Text{"key": `can"ary+é`}, Fields: fields, BaseURL: "https://api.example/v1",
	})
	if err != nil {
		return scheme.LoginCall{}, err
	}
	return signer.Login(scheme.Moment{Now: asked, UUID: "made-uuid", Nonce: "made-nonce"})
}

// The request that a login makes, by what it declares. Encodings were made with python's urllib.parse and json.
func TestRequestsOfLogins(t *testing.T) {
	t.Parallel()
	const accept = "application/json"
	for _, test := range []struct {
		name, sections    string
		method, url, body string
		header            http.Header
	}{
		{
			"as little as possible", "path: path", "POST", "https://api.example/v1/login", "",
			http.Header{"Accept": {accept}},
		},
		{
			"an address with a path", "address: login_address\npath: path", "POST", "https://login.example/base/login", "",
			http.Header{"Accept": {accept}},
		},
		{
			"a GET with a query", "method: GET\npath: path\nquery: {b: any, a: key, n: none, t: now.unix(), u: uuid + nonce}",
			"GET", "https://api.example/v1/login?b=a%20b%26c&a=can%22ary%2B%C3%A9&t=1767323045&u=made-uuidmade-nonce", "",
			http.Header{"Accept": {accept}},
		},
		{
			"a path with a query", "path: '\"/login?grant=x\"'\nquery: {b: any}",
			"POST", "https://api.example/v1/login?grant=x&b=a%20b%26c", "",
			http.Header{"Accept": {accept}},
		},
		{
			"a query of nothing", "path: path\nquery: {n: none}", "POST", "https://api.example/v1/login", "",
			http.Header{"Accept": {accept}},
		},
		{
			"a form", "path: path\nform: {b.c: any, key: key, n: none}", "POST", "https://api.example/v1/login",
			"b.c=a%20b%26c&key=can%22ary%2B%C3%A9",
			http.Header{"Accept": {accept}, "Content-Type": {"application/x-www-form-urlencoded"}},
		},
		{
			"JSON", `path: path` + "\n" + `json: {'b"c': any, key: key, n: none, h: 'hex(sha256(key))'}`,
			"POST", "https://api.example/v1/login",
			`{"b\"c":"a b&c","key":"can\"ary+é","h":"737aa5edd695967c73bd996d2aaed61c287d36b97507f8ec561c70908dcb4724"}`,
			http.Header{"Accept": {accept}, "Content-Type": {accept}},
		},
		{
			"JSON of nothing", "path: path\njson: {n: none}", "POST", "https://api.example/v1/login", "{}",
			http.Header{"Accept": {accept}, "Content-Type": {accept}},
		},
		{
			"a body", "path: path\nbody: '`<k>` + json(key) + `</k>` + any'\ncontent_type: '\"text/xml\"'",
			"POST", "https://api.example/v1/login", `<k>"can\"ary+é"</k>a b&c`,
			http.Header{"Accept": {accept}, "Content-Type": {"text/xml"}},
		},
		{
			"headers", "path: path\nform: {key: key}\nheaders: {Accept: '\"*/*\"', User-Agent: '\"x/1\"', " +
				"content-type: '\"a/b\"', X-lower: uuid, X-None: none}",
			"POST", "https://api.example/v1/login", "key=can%22ary%2B%C3%A9",
			http.Header{"Accept": {"*/*"}, "User-Agent": {"x/1"}, "Content-Type": {"a/b"}, "X-lower": {"made-uuid"}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			call, err := sent(t, test.sections, nil)
			require.NoError(t, err)
			require.Equal(t, test.method, call.Method)
			require.Equal(t, test.url, call.URL)
			require.Equal(t, test.header, call.Header)
			if test.body == "" {
				require.Nil(t, call.Body)
			} else {
				require.Equal(t, test.body, string(call.Body))
			}
			// Another attempt is made anew.
			again, err := sent(t, test.sections, nil)
			require.NoError(t, err)
			require.Equal(t, call.URL, again.URL)
		})
	}
}

// What the values of a config make impossible is refused when it is written, where it can be.
func TestValuesThatALoginCannotSend(t *testing.T) {
	t.Parallel()
	const path = "login.path, with the config's fields, "
	for _, test := range []struct{ name, sections, field, value, want string }{
		{"a path without a slash", "path: path", "path", "login", path + "does not start with /"},
		{"a path with dots", "path: '\"/a\" + path'", "path", "/../b", path + "has"},
		{"a path with a space", "path: path", "path", "/a b", path + "contains a space"},
		{"a path with a fragment", "path: path", "path", "/a#b", path + "contains # or \\"},
		{
			"a path with a parameter twice", "path: path\nquery: {b: any}", "path", "/a?%62=c",
			path + "has a parameter in its query that login.query appends: b",
		},
		{"a path that is joined", "path: '\"/a\" + path'", "path", "//b", path + "has // in its path"},
		{
			"a header with a line break", "path: path\nheaders: {X-Any: any}", "any", "aéb",
			"login.headers.X-Any cannot be sent",
		},
		{
			"a header that ends in a space", "path: path\nheaders: {X-Any: any}", "any", "a ",
			"login.headers.X-Any cannot be sent",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := sent(t, test.sections, map[string]string{test.field: test.value})
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

// A secret that stands in a header as it is must be able to. Others may be any text.
func TestSecretsInHeadersOfLogins(t *testing.T) {
	t.Parallel()
	raw := sending("path: path\nheaders: {X-Key: '\"a \" + key'}")
	quoted := sending("path: path\nheaders: {X-Key: json(key)}")
	encoded := sending("path: path\nheaders: {X-Key: '\"a \" + base64(key)'}")
	const wrong = "must be printable ASCII without a space at either end, because the login sends it in a header as it is"
	for given, good := range map[secret.Text]bool{
		"canary": true, "can ary~!": true, "canäry": false, " canary": false, "canary ": false, "\u00a0": false,
	} {
		t.Run(given.Reveal(), func(t *testing.T) {
			t.Parallel()
			values := scheme.Values{Secrets: map[string]secret.Text{"key": given}, BaseURL: "https://api.example"}
			for _, text := range []string{raw, quoted} {
				_, err := parsed(t, text).Signer(values)
				checked := parsed(t, text).CheckSecret("key", given)
				if good {
					require.NoError(t, err)
					require.NoError(t, checked)
				} else {
					require.EqualError(t, err, "key "+wrong)
					require.Error(t, checked)
				}
			}
			_, err := parsed(t, encoded).Signer(values)
			require.NoError(t, err)
		})
	}
}

// The parts of a login that keys sign wait for their turn, and end with the context.
func TestLoginInTurn(t *testing.T) {
	t.Parallel()
	text := signingLogin(t, `hex(ed25519(pair, "login" + now.unix()))`, `"a"`, "")
	signer, err := parsed(t, text).Signer(scheme.Values{
		Secrets: map[string]secret.Text{
			"key": "a", "other": "b", "seed": "c", "pair": secret.Text(testKey(t, "ed25519.pem")),
			"second": secret.Text(testKey(t, "ed25519-other.pem")),
		},
		BaseURL: "https://api.example",
	})
	require.NoError(t, err)
	moment := scheme.Moment{Now: asked}
	call, err := signer.LoginInTurn(t.Context(), moment)
	require.NoError(t, err)
	direct, err := signer.Login(moment)
	require.NoError(t, err)
	require.Equal(t, string(direct.Body), string(call.Body))
	later, err := signer.Login(scheme.Moment{Now: asked.Add(time.Second)})
	require.NoError(t, err)
	require.NotEqual(t, string(direct.Body), string(later.Body))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = signer.LoginInTurn(ended, moment)
	require.Error(t, err)
}

// A scheme with a login signs with what it gave, and not without.
func TestSigningWithALogin(t *testing.T) {
	t.Parallel()
	text := loginWith(t, "login:\n  address", `request: {body: {pattern: '(?s).*'}}
require: {"body must not be x": body != "x"}
ttl: 60s
login:
  address`, "values: {",
		"query: {b: body}\nvalues: {sig: 'hex(hmac_sha256(client_secret, body + uuid + access_token))', ",
		"    now: 20", "    request: {body: b}\n    uuid: u\n    now: 20", "site_id: 42}", "site_id: 42, sig: x}")
	signer := newSigner(t, text)
	moment := scheme.Moment{Now: asked, UUID: "u"}
	_, err := signer.Sign(moment, map[string]string{"body": "b"})
	require.EqualError(t, err, "nothing was given by a login, which the scheme has")
	require.NoError(t, signer.CheckRequest(moment, map[string]string{"body": "b"}))
	moment.Gives = map[string]secret.Text{"access_token": "tok", "site": "s"}
	signed, err := signer.Sign(moment, map[string]string{"body": "b"})
	require.NoError(t, err)
	require.Equal(t, "Bearer tok", signed.Headers["Authorization"])
	// printf %s butok | openssl dgst -sha256 -hmac c4nary/secret+
	require.Equal(t, "487fcd81658053e9b934f8ff9f739bb5ee45cc9fb07ac544f27bff790f9a560e", signed.Values["sig"])
	for fault, request := range map[string]map[string]string{"body is required": {}, "body must not be x": {"body": "x"}} {
		err := signer.CheckRequest(moment, request)
		require.EqualError(t, err, fault)
		wrong := &scheme.RequestError{}
		require.ErrorAs(t, err, &wrong)
	}
	// What a login gives can be larger than other headers.
	moment.Gives["access_token"] = secret.Text(strings.Repeat("a", 16<<10))
	_, err = signer.Sign(moment, map[string]string{"body": "b"})
	require.NoError(t, err)
	// A scheme without a login has none of this.
	s := parsed(t, encoded)
	require.False(t, s.HasLogin())
	require.False(t, s.Exclusive())
	require.Nil(t, s.Gives())
	without := parsed(t, signs(t, "ed25519", "ed25519"))
	signer, err = without.Signer(scheme.Values{
		Secrets: map[string]secret.Text{"private_key": secret.Text(testKey(t, "ed25519.pem"))},
		BaseURL: "https://api.example",
	})
	require.NoError(t, err)
	require.Empty(t, signer.LoginAddress())
	_, err = signer.Login(moment)
	require.EqualError(t, err, "the scheme has no login")
	_, err = scheme.LoginCall{}.Read(scheme.LoginAnswer{})
	require.EqualError(t, err, "the scheme has no login")
}

// A condition on the time is for the signing, not for the check before a login, which does not have the time.
func TestConditionsOnTheMomentAreNotCheckedBeforeALogin(t *testing.T) {
	t.Parallel()
	const moment, field = "only in 2026", "only b"
	signer := newSigner(t, loginWith(t,
		"headers:\n  Auth", "request: {a: {pattern: 'b|c', max: 1}}\nlet: {year: now.format(\"%Y\")}\n"+
			"require: {"+moment+": 'year == \"2026\"', "+field+": a == \"b\"}\nttl: 60s\nheaders:\n  X-A: a\n  Auth",
		"    base_url", "    request: {a: b}\n    base_url", "want: {Auth", "want: {X-A: b, Auth"))
	later := scheme.Moment{Now: asked.AddDate(5, 0, 0)}
	require.NoError(t, signer.CheckRequest(later, map[string]string{"a": "b"}))
	require.EqualError(t, signer.CheckRequest(later, map[string]string{"a": "c"}), field)
	later.Gives = map[string]secret.Text{"access_token": "t", "site": "s"}
	_, err := signer.Sign(later, map[string]string{"a": "b"})
	require.EqualError(t, err, moment)
}

// The warnings about a config's values do not sign.
func TestWarningsOfSchemesThatSign(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("headers: {", "let: {sig: 'base64(ed25519(private_key, message))', of: "+
		"'hex(public_key(private_key))', empty: 'hex(unhex(\"x\"))'}\nheaders: {").Replace(signs(t, "ed25519", "ed25519"))
	require.Contains(t, text, "let: {sig")
	require.Equal(t, []string{"let.empty: unhex of what the config has is empty: it is not hex, or is itself empty"},
		parsed(t, text).Warnings(scheme.Values{
			Secrets: map[string]secret.Text{"private_key": secret.Text(testKey(t, "ed25519.pem"))},
			BaseURL: "https://api.example",
		}))
}
