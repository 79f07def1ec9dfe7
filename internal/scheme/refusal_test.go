package scheme

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNewerRulesRefuseNewDocumentsOnly(t *testing.T) {
	t.Parallel()
	first, second := refuseAt("a", "first"), refuseAt("b", "second")
	require.PanicsWithValue(t, first, func() { (&newerRules{}).refuse(first) })
	stored := &newerRules{stored: true}
	stored.refuse(first)
	stored.refuse(second)
	require.Equal(t, first, stored.broken)
}

// A fault of the program is not mistaken for one of a document.
func TestOnlyRefusalsAreCaught(t *testing.T) {
	t.Parallel()
	catch := func(fault any) (err error) {
		defer caught(&err)
		panic(fault)
	}
	require.EqualError(t, catch(refuseAt("a", "%s", "b")), "a: b")
	require.PanicsWithValue(t, "other", func() { _ = catch("other") })
}

// What only a newer rule refuses goes on as a stored document, and says so. What gives a derived key away does not.
func TestStoredDocumentsOutliveNewerRules(t *testing.T) {
	t.Parallel()
	document := func(header string) string {
		return `secrets: {key: {}, seed: {}}
request: {body: {pattern: '(?s).*'}, only: {pattern: GET}}
let: {long: seed + "` + strings.Repeat("x", 64) + `"}
headers:
  X-Sig: ` + header + `
  X-Used: hex(sha256(uuid + key)) + hex(hmac_sha1(derive_sha512(seed), uuid))
ttl: 60s
examples:
  - secrets: {key: a, seed: b}
    request: {body: "", only: GET}
    uuid: u
    now: 2026-01-02T03:04:05Z
    want: {X-Sig: x, X-Used: x}
`
	}
	const stale, extended, sameMake = "stays the same", "could be extended", "is made of the same"
	for name, test := range map[string]struct{ header, refusal string }{
		"one value":      {`hex(hmac_sha512(key, only))`, stale},
		"can be empty":   {`hex(hmac_sha512(key, body))`, stale},
		"past a literal": {`hex(sha256(key + uuid + body + "."))`, extended},
		"short keys": {
			`hex(hmac_sha256(derive_hmac_sha256(derive_sha256(seed), "a"), uuid)) + ` +
				`hex(hmac_sha256(derive_sha256(derive_sha256(seed)), uuid))`,
			sameMake,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(document(test.header))
			require.ErrorContains(t, err, test.refusal)
			s, err := ParseStored(document(test.header))
			require.NoError(t, err)
			require.ErrorContains(t, s.Outdated(), test.refusal)
		})
	}
	// HMAC hashes a key of more than a block: one of 64 bytes is not, one of 65 is.
	for length, is := range map[int]bool{64: false, 65: true} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			t.Parallel()
			key := `hex(derive_md5(seed)) + "` + strings.Repeat("x", length-32) + `"`
			header := `hex(hmac_sha256(derive_hmac_sha256(` + key + `, "a"), uuid)) + ` +
				`hex(hmac_sha256(derive_sha256(derive_md5(seed)), uuid))`
			_, err := ParseStored(document(header))
			require.Equal(t, is, err != nil)
		})
	}
	_, err := ParseStored(document(`hex(hmac_sha256(derive_sha256(long), body)) + ` +
		`hex(hmac_sha256(derive_hmac_sha256(long, "a"), uuid))`))
	require.ErrorContains(t, err, "headers.X-Sig, column 82: cannot be a key of derive_hmac_sha256, because a key of "+
		"hmac_sha256 is made of the same: HMAC hashes keys that have more than 64 bytes, so a caller could ask for the "+
		"derived key; use two secrets")
	// A document that keeps the rules is not outdated.
	s, err := ParseStored(document(`hex(hmac_sha512(key, body + uuid))`))
	require.NoError(t, err)
	require.NoError(t, s.Outdated())
}

// Keys that are made of one another in very many ways do not take long.
func TestUnhashedIsQuick(t *testing.T) {
	t.Parallel()
	k := newKeys()
	for i := 0; i < 400; i += 2 { // as many ways as Fibonacci's numbers say
		k.made[i+2] = derivation{"derive_md5", []int{i, i + 1}}
		k.made[i+3] = derivation{"derive_md5", []int{i}}
	}
	require.Equal(t, []int{0, 1}, k.unhashed("md5", []int{400, 401}))
	require.Equal(t, []int{400, 401}, k.unhashed("sha1", []int{401, 400}))
}
