package scheme_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
)

// small is the smallest useful scheme.
const small = `secrets: {key: {}}
request: {body: {}}
headers: {X-Sig: 'hex(hmac_sha256(key, body))'}
ttl: 60s
examples:
  - secrets: {key: made-up-key}
    request: {body: hello}
    want: {X-Sig: 2cd37f3bbd12c5e0d6b4a2d0d2ce5ef6cdd4a0a7a1b2b5b2a3d0f0d9c6b1a8e7}
`

// replaced is small with some of its text replaced.
func replaced(t *testing.T, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		require.Contains(t, small, pairs[i])
	}
	return strings.NewReplacer(pairs...).Replace(small)
}

// Every document here is wrong in one way. The error names the place and what is accepted.
func TestWrongDocuments(t *testing.T) {
	t.Parallel()
	_, err := scheme.Parse(small)
	require.NoError(t, err)
	require.Equal(t, small, replaced(t))
	for _, test := range []struct{ text, want string }{
		// YAML
		{"", "scheme: is empty"},
		{"# nothing\n", "scheme: is empty"},
		{"a", "scheme: must be a mapping"},
		{"[]", "scheme: must be a mapping"},
		{"\xef\xbb\xbf" + small, "line 1: contains a control character, a byte-order mark"},
		{"\xff" + small, "scheme: is not UTF-8"},
		{small + "\x00", "line 9: contains a control character"},
		{small + "# a\u202eb\n", "line 9: contains a control character"},
		{small + "# a\u2028b: c\n", "line 9: contains a control character"},
		{small + "# a\u0085b: c\n", "line 9: contains a control character"},
		{small + "# a\rb: c\n", "line 9: contains a control character"},
		{small + "# a\u200bb\n", "line 9: contains a control character"},
		{replaced(t, "hello", "h\u00e9llo"), "line 7: contains a character outside ASCII"},
		{replaced(t, "made-up-key", "\"m\u00e4\""), "line 6: contains a character outside ASCII"},
		{small + "---\na: b\n", "line 9: a second document begins here"},
		{replaced(t, "{key: {}}", "&a {key: {}}"), "line 1: has an anchor or an alias"},
		{replaced(t, "ttl: 60s", "ttl: &t 60s"), "line 4: has an anchor"},
		{replaced(t, "ttl: 60s", "ttl: !!str 60s"), "line 4: has a tag"},
		{replaced(t, "ttl: 60s", "ttl: !x 60s"), "line 4: has a tag"},
		{replaced(t, "{body: {}}", "{<<: {body: {}}}"), "line 2: has a merge key"},
		{replaced(t, "{body: {}}", "{body: }"), "line 2: has no value"},
		{replaced(t, "ttl: 60s", "ttl: ! 60s"), "line 4: has a tag"},
		{replaced(t, "secrets: {key: {}}", "secrets: ! {key: {}}"), "line 1: has a tag"},
		{"%YAML 1.1\n---\n" + small, "line 1: is a directive of YAML"},
		{replaced(t, "{key: {}}", "{secret_written_at: {}}"), "secrets, line 1: this name is a parameter"},
		{replaced(t, "{key: {}}", "{secret_expires_at: {}}"), "secrets, line 1: this name is a parameter"},
		{replaced(t, "ttl: 60s", "query: {X-Sig: body}\nttl: 60s"), "query.X-Sig: is the name of a header too"},
		{replaced(t, "ttl: 60s", "require: {m: body == body, "+manyConditions(32)+"}\nttl: 60s"), "require: has more than 32"},
		{replaced(t, "{body: {}}", "{body: {pattern: '(?i)[a-\\x{10ffff}]'}}"), "request.body.pattern: has (?i) and characters outside ASCII"},
		{replaced(t, "{body: {}}", "{body: {pattern: '[ab]*a[ab]{640}', max: 65536}}"), "scheme: its patterns would take too long"},
		{replaced(t, "ttl: 60s", "ttl: ~"), "line 4: has no value"},
		{replaced(t, "ttl: 60s", "ttl: null"), "line 4: has no value"},
		{replaced(t, "ttl: 60s", "ttl: 60s\nttl: 60s"), "line 5: this key is in scheme twice"},
		{replaced(t, "ttl: 60s", "\"ttl\": 60s\nttl: 60s"), "line 5: this key is in scheme twice"},
		{replaced(t, "ttl: 60s", "ttl: 60s\nextra: canary"), "line 5: unknown key in scheme; the keys are secrets, fields"},
		{replaced(t, "ttl: 60s", "ttl: 60s\n? [a]\n: b"), "line 5: a key must be text"},
		{replaced(t, "ttl: 60s", "ttl: 60s\n\tx: y"), "is not YAML"},
		{replaced(t, "ttl: 60s", "ttl: 'canary"), "is not YAML"},
		{replaced(t, "{key: {}}", "{key: {canary: x}}"), "line 1: unknown key in secrets.key; the keys are encoding"},
		{replaced(t, "{key: {}}", "[key]"), "secrets: must be a mapping"},
		{replaced(t, "{key: {}}", "{key: {encoding: base32}}"), "secrets.key.encoding: must be text, base64 or hex"},
		{replaced(t, "{key: {}}", "{key: {encoding: {}}}"), "line 1: must be text"},
		{small + strings.Repeat("# "+strings.Repeat("x", 1000)+"\n", 66), "scheme: is longer than 65536 bytes"},
		{replaced(t, "ttl: 60s", "query: {sig: hex(sha256(key))}\nttl: 60s"), "query.sig: has a digest of a secret that stays the same"},
		{replaced(t, "ttl: 60s", "query: {sig: 'hex(hmac_sha256(key, body))'}\nttl: 60s"), "query.sig: has a digest of a secret in it, so at least one"},
		{replaced(t, "ttl: 60s", "fields: {f: {optional: true}}\nttl: 60s", "hex(hmac_sha256(key, body))", "hex(sha256(key + body + f))"), extended},
		{replaced(t, "ttl: 60s", "fields: {f: {pattern: '[a-z]*'}}\nttl: 60s", "hex(hmac_sha256(key, body))", "hex(sha256(key + body + f))"), extended},
		{replaced(t, "{body: {}}", "{body: {}, "+manyNames(63)+"}"), "scheme: declares more than 64 names"},
		{replaced(t, "ttl: 60s", "require: {'': body == body}\nttl: 60s"), "require, line 4: a message is printable ASCII"},
		{replaced(t, "60s", "24h1s"), "ttl: must be a duration"},
		{replaced(t, "X-Sig: 'hex", "X-"+strings.Repeat("a", 63)+": body, X-Sig: 'hex"), "headers, line 3: the name of a header is"},
		{replaced(t, "ttl: 60s", "query: {"+strings.Repeat("a", 65)+": body}\nttl: 60s"), "query, line 4: the name of a query parameter is"},
		{small + "---\n[\n", "is not YAML"},
		{small + "# \x7f\n", "line 9: contains a control character"},
		{small + "  - {secrets: {key: made-up-key}, request: {body: x}}\n", "examples[1]: has no want"},
		{replaced(t, "'hex(hmac_sha256(key, body))'", `"hex(hmac_sha256(key, \"a\n\" + body))"`), "column 22: this string does not end on its line"},
		{replaced(t, "X-Sig: 'hex(hmac_sha256(key, body))'", `X-Sig: "v1=" + hex(sha256(key))`), "is not YAML; put a value that begins with a quote"},
		// What must be there.
		{replaced(t, "secrets: {key: {}}", "secrets: {}"), "secrets: declare at least one secret"},
		{replaced(t, "headers: {X-Sig: 'hex(hmac_sha256(key, body))'}", "headers: {}"), "headers: declare at least one header or query parameter"},
		{replaced(t, "ttl: 60s\n", ""), "ttl: is required"},
		{strings.Replace(small, small[strings.LastIndex(small, "\nexamples")+1:], "", 1), "examples: give at least one example"},
		{replaced(t, "{key: {}}", "{key: {}, more: {}}", "{key: made-up-key}", "{key: made-up-key, more: made-up}"), "secrets.more: is not used"},
		{replaced(t, "ttl: 60s", "let: {x: hex(sha384(key + more))}\nttl: 60s", "{key: {}}", "{key: {}, more: {}}"), "secrets.more: is not used"},
		// Names
		{replaced(t, "{body: {}}", "{body: {}, Method: {}}"), "request, line 2: a name is lower-case letters"},
		{replaced(t, "{body: {}}", "{body: {}, m\u00e9: {}}"), "line 2: contains a character outside ASCII"},
		{replaced(t, "{body: {}}", "{body: {}, \"m\\u00e9\": {}}"), "request, line 2: a name is lower-case letters"},
		{replaced(t, "{body: {}}", "{body: {}, "+strings.Repeat("a", 65)+": {}}"), "request, line 2: a name is"},
		{replaced(t, "{body: {}}", "{body: {}, key: {}}"), "request.key: this name is declared twice"},
		{replaced(t, "{body: {}}", "{body: {}, now: {}}"), "request, line 2: this name has a value already"},
		{replaced(t, "{body: {}}", "{body: {}, base_url: {}}"), "this name has a value already"},
		{replaced(t, "{body: {}}", "{body: {}, func: {}}"), "this name is a word of the language"},
		{replaced(t, "{body: {}}", "{body: {}, nil: {}}"), "this name is a word of the language"},
		{replaced(t, "{body: {}}", "{body: {}, scheme: {}}"), "this name is a parameter"},
		{replaced(t, "{body: {}}", "{body: {}, ca_cert: {}}"), "this name is a parameter"},
		{replaced(t, "ttl: 60s", "fields: {headers: {}}\nttl: 60s"), "this name is part of the engine's answers"},
		{replaced(t, "{body: {}}", "{body: {}, "+manyNames(64)+"}"), "scheme: declares more than 64 names"},
		// Fields
		{replaced(t, "{body: {}}", "{body: {default: a}}"), "line 2: unknown key in request.body"},
		{replaced(t, "{body: {}}", "{body: {optional: 'yes'}}"), "request.body.optional: must be true or false"},
		{replaced(t, "{body: {}}", "{body: {max: 0}}"), "request.body.max: must be a whole number from 1 to 65536"},
		{replaced(t, "{body: {}}", "{body: {max: 65537}}"), "request.body.max: must be a whole number"},
		{replaced(t, "{body: {}}", "{body: {max: canary}}"), "request.body.max: must be a whole number"},
		{replaced(t, "{body: {}}", "{body: {pattern: 'canary)|('}}"), "request.body.pattern: is not a regular expression"},
		{replaced(t, "{body: {}}", "{body: {}, request_string: {optional: true}}"), "request.request_string: cannot be optional"},
		{replaced(t, "ttl: 60s", "fields: {f: {max: 4097}}\nttl: 60s"), "fields.f.max: must be a whole number from 1 to 4096"},
		{replaced(t, "ttl: 60s", "fields: {f: {default: ''}}\nttl: 60s"), "fields.f.default: is empty, or has a space"},
		{replaced(t, "ttl: 60s", "fields: {f: {default: a, optional: true}}\nttl: 60s"), "fields.f: has a default, so it cannot be optional"},
		{replaced(t, "ttl: 60s", "fields: {f: {default: 'a$b'}}\nttl: 60s"), "fields.f.default: contains a quote, a backquote"},
		{replaced(t, "{body: {}}", "{"+manyPatterns(9)+"}"), "request.p0.pattern: the patterns so far are too large"},
		// Outputs
		{replaced(t, "X-Sig: 'hex", "Host: 'hex"), "headers, line 3: this header belongs to the connection"},
		{replaced(t, "X-Sig: 'hex", "content-LENGTH: 'hex"), "headers, line 3: this header belongs to the connection"},
		{replaced(t, "X-Sig: 'hex", "Proxy-Authorization: 'hex"), "headers, line 3: this header belongs to the connection"},
		{replaced(t, "X-Sig: 'hex", "x-vault-token: 'hex"), "headers, line 3: this header belongs to the connection"},
		{replaced(t, "X-Sig: 'hex", "\"X-Sig\\r\\nX\": 'hex"), "headers, line 3: the name of a header is"},
		{replaced(t, "X-Sig: 'hex", "X Sig: 'hex"), "headers, line 3: the name of a header is"},
		{replaced(t, "X-Sig: 'hex", "x-sig: body, X-Sig: 'hex"), "headers.X-Sig: is there twice, in letters of another case"},
		{replaced(t, "headers: {X-Sig", "query: {'a b'", "want: {X-Sig", "want: {'a b'"), "query, line 3: the name of a query parameter is"},
		{replaced(t, "headers: {X-Sig: ", "headers: {"+manyHeaders(32)+"X-Sig: "), "headers: has more than 32"},
		{replaced(t, "headers: {X-Sig: 'hex(hmac_sha256(key, body))'}", "headers: {X-Sig: [a]}"), "headers.X-Sig: must be text"},
		{replaced(t, "ttl: 60s", "require: {\"a\\nb\": body == body}\nttl: 60s"), "require, line 4: a message is printable ASCII"},
		{replaced(t, "ttl: 60s", "require: {m: body}\nttl: 60s"), "require[0]: must be bool, and is string"},
		{replaced(t, "60s", "0"), "ttl: must be a duration in whole seconds from 1s to 24h"},
		{replaced(t, "60s", "86401"), "ttl: must be a duration"},
		{replaced(t, "60s", "-60"), "ttl: must be a duration"},
		{replaced(t, "60s", "0s"), "ttl: must be a duration in whole seconds from 1s to 24h"},
		{replaced(t, "60s", "1500ms"), "ttl: must be a duration"},
		{replaced(t, "60s", "25h"), "ttl: must be a duration"},
		{replaced(t, "60s", "canary"), "ttl: must be a duration"},
		{replaced(t, "ttl: 60s", "ttl: 60s\nallow_static: 1"), "allow_static: must be true or false"},
		// Sizes
		{replaced(t, "{body: {}}", "{body: {max: 65536}}", "key, body", "key, hex(bytes(body))"), "can have more than 65536 bytes; declare a smaller max"},
		{replaced(t, "{body: {}}", "{body: {max: 22000}}", "key, body", "key, percent_encode(body)"), "headers.X-Sig, column 22: can have more than 65536"},
		{replaced(t, "'hex(hmac_sha256(key, body))'", "'"+strings.Repeat("(", 70)+"body"+strings.Repeat(")", 70)+"'"), "nested more than 64 deep"},
		{replaced(t, "'hex(hmac_sha256(key, body))'", "'"+strings.Repeat("a(", 1000)+"'"), "this is not an expression"},
		{replaced(t, "'hex(hmac_sha256(key, body))'", "'"+strings.Repeat("x", 4097)+"'"), "is longer than 4096 bytes"},
		{replaced(t, "ttl: 60s", "let: {"+manyNodes()+"}\nttl: 60s"), "has more than 500 nodes"},
		{replaced(t, "ttl: 60s", "let: {"+large()+"}\nttl: 60s", "{body: {}}", "{body: {max: 65536}}"), "together can have more than 4 MiB"},
		// Examples
		{replaced(t, "examples:\n", "examples: {}\nx:\n"), "unknown key"},
		{replaced(t, "    want:", "    wants:"), "line 8: unknown key in examples[0]"},
		{replaced(t, "{body: hello}", "{}"), ""}, // only signing finds that out; see TestExamplesAreSigned
		{replaced(t, "{body: hello}", "{body: hello, canary: x}"), "examples[0].request: has a key that the scheme does not declare; it declares: body"},
		{replaced(t, "{key: made-up-key}", "{}"), "examples[0]: key must have 1 to 4096 bytes"},
		{replaced(t, "key, body", "key, body + now.unix()"), "examples[0]: needs now, which the scheme uses"},
		{replaced(t, "key, body", "key, body + uuid"), "examples[0]: needs uuid"},
		{replaced(t, "ttl: 60s", "let: {x: base_url}\nttl: 60s"), "examples[0]: needs base_url"},
		{replaced(t, "ttl: 60s", "require: {m: nonce == body}\nttl: 60s"), "examples[0]: needs nonce"},
		{replaced(t, "    want:", "    now: yesterday\n    want:"), "examples[0].now: must be RFC 3339"},
		{replaced(t, "    want:", "    base_url: http://canary.example\n    want:"), "examples[0].base_url: is plain http"},
		{replaced(t, "    want:", "    uuid: \"\\u00e9\"\n    want:"), "examples[0].uuid: must be printable ASCII"},
		{replaced(t, "X-Sig: 'hex", "X-Other: body, X-Sig: 'hex", "want: {X-Sig:", "want: {X-Other:"), "headers.X-Sig: has a digest of a secret in it, so at least one"},
		{replaced(t, "want: {X-Sig:", "want: {X-Canary:"), "examples[0].want: has a key that the scheme does not declare; it declares: X-Sig"},
		{small + strings.Repeat(small[strings.LastIndex(small, "\n  - secrets")+1:], 16), "examples: has more than 16"},
	} {
		_, err := scheme.Parse(test.text)
		if test.want == "" {
			require.NoError(t, err, test.text)
			continue
		}
		require.ErrorContains(t, err, test.want, test.text)
		require.NotContains(t, err.Error(), "canary")
		require.NotContains(t, err.Error(), "yaml")
	}
}

