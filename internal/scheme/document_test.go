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
	secrets := func(text string) string { return replaced(t, "{key: {}}", text) }
	request := func(text string) string { return replaced(t, "{body: {}}", text) }
	header := func(name string) string { return replaced(t, "X-Sig: 'hex", name+": 'hex") }
	signs := func(expression string) string {
		return replaced(t, "'hex(hmac_sha256(key, body))'", "'"+expression+"'")
	}
	over := func(message string) string { return replaced(t, "key, body", "key, "+message) }
	ttl := func(text string) string { return replaced(t, "ttl: 60s", "ttl: "+text) }
	with := func(section string) string { return replaced(t, "ttl: 60s", section+"\nttl: 60s") }
	example := func(line string) string { return replaced(t, "    want:", "    "+line+"\n    want:") }
	largest := func(text string) string { return strings.Replace(text, "{body: {}}", "{body: {max: 65536}}", 1) }
	const (
		control    = "line 9: contains a control character"
		tag        = "line 4: has a tag"
		outside    = "contains a character outside ASCII"
		parameter  = "this name is a parameter"
		predefined = "this name has a value already"
		word       = "this name is a word of the language"
		notText    = "headers, line 3: the name of a header is"
		connection = "headers, line 3: this header belongs to the connection"
		number     = "request.body.max: must be a whole number from 1 to 65536"
		duration   = "ttl: must be a duration in whole seconds from 1s to 24h"
		message    = "require, line 4: a message is printable ASCII"
		never      = "secrets.more: is not used"
		tooLarge   = "can have more than 65536"
		inExamples = "has a digest of a secret in it, so at least one"
	)
	for _, test := range []struct{ name, text, want string }{
		// YAML
		{"nothing", "", "scheme: is empty"},
		{"a comment", "# nothing\n", "scheme: is empty"},
		{"a word", "a", "scheme: must be a mapping"},
		{"a list", "[]", "scheme: must be a mapping"},
		{"a byte-order mark", "\xef\xbb\xbf" + small, "line 1: contains a control character, a byte-order mark"},
		{"bytes that are not UTF-8", "\xff" + small, "scheme: is not UTF-8"},
		{"a byte 0", small + "\x00", control},
		{"DEL", small + "# \x7f\n", control},
		{"a mark of direction", small + "# a\u202eb\n", control},
		{"a line separator", small + "# a\u2028b: c\n", control},
		{"NEL", small + "# a\u0085b: c\n", control},
		{"CR without LF", small + "# a\rb: c\n", control},
		{"a zero-width space", small + "# a\u200bb\n", control},
		{"e acute", replaced(t, "hello", "h\u00e9llo"), "line 7: " + outside},
		{"a umlaut in quotes", replaced(t, "made-up-key", "\"m\u00e4\""), "line 6: " + outside},
		{"two documents", small + "---\na: b\n", "line 9: a second document begins here"},
		{"a second document that is not YAML", small + "---\n[\n", "is not YAML"},
		{"an anchor", secrets("&a {key: {}}"), "line 1: has an anchor or an alias"},
		{"an anchor of a scalar", ttl("&t 60s"), "line 4: has an anchor"},
		{"a tag of YAML", ttl("!!str 60s"), tag},
		{"a local tag", ttl("!x 60s"), tag},
		{"the tag !", ttl("! 60s"), tag},
		{"the tag ! of a mapping", replaced(t, "secrets: {key: {}}", "secrets: ! {key: {}}"), "line 1: has a tag"},
		{"a merge key", request("{<<: {body: {}}}"), "line 2: has a merge key"},
		{"no value", request("{body: }"), "line 2: has no value"},
		{"~", ttl("~"), "line 4: has no value"},
		{"null", ttl("null"), "line 4: has no value"},
		{"a directive", "%YAML 1.1\n---\n" + small, "line 1: is a directive of YAML"},
		{"a key twice", ttl("60s\nttl: 60s"), "line 5: this key is in scheme twice"},
		{"a key twice, once in quotes", with("\"ttl\": 60s"), "line 5: this key is in scheme twice"},
		{"an unknown section", ttl("60s\nextra: canary"), "line 5: unknown key in scheme; the keys are secrets, fields"},
		{"a list as a key", ttl("60s\n? [a]\n: b"), "line 5: a key must be text"},
		{"a tab", ttl("60s\n\tx: y"), "is not YAML"},
		{"an open quote", ttl("'canary"), "is not YAML"},
		{
			"a value that begins with a quote",
			replaced(t, "X-Sig: 'hex(hmac_sha256(key, body))'", `X-Sig: "v1=" + hex(sha256(key))`),
			"is not YAML; put a value that begins with a quote",
		},
		{"too long", small + strings.Repeat("# "+strings.Repeat("x", 1000)+"\n", 66), "scheme: is longer than 65536 bytes"},
		// What must be there
		{"no secrets", replaced(t, "secrets: {key: {}}", "secrets: {}"), "secrets: declare at least one secret"},
		{
			"no output", replaced(t, "headers: {X-Sig: 'hex(hmac_sha256(key, body))'}", "headers: {}"),
			"headers: declare at least one header, query parameter or body",
		},
		{"no ttl", replaced(t, "ttl: 60s\n", ""), "ttl: is required"},
		{
			"no example", strings.Replace(small, small[strings.LastIndex(small, "\nexamples")+1:], "", 1),
			"examples: give at least one example",
		},
		{"a secret without use", replaced(t, "{key: {}}", "{key: {}, more: {}}",
			"{key: made-up-key}", "{key: made-up-key, more: made-up}"), never},
		{"a secret that only a let uses", replaced(t, "ttl: 60s", "let: {x: hex(sha384(key + more))}\nttl: 60s",
			"{key: {}}", "{key: {}, more: {}}"), never},
		// Secrets
		{
			"an unknown option of a secret", secrets("{key: {canary: x}}"),
			"line 1: unknown key in secrets.key; the keys are encoding",
		},
		{"a list of secrets", secrets("[key]"), "secrets: must be a mapping"},
		{
			"an unknown encoding", secrets("{key: {encoding: base32}}"),
			"secrets.key.encoding: must be text, base64 or hex",
		},
		{"an encoding that is a mapping", secrets("{key: {encoding: {}}}"), "line 1: must be text"},
		// Names
		{"a capital letter", request("{body: {}, Method: {}}"), "request, line 2: a name is lower-case letters"},
		{"a name outside ASCII", request("{body: {}, m\u00e9: {}}"), "line 2: " + outside},
		{"a name with an escape", request("{body: {}, \"m\\u00e9\": {}}"), "request, line 2: a name is lower-case letters"},
		{"a name of 65 bytes", request("{body: {}, " + strings.Repeat("a", 65) + ": {}}"), "request, line 2: a name is"},
		{"a name twice", request("{body: {}, key: {}}"), "request.key: this name is declared twice"},
		{"now", request("{body: {}, now: {}}"), "request, line 2: " + predefined},
		{"base_url", request("{body: {}, base_url: {}}"), predefined},
		{"func", request("{body: {}, func: {}}"), word},
		{"nil", request("{body: {}, nil: {}}"), word},
		{"scheme", request("{body: {}, scheme: {}}"), parameter},
		{"ca_cert", request("{body: {}, ca_cert: {}}"), parameter},
		{"secret_written_at", secrets("{secret_written_at: {}}"), "secrets, line 1: " + parameter},
		{"secret_expires_at", secrets("{secret_expires_at: {}}"), "secrets, line 1: " + parameter},
		{"headers as a field", with("fields: {headers: {}}"), "this name is part of the engine's answers"},
		{"65 names", request("{body: {}, " + manyNames(63) + "}"), "scheme: declares more than 64 names"},
		{"66 names", request("{body: {}, " + manyNames(64) + "}"), "scheme: declares more than 64 names"},
		// Fields
		{"a default of a request field", request("{body: {default: a}}"), "line 2: unknown key in request.body"},
		{"optional: yes", request("{body: {optional: 'yes'}}"), "request.body.optional: must be true or false"},
		{"max 0", request("{body: {max: 0}}"), number},
		{"max 65537", request("{body: {max: 65537}}"), number},
		{"max that is a word", request("{body: {max: canary}}"), number},
		{
			"a pattern that is none", request("{body: {pattern: 'canary)|('}}"),
			"request.body.pattern: is not a regular expression",
		},
		{
			"a pattern that folds what is not ASCII", request("{body: {pattern: '(?i)[a-\\x{10ffff}]'}}"),
			"request.body.pattern: has (?i) and characters outside ASCII",
		},
		{
			"a pattern that is slow", request("{body: {pattern: '[ab]*a[ab]{640}', max: 65536}}"),
			"scheme: its patterns would take too long",
		},
		{
			"nine large patterns", request("{" + manyPatterns(9) + "}"),
			"request.p0.pattern: the patterns so far are too large",
		},
		{
			"an optional request_string", request("{body: {}, request_string: {optional: true}}"),
			"request.request_string: cannot be optional",
		},
		{"max 4097 of a field", with("fields: {f: {max: 4097}}"), "fields.f.max: must be a whole number from 1 to 4096"},
		{"an empty default", with("fields: {f: {default: ''}}"), "fields.f.default: is empty, or has a space"},
		{
			"a default and optional", with("fields: {f: {default: a, optional: true}}"),
			"fields.f: has a default, so it cannot be optional",
		},
		{
			"a dollar sign in a default", with("fields: {f: {default: 'a$b'}}"),
			"fields.f.default: contains a quote, a backquote",
		},
		// Outputs
		{"Host", header("Host"), connection},
		{"Content-Length", header("content-LENGTH"), connection},
		{"a header of proxies", header("Proxy-Authorization"), connection},
		{"a header of Vault's", header("x-vault-token"), connection},
		{"line breaks in a header's name", header("\"X-Sig\\r\\nX\""), notText},
		{"a space in a header's name", header("X Sig"), notText},
		{"a header's name of 65 bytes", header("X-" + strings.Repeat("a", 63) + ": body, X-Sig"), notText},
		{"a header twice", header("x-sig: body, X-Sig"), "headers.X-Sig: is there twice, in letters of another case"},
		{
			"a space in a query parameter's name",
			replaced(t, "headers: {X-Sig", "query: {'a b'", "want: {X-Sig", "want: {'a b'"),
			"query, line 3: the name of a query parameter is",
		},
		{
			"a query parameter's name of 65 bytes", with("query: {" + strings.Repeat("a", 65) + ": body}"),
			"query, line 4: the name of a query parameter is",
		},
		{"a header and a query parameter", with("query: {X-Sig: body}"), "query.X-Sig: is the name of a header too"},
		{"33 headers", replaced(t, "headers: {X-Sig: ", "headers: {"+manyHeaders(32)+"X-Sig: "), "headers: has more than 32"},
		{
			"a header that is a list", replaced(t, "headers: {X-Sig: 'hex(hmac_sha256(key, body))'}", "headers: {X-Sig: [a]}"),
			"headers.X-Sig: must be text",
		},
		{
			"a query parameter that stays the same", with("query: {sig: hex(sha256(key))}"),
			"query.sig: has a digest of a secret that stays the same",
		},
		{"an optional field that ends a digest", replaced(t, "ttl: 60s", "fields: {f: {optional: true}}\nttl: 60s",
			"hex(hmac_sha256(key, body))", "hex(sha256(key + body + f))"), extended},
		{"an empty field that ends a digest", replaced(t, "ttl: 60s", "fields: {f: {pattern: '[a-z]*'}}\nttl: 60s",
			"hex(hmac_sha256(key, body))", "hex(sha256(key + body + f))"), extended},
		// Conditions and ttl
		{"an empty message", with("require: {'': body == body}"), message},
		{"a line break in a message", with("require: {\"a\\nb\": body == body}"), message},
		{"33 conditions", with("require: {m: body == body, " + manyConditions(32) + "}"), "require: has more than 32"},
		{"a string as a condition", with("require: {m: body}"), "require[0]: must be bool, and is string"},
		{"ttl 0", ttl("0"), duration},
		{"ttl 0s", ttl("0s"), duration},
		{"ttl 86401", ttl("86401"), duration},
		{"ttl 24h1s", ttl("24h1s"), duration},
		{"ttl 25h", ttl("25h"), duration},
		{"ttl -60", ttl("-60"), duration},
		{"ttl 1500ms", ttl("1500ms"), duration},
		{"ttl that is a word", ttl("canary"), duration},
		{"allow_static: 1", ttl("60s\nallow_static: 1"), "allow_static: must be true or false"},
		// Sizes
		{"hex of 64 KiB", largest(over("hex(bytes(body))")), tooLarge + " bytes; declare a smaller max"},
		{
			"percent_encode of 22,000 bytes",
			replaced(t, "{body: {}}", "{body: {max: 22000}}", "key, body", "key, percent_encode(body)"),
			"headers.X-Sig, column 22: " + tooLarge,
		},
		{"70 parentheses", signs(strings.Repeat("(", 70) + "body" + strings.Repeat(")", 70)), "nested more than 64 deep"},
		{"1,000 open calls", signs(strings.Repeat("a(", 1000)), "this is not an expression"},
		{"an expression of 4097 bytes", signs(strings.Repeat("x", 4097)), "is longer than 4096 bytes"},
		{"501 nodes", with("let: {" + manyNodes() + "}"), "has more than 500 nodes"},
		{"more than 4 MiB", largest(with("let: {" + large() + "}")), "together can have more than 4 MiB"},
		{
			"a string with a line break",
			replaced(t, "'hex(hmac_sha256(key, body))'", `"hex(hmac_sha256(key, \"a\n\" + body))"`),
			"column 22: this string does not end on its line",
		},
		// Examples
		{"examples that are a mapping", replaced(t, "examples:\n", "examples: {}\nx:\n"), "unknown key"},
		{"wants", replaced(t, "    want:", "    wants:"), "line 8: unknown key in examples[0]"},
		{"no want", small + "  - {secrets: {key: made-up-key}, request: {body: x}}\n", "examples[1]: has no want"},
		{
			"a request field too many", replaced(t, "{body: hello}", "{body: hello, canary: x}"),
			"examples[0].request: has a key that the scheme does not declare; it declares: body",
		},
		{"a secret too few", replaced(t, "{key: made-up-key}", "{}"), "examples[0]: key must have 1 to 4096 bytes"},
		{"no now", over("body + now.unix()"), "examples[0]: needs now, which the scheme uses"},
		{"no uuid", over("body + uuid"), "examples[0]: needs uuid"},
		{"no base_url", with("let: {x: base_url}"), "examples[0]: needs base_url"},
		{"no nonce", with("require: {m: nonce == body}"), "examples[0]: needs nonce"},
		{"now: yesterday", example("now: yesterday"), "examples[0].now: must be RFC 3339"},
		{"base_url: http", example("base_url: http://canary.example"), "examples[0].base_url: is plain http"},
		{"uuid outside ASCII", example("uuid: \"\\u00e9\""), "examples[0].uuid: must be printable ASCII"},
		{"a header that no example wants", replaced(t, "X-Sig: 'hex", "X-Other: body, X-Sig: 'hex", "want: {X-Sig:",
			"want: {X-Other:"), "headers.X-Sig: " + inExamples},
		{
			"a query parameter that no example wants", with("query: {sig: 'hex(hmac_sha256(key, body))'}"),
			"query.sig: " + inExamples,
		},
		{
			"a header too many", replaced(t, "want: {X-Sig:", "want: {X-Canary:"),
			"examples[0].want: has a key that the scheme does not declare; it declares: X-Sig",
		},
		{
			"17 examples", small + strings.Repeat(small[strings.LastIndex(small, "\n  - secrets")+1:], 16),
			"examples: has more than 16",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := scheme.Parse(test.text)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "canary")
			require.NotContains(t, err.Error(), "yaml")
		})
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

