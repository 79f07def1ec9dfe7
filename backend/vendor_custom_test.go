package backend

import (
	"os"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"
)

// customScheme1 is the scheme of design and docs: OVHcloud.
var customScheme1 = func() string {
	text, err := os.ReadFile("../internal/scheme/testdata/ovhcloud.yml")
	if err != nil {
		panic(err)
	}
	return string(text)
}()

// The whole answer of a signed call. The signature was computed with Python's hashlib.
func TestCustomSign(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/ovh", m.customValues())
	want := values{
		"headers": map[string]string{
			"X-Ovh-Application": "key1", "X-Ovh-Consumer": "consumer", "X-Ovh-Timestamp": "1767323045",
			"X-Ovh-Signature": "$1$f8f89551c500497d18aba8ae3c294beb55d341c6",
		},
		"header_lines": "X-Ovh-Application: key1\nX-Ovh-Consumer: consumer\n" +
			"X-Ovh-Signature: $1$f8f89551c500497d18aba8ae3c294beb55d341c6\nX-Ovh-Timestamp: 1767323045\n",
		"base_url": "https://api.example", "url": "https://api.example/1.0/me?a=b", "expires_at": "2026-01-02T03:05:05Z",
	}
	given := values{"method": "GET", "request_string": "/1.0/me?a=b"}
	require.Equal(t, want, m.must(logical.UpdateOperation, "sign/custom/ovh", given))
	require.Equal(t, want, m.must(logical.ReadOperation, "sign/custom/ovh", given))
	require.Equal(t, values{
		"scheme": customScheme1, "base_url": "https://api.example", "application_key": "key1", "consumer_key": "consumer",
		"secret_written_at": "2026-01-02T03:04:05Z", "secrets": []string{"application_secret"},
		"fields": []string{"application_key", "consumer_key"}, "request": []string{"method", "request_string", "body"},
	}, m.read("config/custom/ovh"))
	require.Equal(t, values{"verified_at": "2026-01-02T03:04:05Z"}, m.must(logical.UpdateOperation, "check/custom/ovh", nil))
	require.NotContains(t, m.logged(), "canary")
}
