package backend

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
)

// madeKey is one of the private keys that internal/scheme has for tests.
func madeKey(tb testing.TB, name string) string {
	tb.Helper()
	text, err := os.ReadFile("../internal/scheme/testdata/keys/" + name + ".pem")
	require.NoError(tb, err)
	return string(text)
}

// rsaOtherSignature is the signature in keyScheme's example:
//
//	printf a.m.1767323045 | openssl dgst -sha256 -sign rsa-other.pem | base64 -w0
const rsaOtherSignature = "" +
	"h7R1FRTq6wXxHjcI29s3bKK+t+rPC+nfkrp/ordH1/hmbtzqEjgmedRNV/6Ol+BJtKHEWADxf/aiZJZHxMFX3rq0yvcgmEkeVINk" +
	"mJ7I+u9Hqwsh1j7tf7r5twxAZaC6NvdpnZCUvLvLktefSwD6md0x8Wk3G/HjJjQNv+Cm1tbqtlc7BIhMqZ2889a341XHIKIXe9p6" +
	"u3/4hs6a+/42hOiZgDbrwnJK+CGWRakMuEivpnrKxs/gcRjsg7zx43ebh0mH4LNdhzk5eCUtnB5hDbSCxFBLU4cedkFHADQxc45z" +
	"sdBB/lDbXLl94jrmAEqPZB8Ld14MzHbJkTQEfrxl6A=="

// keyScheme is a scheme that signs what callers give with an RSA key.
func keyScheme(tb testing.TB) string {
	tb.Helper()
	return fmt.Sprintf(`secrets: {private_key: {key: rsa}}
fields: {app_id: {}}
request: {message: {pattern: '[a-z0-9]+'}}
let: {signed: 'app_id + "." + message + "." + now.unix()'}
headers: {X-Signed: signed, X-Sig: 'base64(rsa_sha256(private_key, signed))'}
ttl: 60s
examples:
  - secrets: {private_key: %q}
    fields: {app_id: a}
    request: {message: m}
    now: 2026-01-02T03:04:05Z
    want: {X-Sig: %s}
`, madeKey(tb, "rsa-other"), rsaOtherSignature)
}

func (m *mount) keyValues() values {
	return values{
		"scheme": keyScheme(m.t), "base_url": "https://api.example", "app_id": "app", "private_key": madeKey(m.t, "rsa"),
	}
}

// A private key is written as it is in a file. It is never read back, and it signs.
func TestPrivateKeyOfAConfig(t *testing.T) {
	t.Parallel()
	plain := madeKey(t, "rsa")
	field, err := json.Marshal(plain)
	require.NoError(t, err)
	block, _ := pem.Decode([]byte(plain))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	key := parsed.(*rsa.PrivateKey)
	for name, given := range map[string]string{
		"a file":                      plain,
		"a file of Windows":           strings.ReplaceAll(plain, "\n", "\r\n"),
		"a file with blanks around":   "  " + plain + "  ",
		"a field of a JSON file":      strings.Trim(string(field), `"`),
		"a field of JSON with quotes": string(field),
		"PKCS#1":                      madeKey(t, "rsa-pkcs1"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			resp, _, text := m.handle(logical.UpdateOperation, "config/custom/x",
				with(m.keyValues(), values{"private_key": given}))
			require.Empty(t, text)
			if resp != nil {
				require.Empty(t, resp.Warnings)
			}
			require.Equal(t, values{
				"scheme": keyScheme(t), "base_url": "https://api.example", "app_id": "app", "secrets": []string{"private_key"},
				"fields": []string{"app_id"}, "request": []string{"message"}, "secret_written_at": "2026-01-02T03:04:05Z",
			}, m.read("config/custom/x"))
			data := m.must(logical.UpdateOperation, "sign/custom/x", values{"message": "hello"})
			headers := data["headers"].(map[string]string)
			require.Equal(t, "app.hello.1767323045", headers["X-Signed"])
			signature, err := base64.StdEncoding.DecodeString(headers["X-Sig"])
			require.NoError(t, err)
			digest := sha256.Sum256([]byte(headers["X-Signed"]))
			require.NoError(t, rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], signature))
			m.must(logical.UpdateOperation, "check/custom/x", nil)
			m.write("config/custom/x", values{"private_key": madeKey(t, "rsa-4096")})
			require.NotEqual(t, headers, m.must(logical.UpdateOperation, "sign/custom/x", values{"message": "hello"})["headers"])
			body := strings.Split(madeKey(t, "rsa"), "\n")[3]
			for _, read := range []string{"config/custom/x", "status/custom/x"} {
				require.NotContains(t, fmt.Sprint(m.read(read)), body)
			}
			require.NotContains(t, m.logged(), body)
		})
	}
}

