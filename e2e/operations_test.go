package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// One check finds out which timestamp format PAVE accepts, and from then on its headers work. No webhook secret of the
// answer gets out: the search at the end of the run knows it.
func TestCheckMakesPaveHeadersWork(t *testing.T) {
	t.Parallel()
	for _, format := range []sandbox.Timestamps{
		sandbox.RFC3339,
		sandbox.RFC3339Millis,
		sandbox.HTTPDate,
		sandbox.UnixSeconds,
	} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			m := harness.NewMount(t)
			m.Vendor.Change(func(b *sandbox.Behaviour) { b.PAVETimestamps = format })
			m.Write("config/pave/main", m.PaveValues())
			status, checked, text := m.Request(http.MethodPut, "check/pave/main", nil)
			require.Equal(t, http.StatusOK, status, text)
			require.Equal(t, string(format), checked.Data["timestamp_format"])
			require.Equal(t, http.StatusOK, m.Call(m.URL+"/v1/sessions", m.Read("creds/pave/main").Data["headers"]))
			require.Equal(t, "accepted", checked.Data["formats"].(values)[string(format)])
			require.NotContains(t, m.Read("status/pave/main").Data, "last_failure")
			status, _, text = m.Request(http.MethodPut, "check/pave/main", nil)
			require.Equal(t, http.StatusTooManyRequests, status, text)
		})
	}
}

// With a vendor whose clock is 90 s ahead, check and status say so.
func TestCheckAndStatusShowTheVendorsClock(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Vendor.Change(func(b *sandbox.Behaviour) { b.ClockOffset = 90 * time.Second })
	status, _, text := m.Request(http.MethodPut, "config/avanan/us", m.AvananValues())
	require.Equal(t, http.StatusOK, status, text)
	_, checked, text := m.Request(http.MethodPut, "check/avanan/us", nil)
	require.Empty(t, text)
	require.Contains(t, checked.Warnings[0], "behind the vendor's")
	for _, offset := range []any{checked.Data["clock_offset"], m.Read("status/avanan/us").Data["clock_offset"]} {
		seconds, err := offset.(json.Number).Float64()
		require.NoError(t, err)
		require.InDelta(t, 90, seconds, 2)
	}
}

// Metrics are text, as Prometheus wants it, for tokens that may read them; there is no secret in them.
func TestMetricsAreReadAsText(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Write("config/avanan/us", m.AvananValues())
	token := m.Read("creds/avanan/us").Data["token"].(string)
	scrape := func(vaultToken string) (status int, contentType, text string) {
		address := m.Client.Address() + "/v1/" + m.Path + "/metrics"
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+vaultToken)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, resp.Header.Get("Content-Type"), string(body)
	}
	status, contentType, text := scrape(m.Client.Token())
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "text/plain; version=0.0.4; charset=utf-8", contentType)
	require.Contains(t, text, `apisig_reads_total{config="us",path="creds",result="ok",vendor="avanan"} 1`+"\n")
	require.Contains(t, text, "# TYPE apisig_exchange_seconds histogram\n")
	require.NotContains(t, text, token)
	require.NotContains(t, text, harness.Canary)
	status, _, _ = scrape("not-a-token")
	require.Equal(t, http.StatusForbidden, status)
}
