package sandbox_test

import (
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
		"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123Z", "2026-01-02T03:04:05.123456+00:00", "Fri, 02 Jan 2026 03:04:05 GMT", "1767323045",
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
		"API-Key": "00000000-0000-4000-8000-000000000000", "API-Token": tamper(paveHeaders()["API-Token"]), "API-Timestamp": "1767323046",
	} {
		for problem, headers := range map[string]map[string]string{
			"missing": without(paveHeaders(), name), "empty": with(paveHeaders(), name, ""), "wrong": with(paveHeaders(), name, wrong),
		} {
			status, body := send(start(nil), http.MethodGet, "/v1/sessions", headers, "")
			require.Equal(t, http.StatusUnauthorized, status, "%s %s", name, problem)
			require.JSONEq(t, `{"message":"Unauthorized"}`, body)
		}
	}
}
