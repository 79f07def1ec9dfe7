package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

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

// exampleScheme is what these tests read of a scheme.
type exampleScheme struct {
	Secrets  map[string]struct{ Encoding string }
	Request  map[string]any
	Examples []struct{ Fields, Request map[string]string }
}

// secretOf makes a secret that the search for leaks knows, as a scheme takes it.
func secretOf(encoding string) string {
	made := harness.NewSecret()
	switch encoding {
	case "base64":
		return base64.StdEncoding.EncodeToString([]byte(made))
	case "hex":
		return hex.EncodeToString([]byte(made))
	default:
		return made
	}
}

// Each scheme of schemes/ can be written to a real Vault, and signs. The requests are those of its first example.
func TestEverySchemeSigns(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	files, err := filepath.Glob(harness.Path("schemes/*.yml"))
	require.NoError(t, err)
	require.Greater(t, len(files), 20)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yml")
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var scheme exampleScheme
		require.NoError(t, yaml.Unmarshal(text, &scheme), name)
		config := values{"scheme": string(text), "base_url": "https://api.example"}
		for field, value := range scheme.Examples[0].Fields {
			config[field] = value
		}
		for secret, declared := range scheme.Secrets {
			config[secret] = secretOf(declared.Encoding)
		}
		status, _, problem := m.Request(http.MethodPut, "config/custom/"+name, config)
		require.Less(t, status, 300, "%s: %s", name, problem)
		path := "creds/custom/" + name
		if len(scheme.Request) > 0 {
			path = "sign/custom/" + name
		}
		status, answer, problem := m.Request(http.MethodPut, path, scheme.Examples[0].Request)
		require.Equal(t, http.StatusOK, status, "%s: %s", name, problem)
		require.True(t, answer.Data["headers"] != nil || answer.Data["query"] != nil, name)
		status, _, problem = m.Request(http.MethodPut, "check/custom/"+name, nil)
		require.Equal(t, http.StatusOK, status, "%s: %s", name, problem)
	}
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
