package scheme_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
)

// Every login here is wrong in one way. The error names the place and what is accepted.
func TestWrongLogins(t *testing.T) {
	t.Parallel()
	require.NoError(t, parsed(t, loggingIn).CheckExamples())
	with := func(pairs ...string) string { return loginWith(t, pairs...) }
	header := func(expression string) string {
		return with(`'"Basic " + base64(percent_encode(client_id) + ":" + percent_encode(client_secret))'`,
			"'"+expression+"'")
	}
	form := func(member string) string { return with("scope: scope, at", member+", at") }
	json := func(member string) string { return with("form: {grant_type", "json: {"+member+", grant_type") }
	body := func(expression string) string {
		return with(`form: {grant_type: '"client_credentials"', scope: scope, at: now.unix()}`,
			"body: '"+expression+"'\n  content_type: '\"text/plain\"'")
	}
	answer := func(field string) string { return with("{pointer: /sites/1/id, max: 16}", field) }
	life := func(rule string) string { return with("life: {pointer: /expires_in}", "life: "+rule) }
	secret := func(options string) string { return with("{client_secret: {}}", "{client_secret: "+options+"}") }
	refused := func(rule string) string { return with("{pointer: /success, is: 'false'}", rule) }
	request := func(field string) string { return with("login:\n  address", "request: {"+field+"}\nlogin:\n  address") }
	const (
		isAddress  = ": must be base_url, or the name of a field with address: true"
		onlyPublic = "login.path: a path is made of literals and fields only"
		logsOut    = ", which the login gives; a login uses secrets, fields, now, uuid, nonce, base_url only"
		keyAway    = ": would give the private key away; a private key only signs"
		decoded    = "login.headers.Authorization: has a secret in it that is decoded or derived, so it may not be printable"
		asItIs     = "login.body: has a secret in it as it is, which could end the text around it"
		oneWay     = "login.answer.site: must have one of pointer, header, cookie and body"
		number     = "login.answer.site.max: must be a whole number from 1 to 16384"
		isPointer  = "must be a JSON pointer (RFC 6901)"
		as         = "login.life.as: must be seconds, minutes, ms, unix, unix_ms, rfc3339, or a layout"
		duration   = ": must be a duration in whole seconds from 1s to 768h"
		parameter  = "a scheme with a login cannot declare "
		ourName    = "this name is a parameter of the engine or of Vault"
	)
	for _, test := range []struct{ name, text, want string }{
		// Sections
		{"an unknown key", with("  method: POST", "  canary: POST"), "unknown key in login; the keys are address, method"},
		{"a list", with("login:\n  address", "x: [a]\nlogin:\n  address"), "unknown key in scheme"},
		{"a text", "secrets: {a: {}}\nlogin: canary", "login: must be a mapping of names to values"},
		{"no path", with("  path: '\"/oauth/token\"'\n", ""), "login.path: is required"},
		{"no ttl", with("  ttl: 1h\n", ""), "login.ttl: is required"},
		{"a ttl of nothing", with("ttl: 1h", "ttl: 0"), "login.ttl" + duration},
		{"a ttl of a year", with("ttl: 1h", "ttl: 8760h"), "login.ttl" + duration},
		{"a max that is no duration", with("ttl: 1h", "ttl: 1h\n  max: canary"), "login.max" + duration},
		{"a ttl above max", with("ttl: 1h", "ttl: 1h\n  max: 59m"), "login.ttl: is longer than login.max"},
		{"a ttl above the default of max", with("ttl: 1h", "ttl: 25h"), "login.max, which is 24h by default"},
		{"exclusive", with("ttl: 1h", "ttl: 1h\n  exclusive: 'yes'"), "login.exclusive: must be true or false"},
		// The address
		{"an address that is text", with("address: login_address", "address: client_id"), "login.address" + isAddress},
		{"an address that is a URL", with("address: login_address", "address: https://canary"), "login.address" + isAddress},
		{
			"an address that is a secret", with("address: login_address", "address: client_secret"),
			"login.address" + isAddress,
		},
		{"an address of the answer", with("address: login_address", "address: access_token"), "login.address" + isAddress},
		// Method and path
		{"PUT", with("method: POST", "method: PUT"), "login.method: must be POST or GET"},
		{"post", with("method: POST", "method: post"), "login.method: must be POST or GET"},
		{"a GET with a form", with("method: POST", "method: GET"), "login.form: a GET has no body"},
		{"a secret in the path", with(`'"/oauth/token"'`, `'"/" + hex(client_secret)'`), onlyPublic},
		{"a digest in the path", with(`'"/oauth/token"'`, `'"/" + hex(sha256(client_secret))'`), onlyPublic},
		{"the time in the path", with(`'"/oauth/token"'`, `'"/" + now.unix()'`), onlyPublic},
		{"a nonce in the path", with(`'"/oauth/token"'`, `'"/" + nonce'`), onlyPublic},
		{"base_url in the path", with(`'"/oauth/token"'`, `base_url`), onlyPublic},
		{
			"a let of a secret in the path", with(`'"/oauth/token"'`, `p`, "headers:\n  Auth",
				"let: {p: '\"/\" + hex(sha256(client_secret))'}\nheaders:\n  Auth"), onlyPublic,
		},
		{"a path of an example without a slash", with(`'"/oauth/token"'`, `client_id`), "examples[0]: login.path, with the " +
			"config's fields, does not start with /"},
		{"a path with dots", with(`'"/oauth/token"'`, `'"/a/../b"'`), "login.path, with the config's fields, has "},
		{
			"a path with a comma", with(`'"/oauth/token"'`, `'"/a,b"'`),
			"login.path, with the config's fields, contains a comma",
		},
		{"an empty path", with(`'"/oauth/token"'`, `'""'`), "login.path, with the config's fields, is empty"},
		{
			"a parameter twice", with(`'"/oauth/token"'`, `'"/a?api-version=2"'`),
			"has a parameter in its query that login.query appends: api-version",
		},
		// What is sent
		{
			"form and json", with("  form: {", "  json: {a: scope}\n  form: {"),
			"login.json: a login has one of form, json and body",
		},
		{"body and form", with("  form: {", "  body: scope\n  form: {"), "login.body: a login has one of"},
		{
			"a body without a type", with("form: {grant_type: '\"client_credentials\"', scope: scope, at: now.unix()}",
				"body: scope"), "login.content_type: is required with body",
		},
		{
			"a type without a body", with("  form: {", "  content_type: '\"a/b\"'\n  form: {"),
			"login.content_type: is for body",
		},
		{
			"a type twice", strings.Replace(body("scope"), "headers: {", "headers: {content-type: '\"a/b\"', ", 1),
			"login.content_type: is also among login.headers",
		},
		{
			"a secret in the type", strings.Replace(body("scope"), `"text/plain"`, `"text/" + client_secret`, 1),
			"login.content_type: cannot have a secret in it",
		},
		{
			"Host", with("headers: {Authorization", "headers: {Host: scope, Authorization"),
			"this header belongs to the connection",
		},
		{"a header of Vault's", with("headers: {Authorization", "headers: {X-Vault-Token: scope, Authorization"), "to Vault"},
		{
			"a header twice", with("headers: {Authorization", "headers: {authorization: scope, Authorization"),
			"is there twice",
		},
		{"bytes", header("sha256(scope)"), "login.headers.Authorization: is bytes"},
		{"a timestamp", form("a: now"), "login.form.a: is a timestamp"},
		{"a bool", form("a: scope == client_id"), "login.form.a: must be string or secret, and is bool"},
		{"a name of a form with a space", form("'a b': scope"), "login.form, line "},
		{"a member without a name", json("'': scope"), "the name of a member is printable ASCII"},
		// What it may use
		{"a request field", request("user: {}"), ""},
		{
			"a request field in a form", strings.Replace(request("user: {}"), "scope: scope", "user: user", 1),
			"login.form.user: uses user, which callers give; a login is for all of them",
		},
		{"a request field in a condition", strings.Replace(request("user: {}"), "scope: scope",
			"a: 'choose(user == scope, scope, scope)'", 1), "login.form.a: uses user"},
		{"a request field in a let", strings.Replace(strings.Replace(request("user: {}"), "scope: scope", "user: who", 1),
			"headers:\n  Auth", "let: {who: '\"a\" + user'}\nheaders:\n  Auth", 1), "login.form.user: uses user"},
		{"what it gives", form("a: access_token"), "login.form.a: uses access_token" + logsOut},
		{"what it gives, in a let", strings.Replace(form("a: b"), "headers:\n  Auth",
			"let: {b: lower(site)}\nheaders:\n  Auth", 1), "login.form.a: uses site" + logsOut},
		// Secrets
		{"a raw secret in a header", header("client_secret"), ""},
		{"a decoded secret in a header", strings.Replace(header("client_secret"), "{client_secret: {}}",
			"{client_secret: {encoding: hex}}", 1), decoded},
		{"a decoded secret, joined", strings.Replace(header("\"a\" + client_secret"), "{client_secret: {}}",
			"{client_secret: {encoding: base64}}", 1), decoded},
		{"a derived secret in a header", header("derive_sha256(client_secret)"), decoded},
		{"an HMAC that is a secret in a header", header("\"a\" + derive_hmac_sha1(client_secret, \"a\") + \"b\""), decoded},
		{"a decoded secret as JSON", strings.Replace(json("a: client_secret"), "{client_secret: {}}",
			"{client_secret: {encoding: hex}}", 1), "login.json.a: takes secrets of the encoding text"},
		{
			"a derived secret as JSON", json("a: derive_md5(client_secret)"),
			"login.json.a: takes secrets of the encoding text",
		},
		{"a raw secret in a body", body("\"a=\" + client_secret"), asItIs},
		{"a derived secret in a body", body("derive_sha256(client_secret)"), asItIs},
		{"a secret raw and encoded in a body", body("json(client_secret) + client_secret"), asItIs},
		{"a private key", strings.Replace(form("a: signing_key"), "{client_secret: {}}",
			"{client_secret: {}, signing_key: {key: ed25519}}", 1), "login.form.a" + keyAway},
		{"a private key in a body", strings.Replace(body("signing_key"), "{client_secret: {}}",
			"{client_secret: {}, signing_key: {key: rsa}}", 1), "login.body" + keyAway},
		{"a private key that is encoded", strings.Replace(form("a: hex(signing_key)"), "{client_secret: {}}",
			"{client_secret: {}, signing_key: {key: rsa}}", 1), "; a private key only signs"},
		{"a secret that is compared", form("a: 'choose(client_secret == scope, scope, scope)'"), "cannot be compared"},
		{
			"a digest that is compared", form("a: 'choose(hex(sha256(client_secret)).startsWith(scope), scope, scope)'"),
			"cannot be compared",
		},
		{"a length of a secret", form("a: length(client_secret)"), "length(x) takes (string)"},
		{
			"an unused secret", secret("{}, more: {}"),
			"secrets.more: is not used in any header, query parameter, value or body, or " +
				"in the login",
		},
		// Sizes
		{
			"a header that is too large", header("base64(base64(base64(base64(percent_encode(client_secret)))))"),
			"login.headers.Authorization: can have more than 32768 bytes as it is sent",
		},
		{
			"a form that is too large", form("a: percent_encode(client_secret), b: percent_encode(client_secret)"),
			"login.form.at: makes a text that can have more than 65536 bytes",
		},
		{
			"JSON that is too large", json("a: client_secret, b: client_secret, c: client_secret"),
			"login.json.at: makes a text that can have more than 65536 bytes",
		},
		{
			"a query that is too large", with("none: scope", "a: base64(percent_encode(percent_encode(client_secret)))"),
			"login.query.a: can have more than 65536 bytes as it is sent",
		},
		// The answer
		{"no answer", with("answer:\n    access_token: {pointer: /access_token}\n    site: {pointer: /sites/1/id, max: 16}",
			"answer: {}"), "login.answer: declare at least one name"},
		{"no way", answer("{max: 16}"), oneWay},
		{"two ways", answer("{pointer: /a, header: A}"), oneWay},
		{"another way", answer("{path: /a}"), "unknown key in login.answer.site; the keys are pointer, header, cookie, body"},
		{"a text for a way", answer("/a"), "login.answer.site: must be a mapping"},
		{"a pointer without a slash", answer("{pointer: sites}"), isPointer},
		{"a pointer with a bad escape", answer("{pointer: /a~2}"), isPointer},
		{"a pointer that ends in a tilde", answer("{pointer: /a~}"), isPointer},
		{"a pointer with a line break", answer("{pointer: \"/a\\n\"}"), isPointer},
		{"a pointer that is too long", answer("{pointer: /" + strings.Repeat("a", 512) + "}"), isPointer},
		{"a pointer that is too deep", answer("{pointer: '" + strings.Repeat("/a", 64) + "'}"), "has 64 parts or more"},
		{"a header with a colon", answer("{header: 'A:'}"), "login.answer.site.header: must be the name of a header"},
		{"a cookie with a space", answer("{cookie: 'a b'}"), "login.answer.site.cookie: must be the name of a cookie"},
		{"no body", answer("{body: false}"), "login.answer.site.body: must be true"},
		{"max 0", answer("{pointer: /a, max: 0}"), number},
		{"max 16385", answer("{pointer: /a, max: 16385}"), number},
		{"a name of the answer that is declared", with("    site:", "    client_id:"), "is declared twice"},
		{"a name of the answer that is predeclared", with("    site:", "    nonce:"), "this name has a value already"},
		{"a name of the answer that is none", with("    site:", "    Site:"), "login.answer, line "},
		{"answers that are too large", answer("{pointer: /a, max: 16384}\n" + strings.Join([]string{
			"    a: {pointer: /a, max: 16384}", "    b: {pointer: /a, max: 16384}", "    c: {pointer: /a, max: 8193}",
		}, "\n")), "login.answer: what the login gives can have more than 65536 bytes together"},
		{"what is expected of a text", with("is: base_url}", "is: client_id}"), "login.expect.instance.is" + isAddress},
		{
			"what is expected of nothing", with("/instance, is: base_url}", "/instance}"),
			"login.expect.instance.is" + isAddress,
		},
		{"nothing that is expected", with("{pointer: /instance, is", "{is"), "login.expect.instance.pointer: is required"},
		{
			"too many expectations", with("{instance:", "{"+many(8, "", func(i int) string {
				return fmt.Sprintf("e%d: {pointer: /a, is: base_url}, ", i)
			})+"instance:"), "login.expect: has more than 8",
		},
		{"an expectation without a name", with("{instance:", "{In stance:"), "login.expect, line "},
		{"a refusal without a value", refused("{pointer: /a}"), "login.refused: must have one of is and is_not"},
		{"a refusal with two", refused("{pointer: /a, is: a, is_not: b}"), "login.refused: must have one of is and is_not"},
		{"a refusal without a pointer", refused("{is: a}"), "login.refused.pointer: is required"},
		{"a refusal of a long text", refused("{pointer: /a, is: " + strings.Repeat("a", 257) + "}"), "at most 256 bytes"},
		{"a unit", life("{pointer: /a, as: hours}"), as},
		{"a layout without seconds", life("{pointer: /a, as: '%Y-%m-%d %H:%M'}"), as},
		{"a layout without a year", life("{pointer: /a, as: '%m-%d %H:%M:%S'}"), as},
		{"a layout without a month", life("{pointer: /a, as: '%Y-%d %H:%M:%S'}"), as},
		{"a layout with another directive", life("{pointer: /a, as: '%Y-%m-%d %H:%M:%S %Z'}"), as},
		{"a JWT that is not given", life("{jwt: client_id}"), "login.life.jwt: must be a name of login.answer"},
		{
			"a JWT with a pointer", life("{jwt: access_token, pointer: /a}"),
			"login.life: has a jwt, so it cannot have a pointer",
		},
		{"a life of nothing", life("{as: ms}"), "login.life.pointer: is required"},
		{"nine lives", life("[" + strings.Repeat("{pointer: /a}, ", 9) + "]"), "login.life: has more than 8"},
		{"a wrong one of two lives", life("[{pointer: /a}, {pointer: a}]"), "login.life[1].pointer: " + isPointer},
		// Names that are parameters of a config with a login
		{"min_ttl", with("client_id: {}", "client_id: {}\n  min_ttl: {default: a}"), ourName},
		{"request_timeout", with("client_id: {}", "client_id: {}\n  request_timeout: {default: a}"), ourName},
		{"verify as a name of the answer", with("    site:", "    verify:"), ourName},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := scheme.Parse(test.text)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "canary")
		})
	}
	// A stored document without a login may have min_ttl. One with a login cannot be stored so.
	_, err := scheme.ParseStored(with("client_id: {}", "client_id: {}\n  min_ttl: {default: a}"))
	require.ErrorContains(t, err, "login: "+parameter+"min_ttl")
}

