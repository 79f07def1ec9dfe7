package e2e

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
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
	another := values{"scheme": m.CustomValues()["scheme"].(string) + "\n"}
	_, _, text = m.Request(http.MethodPut, "config/custom/orders", another)
	require.Contains(t, text, "secret is required; a write that changes scheme starts over")
	checked, _, text := m.Request(http.MethodPut, "check/custom/orders", nil)
	require.Equal(t, http.StatusOK, checked, text)
	require.Contains(t, m.Read("status/custom/orders").Data, "secret_age")
}

// The proxy signs method and body for an application that knows neither Vault nor the signature. The sandbox checks
// both.
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
	for name, call := range map[string]struct { //nolint:paralleltest // waiting, a Vault would idle
		method, path, body string
		status             int
	}{
		"a query":        {http.MethodGet, "/orders?page=2&q=%2F", "", http.StatusOK},
		"a path":         {http.MethodGet, "/orders/1", "", http.StatusOK},
		"a body":         {http.MethodPost, "/orders", `{"item":"a, b"}`, http.StatusOK},
		"a large body":   {http.MethodPost, "/orders", strings.Repeat("x", 1<<20), http.StatusOK},
		"another method": {http.MethodDelete, "/orders/1", "", http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			got := callSigned(t, call.method, p.URL+"/orders/custom/v1"+call.path, call.body, nil)
			require.Equal(t, call.status, got)
		})
	}
}

// Vault's command line puts U+FFFD in place of bytes that are not UTF-8. Such a secret is not stored, and such a body
// is not signed.
func TestCommandLineDoesNotChangeBytes(t *testing.T) {
	t.Parallel()
	shared := harness.NewMount(t)
	scheme, err := os.ReadFile(harness.Path("schemes/github-webhook.yml"))
	require.NoError(t, err)
	image, mark := filepath.Join(t.TempDir(), "image"), filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(image, []byte("\x89PNG\r\n"), 0o600))
	require.NoError(t, os.WriteFile(mark, []byte("\ufeff"+harness.NewSecret()), 0o600))
	_, _, text := shared.Request(http.MethodPut, "config/custom/hook", values{
		"scheme":         string(scheme),
		"webhook_secret": harness.NewSecret(),
		"base_url":       "https://receiver.example",
	})
	require.Empty(t, text)
	for name, test := range map[string]struct{ path, parameter, want string }{
		"a secret of bytes": {"config/custom/hook", "webhook_secret=@" + image, "webhook_secret contains U+FFFD"},
		"a secret with a mark": {
			"config/custom/hook", "webhook_secret=@" + mark,
			"webhook_secret contains an invisible character",
		},
		"PAVE's secret, with a mark":  {"config/pave/x", "api_secret=@" + mark, "api_secret contains an invisible character"},
		"a body of bytes":             {"sign/custom/hook", "body=@" + image, "body contains U+FFFD"},
		"a name that no config has":   {"config/pave/us:east", "ttl=20", "no config can have this name"},
		"a name with an at sign":      {"creds/pave/a@b", "unauthorized=true", "no config can have this name"},
		"a name with a blank, signed": {"sign/custom/a b", "body=x", "no config can have this name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := harness.Command(shared.Server.Binary, "write", shared.Path+"/"+test.path, test.parameter)
			command.Env = shared.Server.Environ()
			printed, err := command.CombinedOutput()
			require.Error(t, err)
			require.Contains(t, string(printed), "Code: 400")
			require.Contains(t, string(printed), test.want)
		})
	}
}

// A reader's client may add parameters that the engine does not know.
func TestUnknownParametersOfReadsAreIgnored(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Write("config/pave/main", m.PaveValues())
	read := m.Read("creds/pave/main", "version", "-1")
	require.Equal(t, []string{`ignored unknown parameters "version"; this takes unauthorized`}, read.Warnings)
}

func TestConfigListsVendors(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	listed, err := m.Client.Logical().ListWithContext(t.Context(), m.Path+"/config")
	require.NoError(t, err)
	require.Equal(t, []any{"avanan/", "custom/", "infinity/", "pave/"}, listed.Data["keys"])
}
