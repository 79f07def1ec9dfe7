package scheme_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

func TestDeclarationsOfKeyPairs(t *testing.T) {
	t.Parallel()
	good := signs(t, "ed25519", "ed25519")
	for _, test := range []struct{ name, from, to, want string }{
		{"another kind", "{key: ed25519}", "{key: p521}", "secrets.private_key.key: must be rsa, p256, p384 or ed25519"},
		{"no kind", "{key: ed25519}", "{key: ''}", "secrets.private_key.key: must be rsa, p256, p384 or ed25519"},
		{
			"an encoding too", "{key: ed25519}", "{key: ed25519, encoding: text}",
			"secrets.private_key: has a key, so it cannot have an encoding",
		},
		{"another option", "{key: ed25519}", "{kind: ed25519}", "the keys are encoding, key"},
		{
			"not used", "ed25519(private_key, message)", "sha256(message)",
			"secrets.private_key: is not used in any header, query parameter, value or body",
		},
		{
			"used in a let that is not used", "headers: {X-Sig: 'base64(ed25519(private_key, message))'",
			"let: {unused: 'ed25519(private_key, message)'}\nheaders: {X-Sig: message",
			"secrets.private_key: is not used in any header, query parameter, value or body",
		},
		{"an example with a key of another kind", "MC4CAQAw", "MC4CAQAx", "examples[0]: private_key is "},
		{"an example without the key", "private_key: \"", "private_kez: \"", "examples[0].secrets: has a key that the " +
			"scheme does not declare; it declares: private_key"},
		{"a signature that no example wants", "want: {X-Sig: x}", "want: {X-Other: x}", "examples[0].want: has a key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, good, test.from)
			_, err := scheme.Parse(strings.Replace(good, test.from, test.to, 1))
			require.ErrorContains(t, err, test.want)
		})
	}
	second := func(output string) string {
		return strings.Replace(good, "headers: {", "headers: {X-Two: '"+output+"', ", 1)
	}
	_, err := scheme.Parse(second("hex(ed25519(private_key, message))"))
	require.ErrorContains(t, err, "headers.X-Two: has a digest of a secret in it, so at least one example must have it")
	// A public key is no digest of a secret.
	_, err = scheme.Parse(second("hex(public_key(private_key))"))
	require.NoError(t, err)
}

// An example's signature is compared like any other output.
func TestExamplesOfSignatures(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, parsed(t, signs(t, "p256", "ecdsa_sha256")).CheckExamples(),
		`and the example wants "x"`)
}

// twoMessages is a scheme with two headers that a secret or a key pair signs.
func twoMessages(t *testing.T, one, two string) string {
	t.Helper()
	return fmt.Sprintf(`secrets: {key: {}, other: {}, seed: {}, pair: {key: ed25519}, second: {key: ed25519}}
request: {body: {}, more: {}, maybe: {optional: true}}
let: {digest: hex(sha256(body))}
headers:
  X-One: '%s'
  X-Two: '%s'
  X-Used: hex(hmac_sha384(key + other, "used" + uuid)) + hex(hmac_sha384(derive_md5(seed), uuid))
  X-Keys: hex(public_key(pair) + public_key(second))
ttl: 60s
allow_static: true
examples:
  - secrets: {key: a, other: b, seed: c, pair: %q, second: %q}
    request: {body: b, more: m}
    uuid: u
    want: {X-One: x, X-Two: x, X-Used: x}
`, one, two, testKey(t, "ed25519.pem"), testKey(t, "ed25519-other.pem"))
}