func manyNames(count int) string {
	var names strings.Builder
	for i := range count {
		fmt.Fprintf(&names, "n%d: {}, ", i)
	}
	return names.String()
}

func manyPatterns(count int) string {
	fields := "body: {}"
	for i := range count {
		fields += fmt.Sprintf(", p%d: {pattern: '[a-z]{900}[0-9]{900}'}", i)
	}
	return fields
}

func manyConditions(count int) string {
	var conditions strings.Builder
	for i := range count {
		fmt.Fprintf(&conditions, "m%d: body == body, ", i)
	}
	return conditions.String()
}

func manyHeaders(count int) string {
	var headers strings.Builder
	for i := range count {
		fmt.Fprintf(&headers, "X-%d: body, ", i)
	}
	return headers.String()
}

// manyNodes is a let with more than 500 nodes, none of them deep.
func manyNodes() string {
	var balanced func(leaves int) string
	balanced = func(leaves int) string {
		if leaves == 1 {
			return `""`
		}
		return "(" + balanced(leaves/2) + "+" + balanced(leaves-leaves/2) + ")"
	}
	return "x: '" + balanced(200) + "'"
}

// large are lets whose values are each within bounds, and together are not.
func large() string {
	lets := []string{}
	for i := range 50 {
		lets = append(lets, fmt.Sprintf("x%d: lower(body)", i))
	}
	return strings.Join(lets, ", ")
}

