package proxy

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// Ready means that Vault answers and signs for every route. Many probes are one, for five seconds.
func TestReadyMeansThatVaultSigns(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	now := time.Now()
	var mu sync.Mutex
	r.Now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	ready := func() (int, string) {
		recorder := r.monitor(t, "/readyz")
		return recorder.Code, recorder.Body.String()
	}
	code, text := ready()
	require.Equal(t, 200, code, text)
	seen := r.stub.seen()
	require.Len(t, seen, 3)
	require.Contains(t, seen, signing.Call{Parameters: map[string]any{"request_string": "/v1.0/event/0"}})
	require.Contains(t, seen, signing.Call{Parameters: map[string]any{
		// printf '' | sha256sum
		"method": "POST", "request_string": "/upload",
		"body_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	}})
	require.Empty(t, r.vendorGot())
	r.stub.health = errors.New("canary")
	code, _ = ready()
	require.Equal(t, 200, code, "the answer is kept for a while")
	later := func() {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(readyFor)
	}
	later()
	code, text = ready()
	require.Equal(t, 503, code)
	require.Equal(t, "Vault does not answer, or is sealed\n", text)
	r.stub.health = nil
	r.stub.mu.Lock()
	r.stub.answer = func(*Route, signing.Call) (*signing.Signed, error) {
		return nil, &signing.Failure{Status: 403, Reason: "canary"}
	}
	r.stub.mu.Unlock()
	later()
	code, text = ready()
	require.Equal(t, 503, code)
	require.Regexp(t, "^Vault does not sign for the route /", text)
	require.NotContains(t, text, "canary")
	require.Equal(t, 200, r.monitor(t, "/healthz").Code)
}
