package sandbox_test

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// Python computed the signatures of the Avanan tests. A handshake has no target:
//
//	parts = req_id + "US:sandbox" + date + target + "sandbox-avanan-secret"
//	hashlib.sha256(base64.b64encode(parts.encode())).hexdigest()

const avananDate = "2026-01-02T03:04:05.123456"

// handshakeHeaders are accepted by /v1.0/auth at now.
func handshakeHeaders() map[string]string {
	return map[string]string{
		"x-av-req-id": "1b4e28ba-2fa1-41d2-883f-0016d3cca427",
		"x-av-token":  "",
		"x-av-app-id": "US:sandbox",
		"x-av-date":   avananDate,
		"x-av-sig":    "a02b97196970a938c0b162a7469abda187c502ccd74bafa91608026d9f6cc79c",
	}
}

// callHeaders are accepted at now, if the signature is that of the target and the token was issued.
func callHeaders(sig, token string) map[string]string {
	return map[string]string{
		"x-av-req-id": "5b6f8b1c-6a58-4f0e-9f43-2f8c5d1f7a10",
		"x-av-token":  token,
		"x-av-app-id": "US:sandbox",
		"x-av-date":   avananDate,
		"x-av-sig":    sig,
	}
}

// taskTarget and taskSig are a call and its signature.
const (
	taskTarget = "/v1.0/task/1?scope=a%3Ab"
	taskSig    = "e5e989cd82c45978c2d34c84e16fa7fc5ef994c6bea47dbaf3c815ae8eb61249"
)

// login gets a JWT.
func login(t *testing.T, s http.Handler) string {
	t.Helper()
	status, token := send(s, http.MethodGet, "/v1.0/auth", handshakeHeaders(), "")
	require.Equal(t, http.StatusOK, status, token)
	return token
}