// What a login gives cannot be compared, cut or measured, hashed or not, and is good for all else.
func TestUsesOfWhatALoginGives(t *testing.T) {
	t.Parallel()
	const (
		barred = ": what the login gives flows into it, hashed or not"
		static = "has a digest of a secret that stays the same"
	)
	for _, test := range []struct{ expression, want string }{
		{`access_token`, ""},
		{`"a" + access_token + site`, ""},
		{`lower(access_token)`, ""},
		{`upper(access_token) + json(site) + percent_encode(access_token)`, ""},
		{`base64(access_token) + hex(bytes(access_token))`, ""},
		{`hex(sha256(access_token))`, ""},
		{`hex(hmac_sha256(client_secret, access_token + now.unix()))`, ""},
		{`hex(hmac_sha256(client_secret + access_token, uuid))`, ""},
		{`choose(body == "a", access_token, site)`, ""},
		{`hex(hmac_sha256(client_secret, access_token))`, static},
		{`hex(sha256(client_secret + access_token))`, static},
		{`hex(sha256(client_secret + body + access_token + uuid))`, ""},
		{`hex(sha256(client_secret + uuid + body + access_token))`, "could be extended"},
		{`choose(access_token == "a", "a", "b")`, "cannot be compared or sorted" + barred},
		{`choose("a" != site, "a", "b")`, "cannot be compared or sorted" + barred},
		{`choose(access_token.startsWith(body), "a", "b")`, "cannot be compared or sorted" + barred},
		{`choose(body.endsWith(access_token), "a", "b")`, "cannot be compared or sorted" + barred},
		{`choose(("a" + access_token).contains(body), "a", "b")`, "cannot be compared or sorted" + barred},
		{`choose(hex(sha256(access_token)) == body, "a", "b")`, "cannot be compared or sorted" + barred},
		{`choose(let_token == body, "a", "b")`, "cannot be compared or sorted" + barred},
		{`sorted_query(access_token)`, "cannot be compared or sorted" + barred},
		{`sorted_query("b&a=" + site)`, "cannot be compared or sorted" + barred},
		{`trim(access_token)`, "cannot be cut" + barred},
		{`path(access_token)`, "cannot be cut" + barred},
		{`query("?" + access_token)`, "cannot be cut" + barred},
		{`trim(hex(sha256(access_token)))`, "cannot be cut" + barred},
		{`segment(access_token, "1")`, "cannot be cut, decoded or measured" + barred},
		{`length(access_token)`, "cannot be cut, decoded or measured" + barred},
		{`hex(unhex(access_token))`, "cannot be cut, decoded or measured" + barred},
		{`hex(unbase64(access_token))`, "cannot be cut, decoded or measured" + barred},
		{`decoded_query(access_token)`, "cannot be cut, decoded or measured" + barred},
		{`sorted_pairs(access_token, "=", "&")`, "cannot be cut, decoded or measured" + barred},
		{`hex(hmac_sha256(access_token, body))`, "the key must be a secret"},
		{`host_of(access_token)`, "host_of takes base_url"},
		{`hex(derive_hmac_sha256(client_secret, access_token))`, "would give the secret away"},
		{`hex(hmac_sha256(derive_hmac_sha256(seed, access_token), uuid))`, ""},
		{`choose(hex(hmac_sha256(derive_hmac_sha256(seed, access_token), uuid)) == body, "a", "b")`, "cannot be compared"},
	} {
		t.Run(test.expression, func(t *testing.T) {
			t.Parallel()
			text := loginWith(t, `'"Bearer " + access_token'`, "'"+test.expression+"'",
				"login:\n  address", "request: {body: {}}\nlet: {let_token: '\"a\" + access_token'}\nttl: 60s\nlogin:\n  address",
				"    now: 20", "    request: {body: b}\n    uuid: u\n    now: 20")
			if strings.Contains(test.expression, "seed") {
				text = strings.NewReplacer("{client_secret: {}}", "{client_secret: {}, seed: {}}",
					"{client_secret: 'made up/secret'}", "{client_secret: 'made up/secret', seed: made-up}").Replace(text)
			}
			_, err := scheme.Parse(text)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
		})
	}
	_, err := scheme.Parse(loginWith(t, "values:", "require: {a message: 'site == client_id'}\nvalues:"))
	require.ErrorContains(t, err, "require[0], column 1: cannot be compared or sorted"+barred)
}

