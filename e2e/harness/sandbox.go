package harness

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// startSandbox starts the vendors' stand-ins for one test, with the tests' own secrets, and returns their URL.
func startSandbox(t *testing.T) (vendor *sandbox.Sandbox, url string) {
	t.Helper()
	behaviour := sandbox.Default()
	behaviour.PAVEAPISecret, behaviour.AvananSecretKey = PaveSecret, AvananSecret
	vendor = sandbox.New(behaviour, time.Now, io.Discard)
	standIn := httptest.NewServer(vendor)
	t.Cleanup(standIn.Close)
	return vendor, standIn.URL
}

// PaveValues are a config that PAVE's stand-in accepts.
func (m *Mount) PaveValues() Values {
	behaviour := sandbox.Default()
	return Values{"username": behaviour.PAVEUsername, "api_key": behaviour.PAVEAPIKey, "api_secret": PaveSecret, "base_url": m.URL}
}

// AvananValues are a config that Avanan's stand-in accepts.
func (m *Mount) AvananValues() Values {
	return Values{"region": "us", "app_id": sandbox.Default().AvananAppID, "secret_key": AvananSecret, "base_url": m.URL}
}

// WriteShortLived writes configs pave/main and avanan/us whose answers are good for seconds: readers must read the headers
// again after one, the JWTs live for five.
func (m *Mount) WriteShortLived() {
	m.T.Helper()
	m.Vendor.Change(func(b *sandbox.Behaviour) { b.TokenLife = 5 * time.Second })
	m.Write("config/pave/main", With(m.PaveValues(), Values{"ttl": 1}))
	m.Write("config/avanan/us", With(m.AvananValues(), Values{"min_ttl": 3, "date_format": "zoneless"}))
}

// Call calls the vendor with the headers of an answer and returns the status.
func (m *Mount) Call(url string, headers any) int {
	m.T.Helper()
	req, err := http.NewRequestWithContext(m.T.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(m.T, err)
	for name, value := range headers.(Values) {
		req.Header.Set(name, value.(string))
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(m.T, err)
	require.NoError(m.T, resp.Body.Close())
	return resp.StatusCode
}

// Fault makes the vendor fail from now on, or work again.
func (m *Mount) Fault(fault sandbox.Fault) {
	m.Vendor.Change(func(b *sandbox.Behaviour) { b.Fault = fault })
}