// Signatures are checked before tokens, so without a token a good signature gets 401 and a wrong one 403.
func TestAvananAcceptsSignaturesOfVectors(t *testing.T) {
	t.Parallel()
	uuid4 := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4`)
	dates := map[string]bool{
		"2026-01-02T03:04:05":        true,
		"2026-01-02T03:04:05.123":    true,
		"2026-01-02T03:04:05.123456": true,
	}
	tried, handshakes := 0, 0
	for _, v := range readVectors(t, "../avanan/testdata/vectors.json") {
		target, want := v["request_string"], http.StatusUnauthorized
		if target == "" {
			target, want = "/v1.0/auth", http.StatusOK
		}
		if _, err := url.ParseRequestURI(target); err != nil || strings.ContainsAny(target, " \t") ||
			!uuid4.MatchString(v["req_id"]) || !dates[v["date"]] || !strings.HasPrefix(target, "/v1.0/") ||
			v["request_string"] == "/v1.0/auth" {
			continue // no client sends it, or the sandbox refuses it for another reason
		}
		tried++
		if want == http.StatusOK {
			handshakes++
		}
		behaviour := sandbox.Default()
		behaviour.AvananAppID, behaviour.AvananSecretKey = v["app_id"], v["secret"]
		headers := map[string]string{
			"x-av-req-id": v["req_id"], "x-av-app-id": v["app_id"], "x-av-date": v["date"], "x-av-sig": v["sig"],
		}
		s := sandbox.New(behaviour, func() time.Time { return now }, io.Discard)
		status, body := send(s, http.MethodGet, target, headers, "")
		require.Equal(t, want, status, "%s: %s", v["id"], body)
		status, _ = send(s, http.MethodGet, target, with(headers, "x-av-sig", tamper(v["sig"])), "")
		require.Equal(t, http.StatusForbidden, status, v["id"])
	}
	require.GreaterOrEqual(t, tried, 30)
	require.Positive(t, handshakes)
}

func TestAvananHandshakeTakesAnEmptyTokenOrNone(t *testing.T) {
	t.Parallel()
	for name, headers := range map[string]map[string]string{
		"empty": handshakeHeaders(), "left out": without(handshakeHeaders(), "x-av-token"),
	} {
		status, token := send(start(nil), http.MethodGet, "/v1.0/auth", headers, "")
		require.Equal(t, http.StatusOK, status, name)
		require.Regexp(t, `^eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+$`, token, name)
	}
	s := start(nil)
	login(t, s)
	headers := with(handshakeHeaders(), "x-av-req-id", "5b6f8b1c-6a58-4f0e-9f43-2f8c5d1f7a10")
	headers["x-av-sig"] = "a7d1e4d536d873e5414b656964a3c77186daab874609e22236ee20ff92bf6cff"
	status, _ := send(s, http.MethodGet, "/v1.0/auth", headers, "")
	require.Equal(t, http.StatusOK, status, "a second handshake")
	require.Equal(t, 2, s.Handshakes())
}

func TestAvananHandshakeRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		method  string
		headers map[string]string
		status  int
	}{
		"a token":        {http.MethodGet, with(handshakeHeaders(), "x-av-token", "a.b.c"), http.StatusBadRequest},
		"another method": {http.MethodPost, handshakeHeaders(), http.StatusNotFound},
		"wrong signature": {
			http.MethodGet, with(handshakeHeaders(), "x-av-sig", tamper(handshakeHeaders()["x-av-sig"])), http.StatusForbidden,
		},
	} {
		s := start(nil)
		status, _ := send(s, test.method, "/v1.0/auth", test.headers, "")
		require.Equal(t, test.status, status, name)
		require.Equal(t, 1, s.Handshakes(), "%s: failed handshakes count", name)
	}
}

func TestAvananCallRefuses(t *testing.T) {
	t.Parallel()
	const (
		unauthorized = `{"message":"Unauthorized"}`
		forbidden    = `{"message":"Forbidden"}`
		badRequest   = `{"message":"Bad Request"}`
		unknownApp   = `{"message":"Bad Request, could not find app[other]"}`
	)
	for name, test := range map[string]struct {
		target, header, value string
		status                int
		body                  string
	}{
		"another target":          {"/v1.0/scopes", "", "", http.StatusForbidden, forbidden},
		"another query":           {"/v1.0/task/1?scope=a:b", "", "", http.StatusForbidden, forbidden},
		"an empty token":          {taskTarget, "x-av-token", "", http.StatusUnauthorized, unauthorized},
		"an unknown token":        {taskTarget, "x-av-token", "a.b.c", http.StatusUnauthorized, unauthorized},
		"a wrong signature":       {taskTarget, "x-av-sig", tamper(taskSig), http.StatusForbidden, forbidden},
		"an empty signature":      {taskTarget, "x-av-sig", "", http.StatusUnauthorized, unauthorized},
		"an empty date":           {taskTarget, "x-av-date", "", http.StatusUnauthorized, unauthorized},
		"an unknown app":          {taskTarget, "x-av-app-id", "other", http.StatusBadRequest, unknownApp},
		"a request id of no UUID": {taskTarget, "x-av-req-id", "rid-1", http.StatusBadRequest, badRequest},
	} {
		s := start(nil)
		headers := callHeaders(taskSig, login(t, s))
		if test.header != "" {
			headers[test.header] = test.value
		}
		status, body := send(s, http.MethodGet, test.target, headers, "")
		require.Equal(t, test.status, status, name)
		require.JSONEq(t, test.body, body, name)
	}
}

func TestAvananCallRefusesMissingHeaders(t *testing.T) {
	t.Parallel()
	for name := range callHeaders(taskSig, "") {
		s := start(nil)
		headers := without(callHeaders(taskSig, login(t, s)), name)
		status, body := send(s, http.MethodGet, taskTarget, headers, "")
		require.Equal(t, http.StatusUnauthorized, status, name)
		require.JSONEq(t, `{"message":"Unauthorized"}`, body)
	}
}

func TestAvananRefusesAReplay(t *testing.T) {
	t.Parallel()
	s := start(nil)
	good := callHeaders(taskSig, login(t, s))
	status, body := send(s, http.MethodGet, taskTarget, good, "")
	require.Equal(t, http.StatusOK, status, body)
	status, _ = send(s, http.MethodGet, taskTarget, good, "")
	require.Equal(t, http.StatusForbidden, status, "a replay")
}
