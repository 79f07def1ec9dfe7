package load

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/proxy"
)

// TestProxyBench compares a call through apisig-proxy with one through a reverse proxy that does not sign. make bench runs it in
// full, by BENCH=full. It fails if a request does, never for a figure.
func TestProxyBench(t *testing.T) {
	t.Parallel()
	size := sizeOfBench()
	server := harness.StartQuiet(t)
	m := server.MountApisig(t)
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	// runLoad calls below /v1/.
	p := harness.NewProxy(t, m, `
listen: 127.0.0.1:8410
vault: {token_file: /run/apisig-agent/token}
routes:
  /: {creds: apisig/creds/pave/main, allow: [GET /v1/sessions]}
  /v1/avanan: {sign: apisig/sign/avanan/us, allow: ["GET /v1.0/event/{id}"]}
metrics: 127.0.0.1:9410
`)
	p.SetToken(t, server.Client.Token())
	p.Start(t)
	bare := barePAVE(t, m)
	through := func(address string) *harness.Server { return &harness.Server{Address: address, Client: server.Client} }
	subjects := []struct {
		name    string
		server  *harness.Server
		request request
	}{
		{"bare", bare, request{http.MethodGet, "sessions", ""}},
		{"proxy, PAVE", through(p.URL), request{http.MethodGet, "sessions", ""}},
		{"sign/avanan", server, request{http.MethodPut, "apisig/sign/avanan/us", `{"request_string":"/v1.0/event/1"}`}},
		{"proxy, Avanan", through(p.URL), request{http.MethodGet, "avanan/v1.0/event/1", ""}},
	}
	var pave, avanan, bares []float64
	for range size.rounds {
		figures := map[string]float64{}
		for _, s := range subjects {
			got, err := runLoad(s.server, 16, func(int, int) request { return s.request }, until(size.slice))
			require.NoError(t, err, s.name)
			figures[s.name] = p50(got)
		}
		bares = append(bares, figures["bare"])
		pave = append(pave, figures["proxy, PAVE"]/figures["bare"])
		avanan = append(avanan, figures["proxy, Avanan"]/(figures["bare"]+figures["sign/avanan"]))
	}
	fmt.Printf("\napisig-proxy, 16 connections, p50, medians of ratios within %d rounds\n", size.rounds)
	fmt.Printf("a reverse proxy that does not sign         %.2f ms\n", median(bares))
	fmt.Printf("PAVE, of that                              %.2f\n", median(pave))
	fmt.Printf("Avanan, of that and one sign/avanan        %.2f\n", median(avanan))
}

// barePAVE is a reverse proxy that sends PAVE's headers, which it has read once.
func barePAVE(t *testing.T, m *harness.Mount) *harness.Server {
	t.Helper()
	headers := m.Read("creds/pave/main").Data["headers"].(values)
	target, err := url.Parse(m.URL)
	require.NoError(t, err)
	next := proxy.NewTransport()
	t.Cleanup(next.CloseIdleConnections)
	bare := httptest.NewServer(&httputil.ReverseProxy{Transport: next, Rewrite: func(pr *httputil.ProxyRequest) {
		pr.SetURL(target)
		for name, value := range headers {
			pr.Out.Header.Set(name, value.(string))
		}
	}})
	t.Cleanup(bare.Close)
	return &harness.Server{Address: bare.URL, Client: m.Client}
}