// What is unusual and allowed.
func TestUnusualDocuments(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"JSON": `{"secrets": {"key": {}}, "request": {"body": {}}, "headers": {"X-Sig": "hex(hmac_sha256(key, body))"}, "ttl": "60s",
			"examples": [{"secrets": {"key": "made-up-key"}, "request": {"body": "hello"}, "want": {"X-Sig": ""}}]}`,
		"CRLF":                       strings.ReplaceAll(small, "\n", "\r\n"),
		"comments in other scripts":  "# \u043f\u043e\u0434\u043f\u0438\u0441\u044c \u00e9\n" + small + "  # \u7b7e\u540d\n",
		"escapes":                    replaced(t, "hello", `"h\u00e9llo\n"`, "{body: {}}", "{body: {pattern: '(?s).+'}}"),
		"empty sections":             replaced(t, "ttl: 60s", "fields: {}\nlet: {}\nrequire: {}\nquery: {}\nttl: 60s"),
		"names that look like types": replaced(t, "{key: {}}", "{secret: {}}", "key, body", "secret, string", "{key: made-up-key}", "{secret: made-up-key}", "{body: {}}", "{string: {}}", "{body: hello}", "{string: hello}"),
		"numbers and instants":       replaced(t, "hello", "5000", "made-up-key", "2026-01-02"),
		"document marker":            "---\n" + small,
		"expression on some lines":   replaced(t, "headers: {X-Sig: 'hex(hmac_sha256(key, body))'}", "headers:\n  X-Sig: |\n    hex(hmac_sha256(key,\n      body +\n      \"\"))"),
	} {
		_, err := scheme.Parse(text)
		require.NoError(t, err, name)
	}
	for text, ttl := range map[string]time.Duration{"60": time.Minute, "24h": 24 * time.Hour, "86400": 24 * time.Hour, "1m30s": 90 * time.Second} {
		require.Equal(t, ttl, parsed(t, replaced(t, "60s", text)).TTL())
	}
	_, err := scheme.Parse(replaced(t, "headers: {X-Sig: 'hex(hmac_sha256(key, body))'}", "headers:\n  X-Sig: |\n    hex(\n      key)"))
	require.ErrorContains(t, err, "headers.X-Sig: would give the secret away")
	_, err = scheme.Parse(replaced(t, "headers: {X-Sig: 'hex(hmac_sha256(key, body))'}", "headers:\n  X-Sig: |\n    hex(hmac_sha256(key,\n      other))"))
	require.ErrorContains(t, err, "headers.X-Sig, line 2, column 3: this name is not declared")
}

