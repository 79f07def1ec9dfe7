package scheme_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
)

// An example that fails shows what was hashed and signed for what differs, and nothing else.
func TestFailingExamplesShowWhatWasSigned(t *testing.T) {
	t.Parallel()
	document := func(headers, secret, want string) string {
		return fmt.Sprintf(`secrets: {key: {}, other: {}}
request: {body: {pattern: '(?s).*', max: 9000}}
let:
  inner: hex(sha256(body + "\n"))
  signed: '"POST" + inner'
  elsewhere: hex(sha1(uuid + "elsewhere"))
headers:
%s
ttl: 60s
allow_static: true
examples:
  - secrets: {key: %s, other: made-up}
    request: {body: hello}
    uuid: u
    now: 2026-01-02T03:04:05Z
    want: {%s}
`, headers, secret, want)
	}
	const inner = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03" // echo hello | sha256sum
	const other = "\n  X-Other: hex(hmac_sha256(other, uuid)) + elsewhere"
	for name, test := range map[string]struct{ header, secret, want string }{
		"signed of a let of a let": {
			`hex(hmac_sha256(key, signed))`, "made-up key",
			`; it is made with sha256 of "hello\n" and hmac_sha256 of "POST` + inner + `"`,
		},
		"hashed with the secret": {
			`hex(md5("a" + key + "\x00"))`, "made-up key", `; it is made with md5 of "amade-up key\x00"`,
		},
		"derived keys are not shown": {
			`hex(hmac_sha256(derive_hmac_sha256(key, "day"), "a"))`, "made-up key",
			`; it is made with hmac_sha256 of "a"`,
		},
		"nothing": {`body`, "made-up key", ""},
		"a long text": {
			`hex(hmac_sha1(key, "` + strings.Repeat("x", 1_001) + `"))`, "made-up key",
			`; it is made with hmac_sha1 of "` + strings.Repeat("x", 1_000) + `" (cut off)`,
		},
		"the last four": {
			`hex(sha1(sha1(sha1(bytes(hex(sha1("a"))) + bytes("b")) + bytes("c")) + sha1("d"))) + key_let`, "made-up key", "",
		},
		"a secret that may be base64": {
			`hex(hmac_sha256(key, body))`, "bWFkZS11cA==",
			`; it is made with hmac_sha256 of "hello"; key could be base64: if the API decodes it, declare it with ` +
				`encoding: base64`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			headers := "  X-Sig: '" + strings.TrimSuffix(test.header, " + key_let") + "'" + other
			if !strings.Contains(test.header, "key,") && !strings.Contains(test.header, "key +") {
				headers += "\n  X-Key: hex(hmac_sha256(key, uuid))"
			}
			want := "X-Sig: wanted, X-Other: x"
			if strings.Contains(headers, "X-Key") {
				want += ", X-Key: x"
			}
			err := parsed(t, document(headers, test.secret, want)).CheckExamples()
			require.ErrorContains(t, err, "examples[0].want.X-Sig: the scheme gives ")
			if name == "the last four" {
				require.Equal(t, 4, strings.Count(err.Error(), "sha1 of "))
				require.NotContains(t, err.Error(), `sha1 of "a"`)
				return
			}
			_, shown, _ := strings.Cut(err.Error(), `the example wants "wanted"`)
			require.Equal(t, test.want, shown)
		})
	}
}

// Lets that each use the two before them have as many ways to the first as there are rabbits. A failing example visits
// each let once.
func TestFailingExampleOfManyLetsIsQuick(t *testing.T) {
	t.Parallel()
	var lets strings.Builder
	for i := 2; i < 60; i++ {
		fmt.Fprintf(&lets, "  l%d: choose(l%d == l%d, l%d, l%d)\n", i, i-1, i-2, i-1, i-2)
	}
	s, err := scheme.Parse(fmt.Sprintf(`
secrets: {key: {}}
let:
  l0: '"a"'
  l1: '"b"'
  unused: '"c"'
%sheaders: {X: 'hex(hmac_sha256(key, uuid + l59))'}
ttl: 60s
examples:
  - {secrets: {key: made-up}, uuid: u, want: {X: wrong}}
`, lets.String()))
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.CheckExamples() }()
	select {
	case err := <-done:
		require.ErrorContains(t, err, "it is made with hmac_sha256 of")
	case <-time.After(10 * time.Second):
		t.Fatal("it takes too long")
	}
}