// A key that signs two messages is warned of, if a caller could choose one to be the other.
func TestOneKeyForTwoMessages(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, one, two string
		warns          bool
	}{
		{"an HMAC of a field, and of a text", `hex(hmac_sha256(key, body))`, `hex(hmac_sha256(key, "v1." + body))`, true},
		{"the other way round", `hex(hmac_sha256(key, "v1." + body))`, `hex(hmac_sha256(key, body))`, true},
		{"a key pair", `hex(ed25519(pair, body + "a"))`, `hex(ed25519(pair, "a" + body))`, true},
		{"bytes", `hex(ed25519(pair, bytes(body)))`, `hex(ed25519(pair, "a"))`, true},
		{"an encoded field", `hex(ed25519(pair, base64(body)))`, `hex(ed25519(pair, "a"))`, true},
		{"a part of a field", `hex(ed25519(pair, query(body)))`, `hex(ed25519(pair, "a"))`, true},
		{"what a cut leaves", `hex(ed25519(pair, query("a?" + body)))`, `hex(ed25519(pair, "a"))`, true},
		{"a field after one that can be empty", `hex(ed25519(pair, maybe + "a"))`, `hex(ed25519(pair, "a"))`, true},
		{"a field after nothing", `hex(ed25519(pair, "" + body))`, `hex(ed25519(pair, "a"))`, true},
		{"a field of two", `hex(ed25519(pair, choose(body == "a", body, "b")))`, `hex(ed25519(pair, "a"))`, true},
		{"the same key in two ways", `hex(hmac_sha256(key, body))`, `hex(hmac_sha256(key + other, "v1." + body))`, true},
		{"a derived key", `hex(hmac_sha256(derive_sha256(seed), body))`, `hex(hmac_sha256(derive_sha256(seed), "a"))`, true},
		{"the same message twice", `hex(ed25519(pair, body + "a"))`, `base64(ed25519(pair, body + "a"))`, false},
		{"texts that begin differently", `hex(ed25519(pair, "v1." + body))`, `hex(ed25519(pair, "v2." + body))`, false},
		{"a digest of a field", `hex(ed25519(pair, digest + body))`, `hex(ed25519(pair, "v2." + body))`, false},
		{"two keys", `hex(hmac_sha256(key, body))`, `hex(hmac_sha256(other, "v1." + body))`, false},
		{"two key pairs", `hex(ed25519(pair, body))`, `hex(ed25519(second, "v1." + body))`, false},
		{"two functions", `hex(hmac_sha256(key, body))`, `hex(hmac_sha512(key, "v1." + body))`, false},
		{"two derived keys", `hex(hmac_sha1(derive_sha256(seed), body))`, `hex(hmac_sha1(derive_sha1(seed), "a"))`, false},
		{"one message", `hex(ed25519(pair, body))`, `digest`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := scheme.Parse(twoMessages(t, test.one, test.two))
			require.NoError(t, err)
			lints := 0
			for _, lint := range s.Lints() {
				if strings.Contains(lint, "signs two messages, and a request field is or begins one of them") {
					lints++
					require.True(t, strings.HasPrefix(lint, "headers.X-Two: the key of "), lint)
				}
			}
			require.Equal(t, test.warns, lints == 1, s.Lints())
		})
	}
}

// A batch has at most 64 operations with RSA keys.
func TestBatchesOfRSA(t *testing.T) {
	t.Parallel()
	require.Equal(t, 64, parsed(t, signs(t, "rsa", "rsa_sha256")).MaxBatch())
	require.Equal(t, 64, parsed(t, signs(t, "rsa", "rsa_pss_sha512")).MaxBatch())
	require.Zero(t, parsed(t, signs(t, "p256", "ecdsa_sha256")).MaxBatch())
	require.Zero(t, parsed(t, encoded).MaxBatch())
	three := strings.Replace(signs(t, "rsa", "rsa_sha256"), "base64(rsa_sha256(private_key, message))",
		`hex(rsa_sha256(private_key, message) + rsa_sha512(private_key, message) + rsa_pss_sha256(private_key, message))`, 1)
	require.Equal(t, 21, parsed(t, three).MaxBatch())
}

// RSASSA-PSS fails in FIPS-only mode, with a text of our own. The others sign.
func TestPSSInFIPSOnlyMode(t *testing.T) {
	t.Parallel()
	const inside = "SIGN_IN_FIPS_ONLY_MODE"
	if os.Getenv(inside) == "" {
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPSSInFIPSOnlyMode$")
		command.Env = append(os.Environ(), inside+"=1", "GODEBUG=fips140=only")
		printed, err := command.CombinedOutput()
		require.NoError(t, err, "%s", printed)
		return
	}
	for _, f := range keyFunctions {
		key := testKey(t, f.kind+".pem")
		signer, err := parsed(t, signs(t, f.kind, f.name)).Signer(scheme.Values{
			Secrets: map[string]secret.Text{"private_key": secret.Text(key)}, BaseURL: "https://api.example",
		})
		require.NoError(t, err)
		_, err = signer.Sign(scheme.Moment{Nonce: "n"}, map[string]string{"message": "m"})
		if !strings.Contains(f.name, "pss") {
			require.NoError(t, err, f.name)
			continue
		}
		require.EqualError(t, err, "the private key did not sign: RSASSA-PSS with a salt that is made of the nonce needs "+
			"Go's FIPS 140-3 mode to be off, or on without being the only one")
		_, callers := err.(*scheme.RequestError) //nolint:errorlint // returned bare
		require.False(t, callers)
	}
}
