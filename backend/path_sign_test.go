package backend

import (
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
	for format, signed := range map[string][2]string{
		"zoneless": {"2026-01-02T03:04:05.123456", "f41cb5a6785838b0ba1e461a513242fbaec46f7c9e173dcda4da92656d74c6c5"},
		"zulu":     {"2026-01-02T03:04:05.123Z", "41ba439ca05f46d7ef8336437c7626c82c4773810f13ce2de4975fb2634544f5"},
	} {
		for _, operation := range []logical.Operation{logical.ReadOperation, logical.UpdateOperation} {
			m := newMount(t)
			m.vendor.Change(func(b *sandbox.Behaviour) { b.AvananDates = sandbox.Both })
			m.write("config/avanan/us", with(m.avananValues(), values{"date_format": format}))
			resp, _, text := m.handle(operation, "sign/avanan/us", values{"request_string": "/v1.0/scopes?a=1"})
			require.Empty(t, text)
			require.Nil(t, resp.Secret)
			token := m.read("creds/avanan/us")["token"].(string)
			require.Equal(t, values{
				"headers": map[string]string{
					"x-av-req-id": "00000000-0000-4000-8000-000000000002",
					"x-av-token":  token,
					"x-av-app-id": "US:sandbox",
					"x-av-date":   signed[0],
					"x-av-sig":    signed[1],
				},
				"header_lines": "x-av-app-id: US:sandbox\nx-av-date: " + signed[0] + "\nx-av-req-id: 00000000-0000-4000-8000-000000000002\n" +
					"x-av-sig: " + signed[1] + "\nx-av-token: " + token + "\n",
				"url":        m.url + "/v1.0/scopes?a=1",
				"expires_at": "2026-01-02T04:04:05Z",
			}, resp.Data)
			again := m.must(operation, "sign/avanan/us", values{"request_string": "/v1.0/scopes?a=1"})
			require.NotEqual(t, resp.Data["headers"], again["headers"], "a new id each time")
		}
	}
}

// The sandbox accepts the headers for the request string that was signed, and for no other, in the detected date format.
func TestSandboxAcceptsOnlySignedRequestString(t *testing.T) {
	t.Parallel()
	for _, dates := range []sandbox.Dates{sandbox.Zoneless, sandbox.Zulu} {
		for _, verify := range []bool{true, false} {
			m := newMount(t)
			m.vendor.Change(func(b *sandbox.Behaviour) { b.AvananDates = dates })
			m.write("config/avanan/us", with(m.avananValues(), values{"verify": verify}))
			call := func(requestString, target string) int {
				answer := m.must(logical.ReadOperation, "sign/avanan/us", values{"request_string": requestString})
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, m.url+target, http.NoBody)
				require.NoError(t, err)
				for name, value := range answer["headers"].(map[string]string) {
					req.Header.Set(name, value)
				}
				resp, err := http.DefaultClient.Do(req)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				return resp.StatusCode
			}
			for _, target := range []string{"/v1.0/scopes", "/v1.0/task/1?scope=mt-prod-3%3Aacme", "/v1.0/msp/usage?year=2026&month=8"} {
				require.Equal(t, http.StatusOK, call(target, target))
				require.Equal(t, http.StatusForbidden, call(target, target+"&more=1"))
			}
		}
	}
}

// The path applies the rules for request strings, before any handshake. internal/avanan tests each rule.
func TestSignAvananRejectsInvalidRequestStrings(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false}))
	for want, data := range map[string]values{
		"request_string is required":                                          nil,
		"request_string is empty":                                             {"request_string": ""},
		"request_string does not start with /":                                {"request_string": "v1.0/scopes"},
		"request_string contains a comma":                                     {"request_string": "/v1.0/a,/v1.0/b"},
		"request_string has a . or .. segment":                                {"request_string": "/v1.0/event/%2e%2E/action/entity"},
		"request_string contains the app id":                                  {"request_string": "/v1.0/x?q=us%253asandbox"},
		"request_string is longer than 8192":                                  {"request_string": "/" + strings.Repeat("x", 8192)},
		"request_string must be a string, given once":                         {"request_string": []string{"/v1.0/a", "/v1.0/b"}},
		"unknown parameter \"date\"; this takes request_string, unauthorized": {"request_string": "/v1.0/scopes", "date": "2026-01-02T03:04:05"},
	} {
		for _, operation := range []logical.Operation{logical.ReadOperation, logical.UpdateOperation} {
			require.Contains(t, m.refused(operation, "sign/avanan/us", data), want)
		}
	}
	require.Zero(t, m.vendor.Handshakes(), "the vendor was not called")
}
