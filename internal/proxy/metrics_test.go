package proxy

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// The metrics show routes, methods, statuses and times.
func TestMetricsShowRoutesMethodsAndStatuses(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.get(t, "/avanan/us/v1.0/event/1?canary")
	r.get(t, "/canary")
	r.raw(t, "CANARY /pave/v1/sessions HTTP/1.1\r\nHost: "+r.address+"\r\n\r\n")
	r.stub.mu.Lock()
	r.stub.answer = func(*Route, signing.Call) (*signing.Signed, error) {
		return nil, &signing.Failure{Status: 403, Reason: "denied"}
	}
	r.stub.mu.Unlock()
	r.get(t, "/pave/v1/sessions")
	r.stub.batched(3)
	r.stub.batched(40)
	scrape := func() string {
		return r.monitor(t, "/metrics").Body.String()
	}
	eventually(t, func() bool { return strings.Count(scrape(), "apisig_proxy_requests_total{") == 4 }, "four series")
	for _, line := range []string{
		`apisig_proxy_requests_total{method="GET",route="/avanan/us",status="200"} 1`,
		`apisig_proxy_requests_total{method="GET",route="",status="404"} 1`,
		`apisig_proxy_requests_total{method="other",route="/pave",status="403"} 1`,
		`apisig_proxy_requests_total{method="GET",route="/pave",status="502"} 1`,
		`apisig_proxy_signing_failures_total{route="/pave"} 1`, `apisig_proxy_signing_seconds_count{route="/avanan/us"} 1`,
		`apisig_proxy_upstream_seconds_count{route="/avanan/us"} 1`,
		`apisig_proxy_batch_calls_sum{route="/pave"} 43`, `apisig_proxy_batch_calls_bucket{route="/pave",le="4"} 1`,
	} {
		require.Contains(t, scrape(), line)
	}
	require.NotContains(t, strings.ToLower(scrape()), "canary")
}

// No web page can read the metrics. On loopback, a request must name the address that the listener has; elsewhere, the
// proxy's names are not known.
func TestMetricsAreNotForWebPages(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	port := r.address[strings.LastIndex(r.address, ":"):]
	everywhere, err := net.Listen("tcp", ":0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = everywhere.Close() })
	const ok, forbidden = http.StatusOK, http.StatusForbidden
	for name, row := range map[string]struct {
		on      net.Listener
		host    string
		headers []string
		want    int
	}{
		"its address":             {r.listens, r.address, nil, ok},
		"localhost":               {r.listens, "localhost" + port, nil, ok},
		"a name of somebody's":    {r.listens, "evil.example" + port, nil, forbidden},
		"another port":            {r.listens, "127.0.0.1:1", nil, forbidden},
		"a page":                  {r.listens, r.address, []string{"Origin", "https://evil.example"}, forbidden},
		"a page of the same site": {r.listens, r.address, []string{"Sec-Fetch-Site", "same-site"}, forbidden},
		"typed into a browser":    {r.listens, r.address, []string{"Sec-Fetch-Site", "none"}, ok},
		"everywhere, by a name":   {everywhere, "proxy.example:9410", nil, ok},
		"everywhere, a page":      {everywhere, "proxy.example:9410", []string{"Origin", "null"}, forbidden},
		"everywhere, an image":    {everywhere, "proxy.example:9410", []string{"Sec-Fetch-Site", "cross-site"}, forbidden},
	} {
		for _, target := range []string{"/metrics", "/healthz", "/readyz"} {
			t.Run(name+target, func(t *testing.T) {
				t.Parallel()
				require.Equal(t, row.want, r.monitorOn(t, row.on, target, row.host, row.headers...).Code)
			})
		}
	}
}
