package sandbox_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// paveHeaders are accepted at now. Python computed the token:
//
//	hmac.new(b"sandbox-pave-secret", b"acme:09bc91b9-76e5-4256-8e4f-7a41c1408014@1767323045", "sha256").hexdigest()
func paveHeaders() map[string]string {
	return map[string]string{
		"API-Key":       "09bc91b9-76e5-4256-8e4f-7a41c1408014",
		"API-Timestamp": "1767323045",
		"API-Token":     "2db39fd5fd0d758bab2ac7c70a741aae1fa51690c40844bfd55a96cc11b86544",
	}
}

func TestPaveAcceptsTokensOfVectors(t *testing.T) {
	t.Parallel()
	clocks := map[string]time.Time{"2021-05-30T12:49:19Z": time.Date(2021, 5, 30, 12, 49, 19, 0, time.UTC)}
	for _, form := range []string{
		"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123Z", "2026-01-02T03:04:05.123456+00:00",
		"Fri, 02 Jan 2026 03:04:05 GMT",
		"1767323045",
	} {
		clocks[form] = now
	}
	tried := map[string]bool{}
	for _, v := range readVectors(t, "../pave/testdata/vectors.json") {
		clock, taken := clocks[v["timestamp"]]
		if !taken {
			continue
		}
		tried[v["timestamp"]] = true
		behaviour := sandbox.Default()
		behaviour.PAVEUsername, behaviour.PAVEAPIKey, behaviour.PAVEAPISecret = v["username"], v["api_key"], v["api_secret"]
		s := sandbox.New(behaviour, func() time.Time { return clock }, t.Output())
		headers := map[string]string{"API-Key": v["api_key"], "API-Timestamp": v["timestamp"], "API-Token": v["token"]}
		status, _ := send(s, http.MethodGet, "/v1/sessions", headers, "")
		require.Equal(t, http.StatusOK, status, v["id"])
		status, _ = send(s, http.MethodGet, "/v1/sessions", with(headers, "API-Token", tamper(v["token"])), "")
		require.Equal(t, http.StatusUnauthorized, status, v["id"])
	}
	require.Len(t, tried, len(clocks))
}

func TestPaveRefusesMissingAndWrongHeaders(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]string{
		"API-Key": "00000000-0000-4000-8000-000000000000", "API-Token": tamper(paveHeaders()["API-Token"]),
		"API-Timestamp": "1767323046",
	} {
		for problem, headers := range map[string]map[string]string{
			"missing": without(paveHeaders(), name),
			"empty":   with(paveHeaders(), name, ""),
			"wrong":   with(paveHeaders(), name, wrong),
		} {
			status, body := send(start(nil), http.MethodGet, "/v1/sessions", headers, "")
			require.Equal(t, http.StatusUnauthorized, status, "%s %s", name, problem)
			require.JSONEq(t, `{"message":"Unauthorized"}`, body)
		}
	}
}

func TestPaveServesItsEndpoints(t *testing.T) {
	t.Parallel()
	const event = "/v1/callbacks/SESSION:"
	for target, methods := range map[string]string{
		"/v1/sessions":                           "GET POST",
		"/v1/sessions?page=2":                    "GET POST",
		"/v1/sessions/ABC-123":                   "GET PUT DELETE",
		"/v1/sessions/ABC-123/photos":            "GET",
		"/v1/sessions/ABC-123/notes":             "GET",
		"/v1/sessions/ABC-123/results":           "GET",
		"/v1/callbacks":                          "GET POST",
		event + "SMS_PROCESS":                    "GET PUT DELETE",
		event + "STAGE_CHANGE":                   "GET PUT DELETE",
		event + "STATUS_CHANGE":                  "GET PUT DELETE",
		event + "COMPLETE":                       "GET PUT DELETE",
		event + "NOTE_INSERT":                    "GET PUT DELETE",
		"/v1/callbacks/SESSION%3ACOMPLETE":       "GET PUT DELETE",
		"/v1/hotspots/ABC-123/photos-url":        "POST",
		"/v1/hotspots/ABC-123":                   "GET",
		"/v1/other":                              "",
		"/v1/sessions/":                          "",
		"/v1/sessions/ABC-123/":                  "",
		"/v1/sessions/ABC-123/other":             "",
		"/v1/sessions/ABC-123/photos/1":          "",
		"/v1/sessions//photos":                   "",
		event + "OTHER":                          "",
		"/v1/callbacks/COMPLETE":                 "",
		"/v1/hotspots":                           "",
		"/v1%2Fsessions":                         "",
		"/v1/callbacks%2FSESSION:COMPLETE":       "",
		"/v1/sessions/ABC-123/photos%7Cnotes":    "",
		"/v1/sessions/ABC-123/photos|notes|none": "",
	} {
		requireMethods(t, methods, target, func() (*sandbox.Sandbox, map[string]string) { return start(nil), paveHeaders() })
	}
}

func TestPaveCallbacksContainWebhookHeaders(t *testing.T) {
	t.Parallel()
	type callback struct {
		Headers map[string]string
	}
	want := callback{map[string]string{"Authorization": "Bearer " + sandbox.PAVEWebhookToken}}

	status, body := send(start(nil), http.MethodGet, "/v1/callbacks", paveHeaders(), "")
	require.Equal(t, http.StatusOK, status)
	var all struct{ Data []callback }
	require.NoError(t, json.Unmarshal([]byte(body), &all))
	require.Equal(t, []callback{want}, all.Data)

	status, body = send(start(nil), http.MethodGet, "/v1/callbacks/SESSION:COMPLETE", paveHeaders(), "")
	require.Equal(t, http.StatusOK, status)
	var one struct{ Data callback }
	require.NoError(t, json.Unmarshal([]byte(body), &one))
	require.Equal(t, want, one.Data)

	for _, target := range []string{"/v1/callbacks", "/v1/callbacks/SESSION:COMPLETE"} {
		_, body = send(start(nil), http.MethodGet, target, without(paveHeaders(), "API-Token"), "")
		require.NotContains(t, body, sandbox.PAVEWebhookToken)
	}
}