// The ttl of a scheme can be left out where there is a login and what comes out stays the same.
func TestSchemesWithoutTTL(t *testing.T) {
	t.Parallel()
	const needed = "ttl: is required, because a header, query parameter or value has a digest, a signature or a time in it"
	for _, test := range []struct{ output, want string }{
		{`access_token + uuid`, ""},
		{`base64(site)`, ""},
		{`now.unix()`, needed},
		{`choose(stamp == "a", site, site)`, needed},
		{`hex(md5(site))`, needed},
		{`lower(hex(sha384(client_id)))`, needed},
		{`hex(hmac_sha256(client_secret, uuid))`, needed},
		{`digest`, needed},
		{`site + hex(md5(site))`, needed},
		{`choose(client_id == "a", site, hex(md5(site)))`, needed},
		{`hex(ed25519(pair, uuid))`, needed},
	} {
		t.Run(test.output, func(t *testing.T) {
			t.Parallel()
			text := loginWith(t, "values: {site_id: site}", "values: {site_id: '"+test.output+"'}", "    now: 20",
				"    uuid: u\n    now: 20", "headers:\n  Auth",
				"let: {stamp: now.unix(), digest: hex(sha256(site))}\nheaders:\n  Auth")
			if strings.Contains(test.output, "pair") {
				text = strings.NewReplacer("{client_secret: {}}", "{client_secret: {}, pair: {key: ed25519}}",
					"'made up/secret'}", fmt.Sprintf("'made up/secret', pair: %q}", testKey(t, "ed25519.pem"))).Replace(text)
			}
			_, err := scheme.Parse(text)
			if test.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, test.want)
			}
			_, err = scheme.Parse(strings.Replace(text, "examples:", "ttl: 60s\nexamples:", 1))
			require.NoError(t, err)
		})
	}
}

