package proxy

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are what /metrics shows: routes, methods, statuses and times.
type Metrics struct {
	registry                   *prometheus.Registry
	requests                   *prometheus.CounterVec
	upstream, signing, batches *prometheus.HistogramVec
	failures                   *prometheus.CounterVec
}

// NewMetrics makes metrics in a registry of their own.
func NewMetrics() *Metrics {
	registry := prometheus.NewRegistry()
	in := promauto.With(registry)
	return &Metrics{
		registry: registry,
		requests: in.NewCounterVec(prometheus.CounterOpts{
			Name: "apisig_proxy_requests_total", Help: "Requests of applications. Status 499: the client went away.",
		}, []string{"route", "method", "status"}),
		upstream: in.NewHistogramVec(prometheus.HistogramOpts{
			Name: "apisig_proxy_upstream_seconds", Help: "Time from sending a call until the vendor's headers.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"route"}),
		signing: in.NewHistogramVec(prometheus.HistogramOpts{
			Name: "apisig_proxy_signing_seconds", Help: "Time that it took to have a call signed.",
			Buckets: []float64{.0001, .0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1, 5, 10, 60},
		}, []string{"route"}),
		batches: in.NewHistogramVec(prometheus.HistogramOpts{
			Name: "apisig_proxy_batch_calls", Help: "Calls that one request to a batch path signed.",
			Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 100},
		}, []string{"route"}),
		failures: in.NewCounterVec(prometheus.CounterOpts{
			Name: "apisig_proxy_signing_failures_total", Help: "Calls that Vault did not sign.",
		}, []string{"route"}),
	}
}

// knownMethods get a series of their own. A client must not be able to make as many as it likes.
var knownMethods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	http.MethodOptions,
}

func (m *Metrics) request(route, method string, status int) {
	if !slices.Contains(knownMethods, method) {
		method = "other"
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
}

func (m *Metrics) signed(route *Route, took time.Duration, failed bool) {
	m.signing.WithLabelValues(route.Name()).Observe(took.Seconds())
	if failed {
		m.failures.WithLabelValues(route.Name()).Inc()
	}
}

// batched counts the calls that a request to a route's batch path signed.
func (m *Metrics) batched(route *Route) func(calls int) {
	return func(calls int) { m.batches.WithLabelValues(route.Name()).Observe(float64(calls)) }
}

// Monitor serves /metrics, /healthz and /readyz on a listener, and no web page. On loopback a request must name the
// listener's own address. Elsewhere the proxy cannot know by which names it is called.
func (p *Proxy) Monitor(listener net.Listener) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.Metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := p.Ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	var own []string
	if address, is := listener.Addr().(*net.TCPAddr); is && address.IP.IsLoopback() {
		own = hostsOf(listener)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refused := fromPage(r)
		if own != nil {
			refused = fromBrowser(r, own)
		}
		if refused != nil {
			refused.write(w)
			return
		}
		mux.ServeHTTP(w, r)
	})
}
