package scheme_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
)

const (
	lintBeside = "X-Test: two fields that callers choose stand beside one another"
	lintExtend = "X-Test: the hash of something that has a secret in it"
)

func TestLintsOfExpressions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		expression     string
		beside, extend bool
	}{
		{`method + body`, true, false},
		{`method + ("" + body)`, true, false},
		{`(method + maybe) + body`, true, false},
		{`method + "." + body`, false, false},
		{`method + trim(" " + body)`, true, false},
		{`trim(body + " ") + method`, true, false},
		{`decoded_query(body) + method`, true, false},
		{`method + sorted_pairs(body, "=", "&")`, true, false},
		{`segment(request_string, "2") + method`, true, false},
		{`method + length(body) + method`, false, false},
		{`method + percent_encode(body)`, false, false},
		{`percent_encode(body) + method`, false, false},
		{`body + maybe + small`, true, false},
		{`method + choose(field == "a", "a", body)`, true, false},
		{`choose(field == "a", "a", body) + method`, true, false},
		{`choose(field == "a", body, "a") + method`, true, false},
		{`method + choose(field == "a", body, "a")`, true, false},
		{`hex(sha256(key + stamp + key))`, false, false},
		{`hex(sha256(key + stamp))`, false, true},
		{`hex(sha256(stamp + key + field))`, false, true},
		{`hex(sha256(key + uuid))`, false, true},
		{`hex(sha256(key + uuid + "a"))`, false, true},
		{`hex(sha256(key + uuid + field))`, false, true},
		{`hex(sha256(key + uuid + base_url))`, false, true},
		{`hex(sha256(key + uuid + maybe))`, false, true},
		{`hex(sha256(key + uuid + hex(sha256(field))))`, false, true},
		{`hex(sha256(hex(key) + uuid))`, false, true},
		{`hex(sha256(key + ed25519(edkey, stamp)))`, false, true},
		{`hex(sha256(key + uuid + public_key(edkey)))`, false, true},
		{`hex(sha384(key + uuid))`, false, false},
		{`hex(hmac_sha256(key, key + uuid))`, false, false},
	} {
		t.Run(test.expression, func(t *testing.T) {
			t.Parallel()
			s, err := scheme.Parse(hostileDocument(test.expression, "", ""))
			require.NoError(t, err)
			lints := strings.Join(s.Lints(), "\n")
			require.Equal(t, test.beside, strings.Contains(lints, lintBeside))
			require.Equal(t, test.extend, strings.Contains(lints, lintExtend))
		})
	}
}

// The limits of expressions, from both sides.
func TestLimitsOfExpressions(t *testing.T) {
	t.Parallel()
	var balanced func(leaves int) string
	balanced = func(leaves int) string {
		if leaves == 1 {
			return `""`
		}
		return "(" + balanced(leaves/2) + "+" + balanced(leaves-leaves/2) + ")"
	}
	nested := func(depth int) string { return strings.Repeat("(", depth-1) + "body" + strings.Repeat(")", depth-1) }
	const large = "can have more than 65536 bytes"
	for _, test := range []struct{ name, max, good, bad, want string }{
		{"nodes", "9", "lower(" + balanced(167) + ")", "lower(lower(" + balanced(167) + "))", "has more than 500 nodes"},
		{"depth", "9", nested(64), nested(65), "nested more than 64 deep"},
		{"a field", "65536", "body", `body + "a"`, large},
		{"a field and uuid", "65500", "body + uuid", `body + uuid + "a"`, large},
		{"a field and nonce", "65504", "body + nonce", `body + nonce + "a"`, large},
		{"a field and base_url", "65024", "body + base_url", `body + base_url + "a"`, large},
		{"text", "9", `""` + strings.Repeat(" ", 4094), `""` + strings.Repeat(" ", 4095), "is longer than 4096 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			document := func(expression string) string {
				return replaced(t, "{body: {}}", "{body: {max: "+test.max+"}}",
					"ttl: 60s", "let: {x: '"+expression+"'}\nttl: 60s",
					"    want:", "    base_url: https://a.example\n    uuid: u\n    nonce: n\n    want:")
			}
			_, err := scheme.Parse(document(test.good))
			require.NoError(t, err)
			_, err = scheme.Parse(document(test.bad))
			require.ErrorContains(t, err, test.want)
		})
	}
}