// Documents that are made to be slow are answered quickly. The bound is generous: the machine may be busy.
func TestSlowDocuments(t *testing.T) {
	t.Parallel()
	fill := func(unit string) string { return strings.Repeat(unit, 64<<10/len(unit)) }
	lets := &strings.Builder{}
	for i := range 62 {
		fmt.Fprintf(lets, "  l%d: %s\n", i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("l%d + ", i+1), 40), " + "))
	}
	derived := &strings.Builder{}
	for i := range 62 {
		fmt.Fprintf(derived, "  l%d: derive_hmac_sha256(l%d + l%d, l%d + body)\n", i, i+1, min(i+2, 62), i+1)
	}
	for name, text := range map[string]string{
		"deep flow":      fill("["),
		"deep mappings":  fill("{a: "),
		"deep blocks":    fill("- "),
		"wide":           "secrets: {" + fill("a: {}, "),
		"comments":       fill("#\n"),
		"indented":       fill(" #a\n"),
		"quotes":         `"` + fill(`\"`),
		"keys":           fill("? a\n"),
		"many documents": fill("---\n"),
		"aliases":        "a: &a [x]\nb: [" + fill("*a, ") + "]",
		"directives":     fill("%TAG ! a\n"),
		"circular lets":  replaced(t, "ttl: 60s", "let:\n"+lets.String()+"  l62: l0\nttl: 60s"),
		"doubling lets":  replaced(t, "ttl: 60s", "let:\n"+lets.String()+"  l62: body\nttl: 60s"),
		"derived lets":   replaced(t, "ttl: 60s", "let:\n"+derived.String()+"  l62: derive_sha256(key)\nttl: 60s"),
		"wide classes":   replaced(t, "{body: {}}", "{"+fields(strings.Repeat("[^,]", 127))+"}"),
		"folded classes": replaced(t, "{body: {}}", "{"+fields("(?i)"+strings.Repeat("[^x]", 120))+"}"),
		"letters":        replaced(t, "{body: {}}", "{"+fields("(?i)"+strings.Repeat(`\pL`, 90))+"}"),
		"class of many":  replaced(t, "{body: {}}", "{"+fields("["+strings.Repeat(`\pL\PN`, 80)+"]")+"}"),
		"nested classes": replaced(t, "{body: {}}", "{"+fields(`(\p{L}|\p{N})*`)+"}"),
		"patterns":       "request: {" + strings.Repeat("a: {pattern: '((((((a{9}){9}){9}){9}){9}){9})'}, ", 1000) + "}",
	} {
		began := time.Now()
		_, _ = scheme.Parse(text)
		require.Less(t, time.Since(began), 5*time.Second, name)
		t.Logf("%s: %s", name, time.Since(began).Round(time.Millisecond))
	}
}

