package backend

import (
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"
)

// bodyScheme puts a signature beside what the caller gives. Python's hmac computed its digests, and those below:
//
//	hmac.digest(b"made-up", b"/v1/orders\n1767323045\na", "sha256").hex()
const bodyScheme = `secrets: {key: {}}
request: {request_string: {}, content: {pattern: '(?s).*', optional: true}}
body:
  text: 'hex(hmac_sha256(key, request_string + "\n" + now.unix() + "\n" + content)) + "\n" + content'
  content_type: '"text/plain"'
ttl: 60s
examples:
  - secrets: {key: made-up}
    request: {request_string: /v1/orders, content: a}
    now: 2026-01-02T03:04:05Z
    want: {body: "4a98376a246d31230b18b5a3f6a7d2d0877fac6f21204d21d3f4c0bc76dcba55\na"}
`

// formScheme is for reads: its body is a form of the config's.
const formScheme = `secrets: {key: {}}
fields: {account: {}}
body:
  form: {account: account, sig: 'hex(hmac_sha256(key, now.unix()))'}
ttl: 60s
examples:
  - secrets: {key: made-up}
    fields: {account: a}
    now: 2026-01-02T03:04:05Z
    want: {body: account=a&sig=de6af3cdbd886418bd03ce7e6e8f6aec826502e3a940e663690161c9b3defae8}
`

// The answer has the body to send, even an empty one, and its Content-Type.
func TestCustomBodies(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/text", values{"scheme": bodyScheme, "key": "canary-key", "base_url": "https://api.example"})
	m.write("config/custom/form", values{
		"scheme": formScheme, "key": "canary-key", "base_url": "https://api.example", "account": "a+b",
	})
	for name, row := range map[string]struct { //nolint:paralleltest // what they log is looked at below
		call values
		want string
	}{
		"a body": {
			values{"request_string": "/v1/orders", "content": `{"a":"ü"}`},
			"db7f03ca734814eff69540c713a9f6d62b630a2625c6b39572b6434da466a5e8\n" + `{"a":"ü"}`,
		},
		"no body": {
			values{"request_string": "/v1/orders"}, "8b47afae58e9fcf4d16c54c84b57b626cdfaee7d3e1892ccd2b404c395e67bc0\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := m.in(t)
			signed := m.must(logical.UpdateOperation, "sign/custom/text", row.call)
			require.Equal(t, row.want, signed["body"])
			require.Equal(t, map[string]string{"Content-Type": "text/plain"}, signed["headers"])
			require.Equal(t, "Content-Type: text/plain\n", signed["header_lines"])
			batch := m.must(logical.UpdateOperation, "sign/custom/text/batch", requests(row.call, row.call))
			for _, result := range batch["results"].([]any) {
				require.Equal(t, without(signed, "expires_at"), result)
			}
		})
	}
	read := m.read("creds/custom/form")
	require.Equal(t, "account=a%2Bb&sig=dac5468487ce087035e080d15a6ea30bbdff0604cae8df740992aa58ab3c99be", read["body"])
	require.Equal(t, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, read["headers"])
	m.write("config/custom/none", m.customCreds())
	require.NotContains(t, m.read("creds/custom/none"), "body")
	require.NotContains(t, m.logged(), "canary")
}