// inLines is small with an expression of several lines.
func inLines(t *testing.T, lines ...string) string {
	t.Helper()
	return replaced(t, "headers: {X-Sig: 'hex(hmac_sha256(key, body))'}",
		"headers:\n  X-Sig: |\n    "+strings.Join(lines, "\n    "))
}

// What is unusual and allowed.
func TestUnusualDocuments(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"JSON": `{"secrets": {"key": {}}, "request": {"body": {}}, "headers": {"X-Sig": "hex(hmac_sha256(key, body))"},
			"ttl": "60s", "examples": [
				{"secrets": {"key": "made-up-key"}, "request": {"body": "hello"}, "want": {"X-Sig": ""}}]}`,
		"CRLF":                      strings.ReplaceAll(small, "\n", "\r\n"),
		"comments in other scripts": "# \u043f\u043e\u0434\u043f\u0438\u0441\u044c \u00e9\n" + small + "  # \u7b7e\u540d\n",
		"escapes":                   replaced(t, "hello", `"h\u00e9llo\n"`, "{body: {}}", "{body: {pattern: '(?s).+'}}"),
		"empty sections":            replaced(t, "ttl: 60s", "fields: {}\nlet: {}\nrequire: {}\nquery: {}\nttl: 60s"),
		"names that look like types": replaced(t,
			"{key: {}}", "{secret: {}}",
			"key, body", "secret, string",
			"{key: made-up-key}", "{secret: made-up-key}",
			"{body: {}}", "{string: {}}",
			"{body: hello}", "{string: hello}"),
		"numbers and instants":     replaced(t, "hello", "5000", "made-up-key", "2026-01-02"),
		"document marker":          "---\n" + small,
		"expression on some lines": inLines(t, "hex(hmac_sha256(key,", "  body +", `  ""))`),
		// Only signing finds that out: see TestExamplesAreSigned.
		"an example without a field": replaced(t, "{body: hello}", "{}"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := scheme.Parse(text)
			require.NoError(t, err)
		})
	}
}

