package sandbox_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// now is 1767323045 in Unix seconds.
var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// start makes a sandbox with the default account, whose clock stands still at now.
func start(change func(*sandbox.Behaviour)) *sandbox.Sandbox {
	behaviour := sandbox.Default()
	if change != nil {
		change(&behaviour)
	}
	return sandbox.New(behaviour, func() time.Time { return now }, io.Discard)
}

// send calls a sandbox and returns the status and body.
func send(s http.Handler, method, target string, headers map[string]string, body string) (int, string) {
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, req)
	return recorder.Code, recorder.Body.String()
}

// with is a copy of headers, with one replaced.
func with(headers map[string]string, name, value string) map[string]string {
	changed := maps.Clone(headers)
	changed[name] = value
	return changed
}

// without is a copy of headers, less one.
func without(headers map[string]string, name string) map[string]string {
	changed := maps.Clone(headers)
	delete(changed, name)
	return changed
}

// readVectors reads vectors that public clients of the vendors computed.
func readVectors(t *testing.T, path string) []map[string]string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var vectors []map[string]string
	require.NoError(t, json.Unmarshal(content, &vectors))
	return vectors
}

// tamper changes the last hex digit of a signature.
func tamper(signature string) string {
	last := "0"
	if strings.HasSuffix(signature, last) {
		last = "1"
	}
	return signature[:len(signature)-1] + last
}

// requireMethods tries every method on a target: those that are served answer 200, the others 404.
func requireMethods(t *testing.T, served, target string, caller func() (*sandbox.Sandbox, map[string]string)) {
	t.Helper()
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		want := http.StatusNotFound
		if strings.Contains(served, method) {
			want = http.StatusOK
		}
		s, headers := caller()
		status, body := send(s, method, target, headers, `{"requestData":{}}`)
		require.Equal(t, want, status, "%s %s", method, target)
		require.True(t, json.Valid([]byte(body)), "%s %s: %s", method, target, body)
	}
}

func TestFaultsApplyToPaveAndAvanan(t *testing.T) {
	t.Parallel()
	for fault, want := range map[sandbox.Fault]struct{ pave, avanan int }{
		sandbox.None:   {http.StatusOK, http.StatusOK},
		sandbox.Refuse: {http.StatusUnauthorized, http.StatusForbidden},
		sandbox.Limit:  {http.StatusTooManyRequests, http.StatusTooManyRequests},
		sandbox.Break:  {http.StatusInternalServerError, http.StatusInternalServerError},
	} {
		s := start(nil)
		s.Change(func(b *sandbox.Behaviour) { b.Fault = fault })
		pave, _ := send(s, http.MethodGet, "/v1/sessions", paveHeaders(), "")
		require.Equal(t, want.pave, pave, fault)
		avanan, _ := send(s, http.MethodGet, "/v1.0/auth", handshakeHeaders(), "")
		require.Equal(t, want.avanan, avanan, fault)
	}
}

func TestLimitSaysWhenToRetry(t *testing.T) {
	t.Parallel()
	s := start(func(b *sandbox.Behaviour) { b.Fault = sandbox.Limit })
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/v1/sessions", http.NoBody))
	require.Equal(t, "1", recorder.Header().Get("Retry-After"))
	require.Equal(t, "application/json", recorder.Header().Get("Content-Type"))
}

func TestPathOfNoVendorIsNotFound(t *testing.T) {
	t.Parallel()
	for _, target := range []string{
		"/", "/v1", "/v2/sessions", "/v1.0", "/v2/auth/external", "/auth/external/", "/app/hec-api", "/app/hec-api/v1/scopes",
	} {
		for _, fault := range []sandbox.Fault{sandbox.None, sandbox.Refuse, sandbox.Limit, sandbox.Break} {
			s := start(func(b *sandbox.Behaviour) { b.Fault = fault })
			status, _ := send(s, http.MethodGet, target, paveHeaders(), "")
			require.Equal(t, http.StatusNotFound, status, "%s %s", target, fault)
		}
	}
}

func TestLogSaysWhyAndShowsNoHeaderOrQuery(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := sandbox.New(sandbox.Default(), func() time.Time { return now }, &log)
	send(s, http.MethodGet, "/v1/sessions?q=canary-query", with(paveHeaders(), "API-Token", "canary-token"), "")
	require.Equal(t, "pave GET \"/v1/sessions\" 401 wrong API-Token\n", log.String())
	log.Reset()
	send(s, http.MethodGet, "/v1.0/auth", with(handshakeHeaders(), "x-av-sig", "canary-sig"), "")
	require.Equal(t, "avanan GET \"/v1.0/auth\" 403 wrong x-av-sig\n", log.String())
}
