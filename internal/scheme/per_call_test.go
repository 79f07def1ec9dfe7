package scheme_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
)

// A client puts a new UUID into a header only where nothing else of the call is made of the old one.
func TestHeadersOfOneCall(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		headers string
		want    []string
	}{
		"a uuid":                       {"X-Id: uuid", []string{"X-Id"}},
		"none":                         {"X-Id: nonce", nil},
		"a uuid that is hashed":        {"X-Id: uuid\n  X-Other: hex(sha256(uuid))", nil},
		"a uuid that is hashed by let": {"X-Id: uuid\n  X-Other: hex(sha256(id))", nil},
		"a uuid in a text":             {`X-Id: '"id-" + uuid'`, nil},
		"a uuid by let":                {"X-Id: id", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := scheme.Parse(replaced(t, "headers: {X-Sig: 'hex(hmac_sha256(key, body))'}",
				"let: {id: uuid}\nheaders:\n  X-Sig: hex(hmac_sha256(key, body))\n  "+test.headers,
				"    want:", "    uuid: made-up\n    nonce: made-up\n    want:"))
			require.NoError(t, err)
			require.Equal(t, test.want, s.PerCall())
		})
	}
}
