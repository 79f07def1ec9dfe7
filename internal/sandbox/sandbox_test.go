package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// now is 1767323045 in Unix seconds.
var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// The vectors were computed by public clients of the vendors, so they hold the stand-ins to the vendors' arithmetic.
func TestArithmeticAgainstVectors(t *testing.T) {
	t.Parallel()
	read := func(path string) []map[string]string {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		var vectors []map[string]string
		require.NoError(t, json.Unmarshal(content, &vectors))
		require.NotEmpty(t, vectors)
		return vectors
	}
	for _, v := range read("../pave/testdata/vectors.json") {
		text := v["username"] + ":" + v["api_key"] + "@" + v["timestamp"]
		require.Equal(t, v["token"], fmt.Sprintf("%x", hmacSHA256(v["api_secret"], text)), v["id"])
	}
	for _, v := range read("../avanan/testdata/vectors.json") {
		require.Equal(t, v["sig"], avananSig(v["req_id"], v["app_id"], v["date"], v["request_string"], v["secret"]), v["id"])
	}
}

// send gets from a sandbox and returns the status and body. A header that is "" is not sent.
func send(s *Sandbox, target string, headers map[string]string) (int, string) {
	req := httptest.NewRequest(http.MethodGet, target, http.NoBody)
	for name, value := range headers {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, req)
	return recorder.Code, recorder.Body.String()
}

// paveHeaders are good ones for a timestamp, with some replaced.
func paveHeaders(timestamp string, over map[string]string) map[string]string {
	b := Default()
	headers := map[string]string{
		"API-Key": b.PAVEAPIKey, "API-Timestamp": timestamp,
		"API-Token": fmt.Sprintf("%x", hmacSHA256(b.PAVEAPISecret, b.PAVEUsername+":"+b.PAVEAPIKey+"@"+timestamp)),
	}
	for name, value := range over {
		headers[name] = value
	}
	return headers
}

func TestPave(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := New(Default(), func() time.Time { return now }, &log)
	for _, timestamp := range []string{
		"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123Z", "Fri, 02 Jan 2026 03:04:05 GMT", "1767323045",
		"2026-01-02T02:59:05Z", "2026-01-02T03:04:35Z",
	} {
		status, body := send(s, "/v1/sessions", paveHeaders(timestamp, nil))
		require.Equal(t, http.StatusOK, status, timestamp+body)
	}
	for _, timestamp := range []string{
		"2026-01-02T02:59:04Z", "2026-01-02T03:04:36Z", "2026-01-02T03:04:05", "2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05.1Z",
		"2026-01-02 03:04:05Z", "1767323045000", "Thu, 02 Jan 2026 03:04:05 GMT", "now",
	} {
		status, _ := send(s, "/v1/sessions", paveHeaders(timestamp, nil))
		require.Equal(t, http.StatusUnauthorized, status, timestamp)
	}
	for name, value := range map[string]string{"API-Key": "other", "API-Token": "00", "API-Timestamp": "1767323046"} {
		for _, wrong := range []string{value, ""} {
			status, body := send(s, "/v1/sessions", paveHeaders("1767323045", map[string]string{name: wrong}))
			require.Equal(t, http.StatusUnauthorized, status, name)
			require.JSONEq(t, `{"message":"Unauthorized"}`, body)
		}
	}
	for _, target := range []string{"/v1/other", "/v1/sessions/", "/v1/sessions/1/other", "/v2/sessions"} {
		status, _ := send(s, target, paveHeaders("1767323045", nil))
		require.Equal(t, http.StatusNotFound, status, target)
	}
	require.Contains(t, log.String(), `pave GET "/v1/sessions" 401 wrong API-Token`)
	require.NotContains(t, log.String(), paveHeaders("1767323045", nil)["API-Token"])
}