// signingLogin is a scheme whose login and whose header are signed.
func signingLogin(t *testing.T, inLogin, outside, options string) string {
	t.Helper()
	return fmt.Sprintf(`secrets: {key: {}, other: {}, seed: {}, pair: {key: ed25519}, second: {key: ed25519}}
request: {body: {}, maybe: {optional: true}}
let: {both: 'hex(hmac_sha256(other, "both"))', unused: 'hex(hmac_sha512(other, body))'}
login:
  path: '"/login"'
  form: {sig: '%s', both: both}
  answer: {token: {pointer: /token}}
  ttl: 1h
headers:
  X-Token: token
  X-Sig: '%s'
  X-Used: hex(hmac_sha384(key + other, "used" + uuid)) + hex(hmac_sha384(derive_md5(seed), uuid))
  X-Keys: hex(public_key(pair) + public_key(second))
  X-Both: both
ttl: 60s
allow_static: true
%s
examples:
  - secrets: {key: a, other: b, seed: c, pair: %q, second: %q}
    request: {body: b}
    uuid: u
    now: 2026-01-02T03:04:05Z
    login: {want: {path: /login, form: x}, answer: '{"token":"t"}', gives: {token: t}}
    want: {X-Token: t, X-Sig: x, X-Used: x, X-Both: x}
`, inLogin, outside, options, testKey(t, "ed25519.pem"), testKey(t, "ed25519-other.pem"))
}

