package backend

import (
	"bytes"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// metrics are those of one mount. Only durations are kept here; the rest is read from the configs' stats at each
// scrape, so a series begins with its first event and ends with its config.
type metrics struct {
	registry *prometheus.Registry
	seconds  *prometheus.HistogramVec
}

func newMetrics(stores []*store) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "apisig_exchange_seconds", Help: "Duration of exchanges with the vendor, retries included.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"vendor"}),
	}
	m.registry.MustRegister(m.seconds, collector{stores})
	return m
}

// login observes how long a login took.
func (m *metrics) login(s *store, took time.Duration) {
	m.seconds.WithLabelValues(s.api.Name).Observe(took.Seconds())
}

// metricsType is the content type of text.
const metricsType = "text/plain; version=0.0.4; charset=utf-8"

// text is what Prometheus scrapes.
func (m *metrics) text() ([]byte, error) {
	families, err := m.registry.Gather()
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}

// The series of a config.
var (
	ofConfig = []string{"vendor", "config"}

	descBuild = prometheus.NewDesc("apisig_build_info", "Version of the engine; the value is 1.", []string{"version"}, nil)
	descReads = prometheus.NewDesc("apisig_reads_total",
		"Reads of credentials and signatures. refused: answered with 400, for a wrong request or rejected credentials. "+
			"stale: with a token that could not be renewed.", []string{"vendor", "config", "path", "result"}, nil)
	descSignatures = prometheus.NewDesc("apisig_signatures_total", "Calls that were signed.", ofConfig, nil)
	descExchanges  = prometheus.NewDesc("apisig_exchanges_total",
		"Exchanges with the vendor. A write whose credentials the vendor rejects is not counted: they are not the config's.",
		[]string{"vendor", "config", "result"}, nil)
	descExpiry      = timestamp("token_expiry", "When the shared token expires.")
	descLastSuccess = timestamp("last_success", "When an exchange last succeeded.")
	descLastFailure = timestamp("last_failure", "When an exchange last failed.")
	descHeldOff     = timestamp("held_off_until", "Until when the engine leaves the vendor alone after failures.")
	descWritten     = timestamp("secret_written", "When the secret was last written.")
	descExpires     = timestamp("secret_expires", "When the secret expires, as its config says.")
	descOffset      = prometheus.NewDesc("apisig_clock_offset_seconds",
		"By how much the vendor's clock is ahead of this server's.", ofConfig, nil)
)

func timestamp(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("apisig_"+name+"_timestamp_seconds", help+" Unix time.", ofConfig, nil)
}

// collector reads the statistics of all configs in memory.
type collector struct{ stores []*store }

// Describe names no metrics, because which series there are depends on the configs.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the series of every config.
func (c collector) Collect(to chan<- prometheus.Metric) {
	to <- prometheus.MustNewConstMetric(descBuild, prometheus.GaugeValue, 1, Version)
	for _, s := range c.stores {
		entries, secrets := s.entries.all()
		for name, secret := range secrets {
			gauge(to, descWritten, secret.Written, s.api.Name, name)
			gauge(to, descExpires, secret.Expires, s.api.Name, name)
		}
		for name, e := range entries {
			collect(to, s.api.Name, name, e)
		}
	}
}

// collect sends the series of one config.
func collect(to chan<- prometheus.Metric, vendor, name string, e *entry) {
	counter := func(desc *prometheus.Desc, value int64, labels ...string) {
		if value > 0 {
			all := append([]string{vendor, name}, labels...)
			to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value), all...)
		}
	}
	for path := range e.stats.reads {
		for result := range e.stats.reads[path] {
			counter(descReads, e.stats.reads[path][result].Load(), readPathNames[path], readResultNames[result])
		}
	}
	counter(descSignatures, e.stats.signatures.Load())
	for kind := range e.stats.exchanges {
		counter(descExchanges, e.stats.exchanges[kind].Load(), exchangeResults[kind])
	}
	last := e.history.events()
	gauge(to, descLastSuccess, last.success, vendor, name)
	gauge(to, descLastFailure, last.failure, vendor, name)
	if last.offsetKnown {
		to <- prometheus.MustNewConstMetric(descOffset, prometheus.GaugeValue, last.offset.Seconds(), vendor, name)
	}
	if e.token != nil {
		state := e.token.State()
		gauge(to, descExpiry, state.Token.ExpiresAt, vendor, name)
		gauge(to, descHeldOff, state.HeldOffUntil, vendor, name)
	}
}

// gauge sends an instant, unless it is zero.
func gauge(to chan<- prometheus.Metric, desc *prometheus.Desc, at time.Time, labels ...string) {
	if !at.IsZero() {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(at.UnixMilli())/1000, labels...)
	}
}