// A wrong key stores nothing, and the error says what it is.
func TestWrongPrivateKeyOfAConfig(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	for file, want := range map[string]string{
		"p256":        "private_key is a P-256 key; the scheme wants an RSA key",
		"ed25519":     "private_key is an Ed25519 key; the scheme wants an RSA key",
		"encrypted":   "private_key is encrypted (openssl pkcs8 -topk8 -nocrypt -in key.pem -out plain.pem decrypts it)",
		"public":      "private_key is a public key; the scheme wants an RSA key",
		"certificate": "private_key is a certificate, which has no private key in it; the scheme wants an RSA key",
		"rsa-1024":    "private_key is an RSA key of 1024 bits; it must have 2048 to 4096",
		"rsa-other":   "private_key is in the scheme, a field or base_url, which are read back",
	} {
		key := madeKey(t, file)
		text := m.refused(logical.UpdateOperation, "config/custom/x", with(m.keyValues(), values{"private_key": key}))
		require.Contains(t, text, want)
		require.NotContains(t, text+m.logged(), strings.Split(key, "\n")[2])
	}
	empty := with(m.keyValues(), values{"private_key": ""})
	require.Contains(t, m.refused(logical.UpdateOperation, "config/custom/x", empty), "private_key is required")
	require.Empty(t, m.stored())
}

// A scheme that an earlier version stored can have a field with the name of a function, as a new one can.
func TestFieldNamedPublicKey(t *testing.T) {
	t.Parallel()
	// printf a | openssl dgst -sha256 -hmac made-up
	const scheme = `secrets: {key: {}}
fields: {public_key: {}}
request: {call: {}}
headers: {X-Key: public_key, X-Sig: 'hex(hmac_sha256(key, call))'}
ttl: 60s
examples:
  - secrets: {key: made-up}
    fields: {public_key: f}
    request: {call: a}
    want: {X-Sig: 1b156aac972b45204d72158cfedc51b48bfa1ee237d8b91da9fe55b5b3f605c0}
`
	m := newMount(t)
	m.storeConfig("stored", scheme, values{"key": "canary-key"}, values{"public_key": "k1"})
	m.write("config/custom/new", values{
		"scheme": scheme, "base_url": "https://api.example", "key": "canary-key", "public_key": "k1",
	})
	for _, name := range []string{"stored", "new"} {
		m.write("config/custom/"+name, values{"public_key": "k2", "key": "canary-key"})
		require.Equal(t, "k2", m.read("config/custom/" + name)["public_key"])
		signed := m.must(logical.UpdateOperation, "sign/custom/"+name, values{"call": "a"})
		require.Equal(t, "k2", signed["headers"].(map[string]string)["X-Key"])
	}
}

// A batch with an RSA key has at most 64 calls.
func TestBatchWithAPrivateKey(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/x", m.keyValues())
	calls := func(count int) values {
		requests := make([]any, count)
		for i := range requests {
			requests[i] = values{"message": fmt.Sprint(i)}
		}
		return values{"requests": requests}
	}
	require.Len(t, m.must(logical.UpdateOperation, "sign/custom/x/batch", calls(64))["results"], 64)
	for _, count := range []int{65, 1000} {
		require.Equal(t, fmt.Sprintf("requests has %d elements, more than the 64 that can be signed together with this "+
			"config's RSA key", count), m.refused(logical.UpdateOperation, "sign/custom/x/batch", calls(count)))
	}
	m.write("config/custom/hmac", m.customValues())
	many := make([]any, 65)
	for i := range many {
		many[i] = values{"method": "GET", "request_string": "/1.0/me"}
	}
	require.Len(t, m.must(logical.UpdateOperation, "sign/custom/hmac/batch", values{"requests": many})["results"], 65)
}

// A reader whose time ended while others signed with private keys can try again.
func TestBusyIsUnavailable(t *testing.T) {
	t.Parallel()
	_, err := respondError(fmt.Errorf("signing: %w", api.ErrBusy))
	coded, is := err.(logical.HTTPCodedError) //nolint:errorlint // the plugin protocol loses the code of a wrapped one
	require.True(t, is)
	require.Equal(t, http.StatusServiceUnavailable, coded.Code())
}