// avananHeaders are good ones, with some replaced; the request string is "" for a handshake.
func avananHeaders(reqID, date, token, requestString string, over map[string]string) map[string]string {
	b := Default()
	headers := map[string]string{
		"x-av-req-id": reqID, "x-av-token": token, "x-av-app-id": b.AvananAppID, "x-av-date": date,
		"x-av-sig": avananSig(reqID, b.AvananAppID, date, requestString, b.AvananSecretKey),
	}
	for name, value := range over {
		headers[name] = value
	}
	return headers
}

func TestAvanan(t *testing.T) {
	t.Parallel()
	clock := now
	s := New(Default(), func() time.Time { return clock }, &bytes.Buffer{})
	ids := 0
	id := func() string {
		ids++
		return fmt.Sprintf("00000000-0000-4000-8000-%012d", ids)
	}
	const date = "2026-01-02T03:04:05.123456"
	status, jwt := send(s, "/v1.0/auth", avananHeaders(id(), date, "", "", nil))
	require.Equal(t, http.StatusOK, status, jwt)
	require.Regexp(t, `^eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+$`, jwt)

	const target = "/v1.0/task/1?scope=a%3Ab"
	good := avananHeaders(id(), date, jwt, target, nil)
	status, body := send(s, target, good)
	require.Equal(t, http.StatusOK, status, body)
	status, _ = send(s, target, good)
	require.Equal(t, http.StatusForbidden, status, "a replay")

	for name, test := range map[string]struct {
		target, date, token string
		over                map[string]string
		status              int
	}{
		"another target":        {"/v1.0/scopes", date, jwt, nil, http.StatusForbidden},
		"no token":              {target, date, "", nil, http.StatusUnauthorized},
		"a token of nobody's":   {target, date, "a.b.c", nil, http.StatusUnauthorized},
		"a date with a zone":    {target, "2026-01-02T03:04:05.123Z", jwt, nil, http.StatusInternalServerError},
		"a date long past":      {target, "2026-01-02T02:59:04.999999", jwt, nil, http.StatusForbidden},
		"a date to come":        {target, "2026-01-02T03:09:05.000001", jwt, nil, http.StatusForbidden},
		"an unknown app":        {target, date, jwt, map[string]string{"x-av-app-id": "other"}, http.StatusBadRequest},
		"a wrong signature":     {target, date, jwt, map[string]string{"x-av-sig": "00"}, http.StatusForbidden},
		"no signature":          {target, date, jwt, map[string]string{"x-av-sig": ""}, http.StatusUnauthorized},
		"an id that is no UUID": {target, date, jwt, map[string]string{"x-av-req-id": "rid-1"}, http.StatusBadRequest},
	} {
		status, body := send(s, test.target, avananHeaders(id(), test.date, test.token, target, test.over))
		require.Equal(t, test.status, status, "%s: %s", name, body)
	}
	status, _ = send(s, "/v1.0/auth", avananHeaders(id(), date, jwt, "", nil))
	require.Equal(t, http.StatusBadRequest, status, "a handshake with a token")
	status, _ = send(s, "/v1.0/other", avananHeaders(id(), date, jwt, "/v1.0/other", nil))
	require.Equal(t, http.StatusNotFound, status)
	require.Equal(t, 2, s.Handshakes())

	clock = now.Add(time.Hour)
	status, _ = send(s, target, avananHeaders(id(), "2026-01-02T04:04:05", jwt, target, nil))
	require.Equal(t, http.StatusUnauthorized, status, "an expired token")
}

func TestFaults(t *testing.T) {
	t.Parallel()
	s := New(Default(), func() time.Time { return now }, &bytes.Buffer{})
	for fault, want := range map[Fault][2]int{Refuse: {401, 403}, Limit: {429, 429}, Break: {500, 500}} {
		s.Change(func(b *Behaviour) { b.Fault = fault })
		pave, _ := send(s, "/v1/sessions", paveHeaders("1767323045", nil))
		avanan, _ := send(s, "/v1.0/auth", nil)
		require.Equal(t, want, [2]int{pave, avanan})
	}
}