// A key that signs in a login cannot sign what a caller could choose to be the login.
func TestKeysOfALogin(t *testing.T) {
	t.Parallel()
	const shared = "is or begins with a request field, or the digest of one, and its key signs in the login too"
	for _, test := range []struct {
		name, inLogin, outside string
		refused                bool
	}{
		{"an HMAC of a field", `hex(hmac_sha256(key, "login"))`, `hex(hmac_sha256(key, body))`, true},
		{"an HMAC with another hash", `hex(hmac_sha256(key, "login"))`, `hex(hmac_sha1(key, body))`, true},
		{"a key pair", `hex(ed25519(pair, "login"))`, `hex(ed25519(pair, body + "a"))`, true},
		{"a field after one that can be empty", `hex(ed25519(pair, "login"))`, `hex(ed25519(pair, maybe + body))`, true},
		{"an encoded field", `hex(ed25519(pair, "login"))`, `hex(ed25519(pair, base64(body)))`, true},
		{"a key that is joined", `hex(hmac_sha256(key + "a", "login"))`, `hex(hmac_sha256(other + key, body))`, true},
		{"a derived key", `hex(hmac_sha1(derive_sha256(seed), "a"))`, `hex(hmac_sha1(derive_sha256(seed), body))`, true},
		{"a let of both", `"a"`, `hex(hmac_sha256(other, body))`, true},
		{"digests of both", `hex(hmac_sha256(key, sha256("login")))`, `hex(hmac_sha256(key, sha256(body)))`, true},
		{
			"a key derived from the field", `hex(hmac_md5(derive_hmac_md5(seed, "login"), uuid))`,
			`hex(hmac_md5(derive_hmac_md5(seed, body), uuid))`, true,
		},
		{
			"a key of a key derived from the field", `hex(hmac_md5(derive_hmac_md5(derive_hmac_md5(seed, "login"), "a"), uuid))`,
			`hex(hmac_md5(derive_hmac_md5(derive_hmac_md5(seed, body), "a"), uuid))`, true,
		},
		{
			"a key that is joined with such", `hex(hmac_md5(key + hex(derive_hmac_md5(seed, "login")), uuid))`,
			`hex(hmac_md5(key + hex(derive_hmac_md5(seed, body)), uuid))`, true,
		},
		{
			"a key of a key that is joined", `hex(hmac_md5(derive_hmac_md5(seed + derive_hmac_md5(seed, "a"), "a"), uuid))`,
			`hex(hmac_md5(derive_hmac_md5(seed + derive_hmac_md5(seed, body), "a"), uuid))`, true,
		},
		{
			"a message that is derived from a key", `hex(hmac_md5(other, derive_hmac_md5(derive_sha1(seed), "a")))`,
			`hex(hmac_md5(other, derive_hmac_md5(derive_sha1(body + seed), "a")))`, true,
		},
		{
			"a key derived from a text and the field", `hex(hmac_md5(derive_hmac_md5(seed, "login"), uuid))`,
			`hex(hmac_md5(derive_hmac_md5(seed, "call" + body), uuid))`, false,
		},
		{
			"a derived message", `hex(hmac_md5(other, derive_hmac_md5(seed, "login")))`,
			`hex(hmac_md5(other, derive_hmac_md5(seed, body)))`, true,
		},
		{
			"digests of other texts", `hex(hmac_sha256(key, sha256("login")))`,
			`hex(hmac_sha256(key, sha256("call" + body)))`, false,
		},
		{
			"a text before the digest", `hex(hmac_sha256(key, sha256("login")))`,
			`hex(hmac_sha256(key, "a" + hex(sha256(body))))`, false,
		},
		{"a text before the field", `hex(hmac_sha256(key, "login"))`, `hex(hmac_sha256(key, "call" + body))`, false},
		{"a digest of the field", `hex(hmac_sha256(key, "login"))`, `hex(hmac_sha256(key, hex(sha256(body))))`, false},
		{"another key", `hex(hmac_sha256(key, "login"))`, `hex(ed25519(second, body))`, false},
		{"another key pair", `hex(ed25519(pair, "login"))`, `hex(ed25519(second, body))`, false},
		{"a secret that is sent only", `base64(key)`, `hex(hmac_sha256(key, body))`, false},
		{"another derived key", `hex(hmac_sha1(derive_sha256(seed), "a"))`, `hex(hmac_sha1(derive_sha1(seed), body))`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := scheme.Parse(signingLogin(t, test.inLogin, test.outside, ""))
			if !test.refused {
				require.NoError(t, err)
				require.False(t, s.AllowSharedKey())
				return
			}
			require.ErrorContains(t, err, "headers.X-Sig, column ")
			require.ErrorContains(t, err, shared)
			s, err = scheme.Parse(signingLogin(t, test.inLogin, test.outside, "allow_shared_key: true"))
			require.NoError(t, err)
			require.True(t, s.AllowSharedKey())
			_, err = scheme.Parse(signingLogin(t, test.inLogin, test.outside, "allow_shared_key: false"))
			require.ErrorContains(t, err, shared)
		})
	}
	text := strings.Replace(signingLogin(t, `hex(hmac_sha256(key, "login"))`, "signed", ""), "let: {",
		"let: {signed: 'hex(hmac_sha256(key, body))', ", 1)
	_, err := scheme.Parse(text)
	require.ErrorContains(t, err, "let.signed, column ")
	require.ErrorContains(t, err, shared)
}

