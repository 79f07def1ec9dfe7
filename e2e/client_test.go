package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/client"
	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// The transport of package client makes calls that the vendors accept, with nothing but a Vault token: signed one by
// one, and with headers that a hundred concurrent calls share.
func TestClientCallsEveryVendor(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	for path, target := range map[string]string{ //nolint:paralleltest // the reads are counted below
		"creds/pave/main": "/v1/sessions",
		"sign/avanan/us":  "/v1.0/msp/usage?year=2026&month=8",
	} {
		t.Run(path, func(t *testing.T) {
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
						t.Error(response.Status)
					}
				})
			}
			calls.Wait()
		})
	}
	m.WriteCustom("orders")
	signing := http.Client{Transport: &client.Transport{
		Vault: m.Client, Path: m.Path + "/sign/custom/orders", Send: []string{"method", "request_string", "body_sha256"},
	}}
	response, err := signing.Post(m.URL+"/custom/v1/orders", "text/plain", strings.NewReader("an order"))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	reads := m.Read("status/pave/main").Data["reads"]
	require.Equal(t, json.Number("1"), reads)
}