func TestTTL(t *testing.T) {
	t.Parallel()
	for text, ttl := range map[string]time.Duration{
		"60":    time.Minute,
		"24h":   24 * time.Hour,
		"86400": 24 * time.Hour,
		"1m30s": 90 * time.Second,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, ttl, parsed(t, replaced(t, "60s", text)).TTL())
		})
	}
}

func TestPlacesInExpressionsOfSeveralLines(t *testing.T) {
	t.Parallel()
	_, err := scheme.Parse(inLines(t, "hex(", "  key)"))
	require.ErrorContains(t, err, "headers.X-Sig: would give the secret away")
	_, err = scheme.Parse(inLines(t, "hex(hmac_sha256(key,", "  other))"))
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
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			_, _ = scheme.Parse(text)
			require.Less(t, time.Since(began), 5*time.Second)
			t.Log(time.Since(began).Round(time.Millisecond))
		})
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
		`"2cd37f3bbd12c5e0d6b4a2d0d2ce5ef6cdd4a0a7a1b2b5b2a3d0f0d9c6b1a8e7"; it is made with hmac_sha256 of "hello"`)
	s, err = scheme.Parse(replaced(t, "2cd37f3bbd12c5e0d6b4a2d0d2ce5ef6cdd4a0a7a1b2b5b2a3d0f0d9c6b1a8e7", right))
	require.NoError(t, err)
	require.NoError(t, s.CheckExamples())
}

func TestExamplesThatCannotBeSigned(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text, want string }{
		{"a missing field", replaced(t, "{body: hello}", "{}"), "examples[0]: body is required"},
		{"a comma", replaced(t, "{body: hello}", "{body: 'a,b'}"), "examples[0]: body is empty, or has a space, a comma"},
		{"a condition", replaced(t, "ttl: 60s", `require: {not x: 'body == "x"'}`+"\nttl: 60s"), "examples[0]: not x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, parsed(t, test.text).CheckExamples(), test.want)
		})
	}
	_, err := scheme.Parse(replaced(t, "ttl: 60s", "require: {no: body == 'x'}\nttl: 60s"))
	require.Error(t, err, "a condition with quotes that Go's strings do not have")
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
