package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// callSigned sends a signed request, and returns the status.
func callSigned(t *testing.T, method, url, body string, headers values) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	for name, value := range headers {
		req.Header.Set(name, value.(string))
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, resp.Body)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

// The sandbox, with its own arithmetic, accepts calls that are signed by a scheme, and no others.
func TestSandboxAcceptsDeclaredSignatures(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.WriteCustom("orders")
	config := m.Read("config/custom/orders")
	require.Equal(t, []any{"method", "request_string", "body_sha256"}, config.Data["request"])
	require.Equal(t, []any{"secret"}, config.Data["secrets"])
	require.NotContains(t, config.Data, "secret")
	const target = "/custom/v1/orders?a=%2F"
	got := m.Read("sign/custom/orders", "method", "GET", "request_string", target)
	_, put, text := m.Request(http.MethodPut, "sign/custom/orders", values{"method": "GET", "request_string": target})
	require.Empty(t, text)
	for _, data := range []values{got.Data, put.Data} {
		require.Equal(t, m.URL+target, data["url"])
		require.Equal(t, m.URL, data["base_url"])
		require.Equal(t, http.StatusOK, callSigned(t, http.MethodGet, m.URL+target, "", data["headers"].(values)))
		require.Equal(t, http.StatusUnauthorized, callSigned(t, http.MethodPost, m.URL+target, "", data["headers"].(values)))
	}
	_, _, text = m.Request(http.MethodPut, "config/custom/orders", values{"scheme": m.CustomValues()["scheme"].(string) + "\n"})
	require.Contains(t, text, "secret is required; a write that changes scheme starts over")
	checked, _, text := m.Request(http.MethodPut, "check/custom/orders", nil)
	require.Equal(t, http.StatusOK, checked, text)
	require.Contains(t, m.Read("status/custom/orders").Data, "secret_age")
}

// The proxy signs method and body for an application that knows neither Vault nor the signature. The sandbox checks both.
func TestProxySignsMethodAndBody(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	m.WriteCustom("orders")
	p := harness.NewProxy(t, m, exampleProxy(t, `
  /orders:
    sign: apisig/sign/custom/orders
    send: [method, request_string, body_sha256]
    allow: [GET /custom/v1/orders, "GET /custom/v1/orders/{id}", POST /custom/v1/orders]
`))
	p.SetToken(t, proxyToken(t, m, `path "apisig/sign/custom/orders" { capabilities = ["update"] }`))
	p.Start(t)
	for _, call := range []struct {
		method, path, body string
		status             int
	}{
		{http.MethodGet, "/orders/custom/v1/orders?page=2&q=%2F", "", http.StatusOK},
		{http.MethodGet, "/orders/custom/v1/orders/1", "", http.StatusOK},
		{http.MethodPost, "/orders/custom/v1/orders", `{"item":"a, b"}`, http.StatusOK},
		{http.MethodPost, "/orders/custom/v1/orders", strings.Repeat("x", 1<<20), http.StatusOK},
		{http.MethodDelete, "/orders/custom/v1/orders/1", "", http.StatusForbidden},
	} {
		require.Equal(t, call.status, callSigned(t, call.method, p.URL+call.path, call.body, nil), call)
	}
}