// fields are sixty request fields with a pattern.
func fields(pattern string) string {
	declared := "body: {}"
	for i := range 60 {
		declared += fmt.Sprintf(", f%d: {pattern: '%s'}", i, pattern)
	}
	return declared
}

func TestExamplesAreSigned(t *testing.T) {
	t.Parallel()
	s, err := scheme.Parse(small)
	require.NoError(t, err)
	// printf hello | openssl dgst -sha256 -hmac made-up-key
	right := "b50abd611881311ccb1c3cfb8950edfdaaa3ba2feaba8ce8c71f3cc98e41eb28"
	err = s.CheckExamples()
	require.EqualError(t, err, `examples[0].want.X-Sig: the scheme gives "`+right+`", and the example wants `+
		`"2cd37f3bbd12c5e0d6b4a2d0d2ce5ef6cdd4a0a7a1b2b5b2a3d0f0d9c6b1a8e7"`)
	s, err = scheme.Parse(replaced(t, "2cd37f3bbd12c5e0d6b4a2d0d2ce5ef6cdd4a0a7a1b2b5b2a3d0f0d9c6b1a8e7", right))
	require.NoError(t, err)
	require.NoError(t, s.CheckExamples())
	for text, want := range map[string]string{
		replaced(t, "{body: hello}", "{}"):                                      "examples[0]: body is required",
		replaced(t, "{body: hello}", "{body: 'a,b'}"):                           "examples[0]: body is empty, or has a space, a comma",
		replaced(t, "ttl: 60s", "require: {no: body == 'x'}\nttl: 60s"):         "",
		replaced(t, "ttl: 60s", `require: {not x: 'body == "x"'}`+"\nttl: 60s"): "examples[0]: not x",
	} {
		s, err := scheme.Parse(text)
		if want == "" {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		require.ErrorContains(t, s.CheckExamples(), want)
	}
}

func TestContractsExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/ovhcloud.yml")
	require.NoError(t, err)
	s, err := scheme.Parse(string(text))
	require.NoError(t, err)
	require.NoError(t, s.CheckExamples())
	require.Equal(t, time.Minute, s.TTL())
	require.Equal(t, []string{"application_secret"}, s.Secrets())
	require.Equal(t, []string{"application_key", "consumer_key"}, s.Fields())
	require.Equal(t, []string{"method", "request_string", "body"}, s.Request())
	require.False(t, s.AllowStatic() || s.AllowExtension())
	lints := strings.Join(s.Lints(), "\n")
	require.Contains(t, lints, "headers.X-Ovh-Signature: the hash of something that has a secret in it")
	require.Contains(t, lints, "request: body can contain a comma")
	require.Contains(t, lints, "request: body can be absent or empty")
}