// A scheme signs at most four times with private keys, its login included. A batch does not log in for each call.
func TestPrivateKeysOfALogin(t *testing.T) {
	t.Parallel()
	twice := `hex(ed25519(pair, "a") + ed25519(pair, "b"))`
	_, err := scheme.Parse(signingLogin(t, twice, twice, ""))
	require.NoError(t, err)
	_, err = scheme.Parse(signingLogin(t, twice, `hex(ed25519(pair, "a") + ed25519(pair, "b") + ed25519(pair, "c"))`, ""))
	require.ErrorContains(t, err, "a scheme signs at most 4 times with private keys")
	rsa := strings.NewReplacer("{client_secret: {}}", "{client_secret: {}, pair: {key: rsa}}",
		"{client_secret: 'made up/secret'}", fmt.Sprintf("{client_secret: 'made up/secret', pair: %q}", testKey(t,
			"rsa.pem")),
		"scope: scope, at", "a: 'hex(rsa_sha256(pair, \"a\"))', b: signed, at",
		"headers:\n  Auth", "let: {signed: 'hex(rsa_sha256(pair, \"b\"))'}\nttl: 60s\nheaders:\n  Auth",
	).Replace(loggingIn)
	require.Zero(t, parsed(t, rsa).MaxBatch())
	require.Equal(t, 64, parsed(t, strings.NewReplacer("values: {", "allow_static: true\nvalues: {signed: signed, ",
		"site_id: 42}", "site_id: 42, signed: x}").Replace(rsa)).MaxBatch())
}

