package e2e

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/client"
	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// The transport of package client makes calls that the vendors accept, with nothing but a Vault token: signed one by one, and with
// headers that a hundred concurrent calls share.
func TestClientCallsEveryVendor(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	for path, target := range map[string]string{
		"creds/pave/main": "/v1/sessions", "sign/avanan/us": "/v1.0/msp/usage?year=2026&month=8",
	} {
		httpClient := http.Client{Transport: &client.Transport{Vault: m.Client, Path: m.Path + "/" + path}}
		var calls sync.WaitGroup
		for range 100 {
			calls.Go(func() {
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, m.URL+target, http.NoBody)
				if err != nil {
					t.Error(err)
					return
				}
				response, err := httpClient.Do(request)
				if err != nil {
					t.Error(err)
					return
				}
				if _ = response.Body.Close(); response.StatusCode != http.StatusOK {
					t.Errorf("%s: %s", path, response.Status)
				}
			})
		}
		calls.Wait()
	}
	reads := m.Read("status/pave/main").Data["reads"]
	require.Equal(t, json.Number("1"), reads)
}
