package e2e

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// writeCommas writes a config of the sandbox's declared API, whose scheme takes a request string with commas.
func writeCommas(t *testing.T, m *harness.Mount) {
	t.Helper()
	config := m.CustomValues()
	scheme := strings.Replace(config["scheme"].(string), "request_string: {}", "request_string: {commas: true}", 1)
	require.NotEqual(t, config["scheme"], scheme)
	status, _, text := m.Request(http.MethodPut, "config/custom/commas", harness.With(config, values{"scheme": scheme}))
	require.Equal(t, http.StatusOK, status, text) // with warnings
}

// A route with queries: as-sent, before a scheme that takes commas, passes them and ; byte for byte, and the sandbox's
// own check of the signature holds. Without queries: as-sent the proxy refuses them, and calls nobody.
func TestProxyPassesQueriesAsSent(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	var arrived atomic.Value
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived.Store(r.RequestURI)
		m.Vendor.ServeHTTP(w, r)
	}))
	t.Cleanup(upstream.Close)
	m.URL = upstream.URL
	writeCommas(t, m)
	p := harness.NewProxy(t, m, exampleProxy(t, `
  /as-sent:
    sign: apisig/sign/custom/commas
    send: [method, request_string]
    queries: as-sent
    allow: [GET /custom/v1/orders]
  /default:
    sign: apisig/sign/custom/commas
    send: [method, request_string]
    allow: [GET /custom/v1/orders]
`))
	p.SetToken(t, proxyToken(t, m, `path "apisig/sign/custom/commas" { capabilities = ["update"] }`))
	p.Start(t)
	for name, test := range map[string]struct { //nolint:paralleltest // each looks at what arrived last
		route, query string
		status       int
		answer       string
	}{
		"commas":                     {"/as-sent", "ids=1,2,3&page=2", http.StatusOK, `{"orders":[]}`},
		"a semicolon":                {"/as-sent", "ids=1;2", http.StatusOK, `{"orders":[]}`},
		"encoded commas":             {"/as-sent", "ids=1%2c2%2C3", http.StatusOK, `{"orders":[]}`},
		"a malformed escape":         {"/as-sent", "ids=1,%zz", http.StatusBadRequest, "write it as %25"},
		"commas, by default":         {"/default", "ids=1,2,3&page=2", http.StatusBadRequest, "write it as %2C"},
		"a semicolon, by default":    {"/default", "ids=1;2", http.StatusBadRequest, "write it as %3B"},
		"encoded commas, by default": {"/default", "ids=1%2c2%2C3", http.StatusOK, `{"orders":[]}`},
	} {
		t.Run(name, func(t *testing.T) {
			arrived.Store("")
			target := "/custom/v1/orders?" + test.query
			status, body := p.Get(t, p.URL+test.route+target)
			require.Equal(t, test.status, status, body)
			require.Contains(t, body, test.answer)
			want := target
			if test.status != http.StatusOK {
				want = ""
			}
			require.Equal(t, want, arrived.Load())
		})
	}
}

// A signature for a query with a comma is for that query alone: not for the same values in another spelling or order.
func TestSignatureCoversCommas(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	writeCommas(t, m)
	const call = "/custom/v1/orders?ids=1,2"
	for target, want := range map[string]int{
		call:                          http.StatusOK,
		"/custom/v1/orders?ids=1%2C2": http.StatusUnauthorized,
		"/custom/v1/orders?ids=2,1":   http.StatusUnauthorized,
	} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			signed := m.In(t).Read("sign/custom/commas", "method", http.MethodGet, "request_string", call)
			require.Equal(t, want, callSigned(t, http.MethodGet, m.URL+target, "", signed.Data["headers"].(values)))
		})
	}
}
