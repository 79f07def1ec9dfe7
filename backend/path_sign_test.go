package backend

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// OpenSSL computed the signatures, for the second id that a mount makes and the time at which the mount starts:
//
//	printf %s "${id}US:sandbox${date}/v1.0/scopes?a=1sandbox-avanan-secret" | openssl base64 -A | openssl dgst -sha256
func TestSignAvananAnswer(t *testing.T) {
	t.Parallel()
	const id = "00000000-0000-4000-8000-000000000002"
	for format, signed := range map[string]struct{ date, signature string }{
		"zoneless": {
			date:      "2026-01-02T03:04:05.123456",
			signature: "f41cb5a6785838b0ba1e461a513242fbaec46f7c9e173dcda4da92656d74c6c5",
		},
		"zulu": {
			date:      "2026-01-02T03:04:05.123Z",
			signature: "41ba439ca05f46d7ef8336437c7626c82c4773810f13ce2de4975fb2634544f5",
		},
	} {
		for _, operation := range []logical.Operation{logical.ReadOperation, logical.UpdateOperation} {
			t.Run(fmt.Sprint(operation, " of ", format), func(t *testing.T) {
				t.Parallel()
				m := newMount(t)
				m.vendor.Change(func(b *sandbox.Behaviour) { b.AvananDates = sandbox.Both })
				m.write("config/avanan/us", with(m.avananValues(), values{"date_format": format}))
				given := values{"request_string": "/v1.0/scopes?a=1"}
				resp, _, text := m.handle(operation, "sign/avanan/us", given)
				require.Empty(t, text)
				require.Nil(t, resp.Secret)
				token := m.read("creds/avanan/us")["token"].(string)
				require.Equal(t, values{
					"headers": map[string]string{
						"x-av-req-id": id,
						"x-av-token":  token,
						"x-av-app-id": "US:sandbox",
						"x-av-date":   signed.date,
						"x-av-sig":    signed.signature,
					},
					"header_lines": "x-av-app-id: US:sandbox\nx-av-date: " + signed.date + "\nx-av-req-id: " + id +
						"\nx-av-sig: " + signed.signature + "\nx-av-token: " + token + "\n",
					"url":        m.url + "/v1.0/scopes?a=1",
					"expires_at": "2026-01-02T04:04:05Z",
				}, resp.Data)
				again := m.must(operation, "sign/avanan/us", given)
				require.NotEqual(t, resp.Data["headers"], again["headers"], "a new id each time")
			})
		}
	}
}

// The sandbox accepts the headers for the request string that was signed, and for no other, in the detected date
// format.
func TestSandboxAcceptsOnlySignedRequestString(t *testing.T) {
	t.Parallel()
	for _, dates := range []sandbox.Dates{sandbox.Zoneless, sandbox.Zulu} {
		for _, verify := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, verify=%t", dates, verify), func(t *testing.T) {
				t.Parallel()
				m := newMount(t)
				m.vendor.Change(func(b *sandbox.Behaviour) { b.AvananDates = dates })
				m.write("config/avanan/us", with(m.avananValues(), values{"verify": verify}))
				for _, target := range []string{
					"/v1.0/scopes", "/v1.0/task/1?scope=mt-prod-3%3Aacme", "/v1.0/msp/usage?year=2026&month=8",
				} {
					require.Equal(t, http.StatusOK, m.callAvanan(target, target))
					require.Equal(t, http.StatusForbidden, m.callAvanan(target, target+"&more=1"))
				}
			})
		}
	}
}

// callAvanan calls a target with headers that were signed for a request string, and returns the status.
func (m *mount) callAvanan(requestString, target string) int {
	m.t.Helper()
	answer := m.must(logical.ReadOperation, "sign/avanan/us", values{"request_string": requestString})
	req, err := http.NewRequestWithContext(m.t.Context(), http.MethodGet, m.url+target, http.NoBody)
	require.NoError(m.t, err)
	for name, value := range answer["headers"].(map[string]string) {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(m.t, err)
	require.NoError(m.t, resp.Body.Close())
	return resp.StatusCode
}

// The path applies the rules for request strings, before any handshake. internal/avanan tests each rule.
func TestSignAvananRejectsInvalidRequestStrings(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false}))
	long := "/" + strings.Repeat("x", 8192)
	for name, test := range map[string]struct {
		given values
		want  string
	}{
		"none":       {nil, "request_string is required"},
		"empty":      {values{"request_string": ""}, "request_string is empty"},
		"no slash":   {values{"request_string": "v1.0/scopes"}, "request_string does not start with /"},
		"a comma":    {values{"request_string": "/v1.0/a,/v1.0/b"}, "request_string contains a comma"},
		"points":     {values{"request_string": "/v1.0/event/%2e%2E/action"}, "request_string has a . or .. segment"},
		"the app id": {values{"request_string": "/v1.0/x?q=us%253asandbox"}, "request_string contains the app id"},
		"too long":   {values{"request_string": long}, "request_string is longer than 8192"},
		"two":        {values{"request_string": []string{"/a", "/b"}}, "request_string must be a string, given once"},
		"a date": {
			given: values{"request_string": "/v1.0/scopes", "date": "2026-01-02T03:04:05"},
			want:  `unknown parameter "date"; this takes request_string, unauthorized`,
		},
	} {
		for _, operation := range []logical.Operation{logical.ReadOperation, logical.UpdateOperation} {
			t.Run(fmt.Sprint(operation, " with ", name), func(t *testing.T) {
				t.Parallel()
				m := m.in(t)
				require.Contains(t, m.refused(operation, "sign/avanan/us", test.given), test.want)
				require.Zero(t, m.vendor.Handshakes(), "the vendor was not called")
			})
		}
	}
}