// A login is for the vendor, who alone reads what it sends.
func TestLoginsHaveNoLints(t *testing.T) {
	t.Parallel()
	s := parsed(t, signingLogin(t, `hex(sha256("a" + key + "b"))`, `hex(ed25519(pair, "a" + body))`, ""))
	for _, lint := range s.Lints() {
		require.NotContains(t, lint, "extended")
	}
	s = parsed(t, signingLogin(t, `"a"`, `hex(sha256("a" + key + "b"))`, ""))
	require.Contains(t, strings.Join(s.Lints(), "\n"), "headers.X-Sig: the hash of something that has a secret in it")
}

// What percent-encoding and JSON leave as it is counts with its own size, so that large assertions fit.
func TestSizesOfAssertions(t *testing.T) {
	t.Parallel()
	assertion := `base64url(client_secret + json(client_id) + json(client_id) + json(client_id) + json(client_id))` +
		` + "." + hex(client_secret)`
	for _, test := range []struct{ name, text, want string }{
		{"in a form", loginWith(t, "scope: scope, at", "a: '"+assertion+"', at"), ""},
		{"in a form, chosen", loginWith(t, "scope: scope, at",
			"a: '"+assertion+" + choose(client_id == scope, \"a\", \"b\")', at"), ""},
		{"in JSON", loginWith(t, "form: {grant_type", "json: {a: '"+assertion+"', grant_type", "        form: g",
			"        json: g"), ""},
		{
			"with a plus sign", loginWith(t, "scope: scope, at", "a: '"+assertion+" + \"+\"', at"),
			"login.form.a: can have more",
		},
		{
			"with a field", loginWith(t, "scope: scope, at", "a: '"+assertion+" + client_id', at"),
			"login.form.a: can have more",
		},
		{"in base64", loginWith(t, "scope: scope, at", "a: 'base64("+assertion+")', at"), "login.form.a: can have more"},
		{"a choice of a field", loginWith(t, "scope: scope, at",
			"a: '"+assertion+" + choose(client_id == scope, \"a\", client_id)', at"), "login.form.a: can have more"},
		{"decoded", loginWith(t, "scope: scope, at", "a: 'sorted_pairs(base64url("+
			"json(json(client_id))), \"\", \"\")', at"), "login.form.a: can have more"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := scheme.Parse(test.text)
			if test.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, test.want)
			}
		})
	}
}
