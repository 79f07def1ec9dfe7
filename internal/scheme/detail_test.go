package scheme_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
)

// What errors and options say in detail, each of which another test takes for granted.
func TestDetailsOfDocuments(t *testing.T) {
	t.Parallel()
	static := func(allow string) string {
		return replaced(t, "ttl: 60s", "ttl: 60s\nallow_static: "+allow, "hmac_sha256(key, body)", "sha256(key)")
	}
	named := func(name string) string { return replaced(t, "    request: {", "    name: "+name+"\n    request: {") }
	call := func(call string) string { return replaced(t, "hex(hmac_sha256(key, body))", "hex("+call+")") }
	yaml := func(line string) string { return "at or after line " + line + ": is not YAML; " }
	const tooLong = "examples[0].name: must be printable ASCII of at most 256 bytes"
	const noKey = "(string, string); the key must be a secret"
	const column = "headers.X-Sig, column 5: "
	const takes = "hmac_sha256(key, message) takes (secret, string), (secret, bytes) or (secret, secret), not "
	for name, test := range map[string]struct{ text, want string }{
		"a tab":                   {replaced(t, "ttl: 60s", "ttl: 60s\n\tx: y"), yaml("5") + "indent it with spaces, not"},
		"bad YAML of two":         {small + "---\n[\n", yaml("10") + "put"},
		"unknown alias":           {replaced(t, "{key: {}}", "*secrets"), yaml("1") + "put"},
		"too little indented":     {replaced(t, "    want:", "   want:"), yaml("8") + "put"},
		"too much indented":       {replaced(t, "    want:", "      want:"), yaml("8") + "put"},
		"an open quote":           {replaced(t, "ttl: 60s", "ttl: '60s"), yaml("4") + "put"},
		"a list of two lines":     {replaced(t, "ttl: 60s", "a: [b,\nc]\nttl: 60s: s"), yaml("6") + "put"},
		"allow_static false":      {static("false"), "headers.X-Sig: has a digest of a secret that stays the same"},
		"allow_static true":       {static("true"), ""},
		"longest name":            {named(strings.Repeat("n", 256)), ""},
		"name is too long":        {named(strings.Repeat("n", 257)), tooLong},
		"name is not printable":   {named(`"n\x07"`), tooLong},
		"key of an HMAC":          {call(`hmac_sha256(body, body)`), column + takes + noKey},
		"key of a derived one":    {call(`derive_hmac_sha256(body, body)`), column + "derive_" + takes + noKey},
		"message of an HMAC":      {call(`hmac_sha256(key, now)`), column + takes + "(secret, timestamp)"},
		"one argument":            {call(`hmac_sha256(body)`), column + takes + "(string)"},
		"another function of two": {call(`bytes(body, body)`), column + "bytes(x) takes (string), not (string, string)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := scheme.Parse(test.text)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			if strings.HasPrefix(test.want, column) {
				require.EqualError(t, err, test.want)
			}
			require.True(t, strings.HasPrefix(err.Error(), test.want), err)
		})
	}
}

func TestUses(t *testing.T) {
	t.Parallel()
	s := parsed(t, replaced(t, "key, body", "key, body + now.unix()",
		"    want:", "    now: 2026-01-02T03:04:05Z\n    want:"))
	for name, uses := range map[string]bool{"now": true, "uuid": false, "nonce": false, "base_url": false} {
		require.Equal(t, uses, s.Uses(name), name)
	}
}
