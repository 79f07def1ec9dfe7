package backend

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// scrape reads the metrics, by series as it is written, without those of buckets.
func (m *mount) scrape() map[string]float64 {
	m.t.Helper()
	resp, _, text := m.handle(logical.ReadOperation, "metrics", nil)
	require.Empty(m.t, text)
	require.Equal(m.t, "text/plain; version=0.0.4; charset=utf-8", resp.Data[logical.HTTPContentType])
	require.Equal(m.t, http.StatusOK, resp.Data[logical.HTTPStatusCode])
	series := map[string]float64{}
	for line := range strings.Lines(string(resp.Data[logical.HTTPRawBody].([]byte))) {
		if strings.HasPrefix(line, "#") || strings.Contains(line, "_bucket{") {
			continue
		}
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		number, err := strconv.ParseFloat(value, 64)
		require.NoError(m.t, err, line)
		series[name] = number
	}
	return series
}

// Series begin with their first event and end with their config.
func TestMetricsOfAConfig(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	require.Equal(t, map[string]float64{`apisig_build_info{version="` + Version + `"}`: 1}, m.scrape())
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false}))
	m.write("config/pave/main", m.paveValues())
	written := float64(began.Unix())
	require.Equal(t, map[string]float64{
		`apisig_build_info{version="` + Version + `"}`:                         1,
		`apisig_secret_written_timestamp_seconds{config="us",vendor="avanan"}`: written,
		`apisig_secret_written_timestamp_seconds{config="main",vendor="pave"}`: written,
	}, m.scrape())

	m.read("creds/avanan/us")
	m.read("creds/pave/main")
	m.must(logical.ReadOperation, "sign/avanan/us", values{"request_string": "/v1.0/scopes"})
	m.must(logical.UpdateOperation, "sign/avanan/us/batch", values{"request_strings": []string{"/a", "/b", "/c"}})
	m.refused(logical.ReadOperation, "sign/avanan/us", values{"request_string": "no"})
	m.advance(55 * time.Minute)
	m.fault(sandbox.Limit)
	m.read("creds/avanan/us")
	m.advance(time.Hour)
	m.handle(logical.ReadOperation, "creds/avanan/us", nil)
	got := m.scrape()
	for series, want := range map[string]float64{
		`apisig_reads_total{config="us",path="creds",result="ok",vendor="avanan"}`:     1,
		`apisig_reads_total{config="us",path="creds",result="stale",vendor="avanan"}`:  1,
		`apisig_reads_total{config="us",path="creds",result="error",vendor="avanan"}`:  1,
		`apisig_reads_total{config="us",path="sign",result="ok",vendor="avanan"}`:      1,
		`apisig_reads_total{config="us",path="sign",result="refused",vendor="avanan"}`: 1,
		`apisig_reads_total{config="us",path="batch",result="ok",vendor="avanan"}`:     1,
		`apisig_reads_total{config="main",path="creds",result="ok",vendor="pave"}`:     1,
		`apisig_signatures_total{config="us",vendor="avanan"}`:                         4,
		`apisig_exchanges_total{config="us",result="ok",vendor="avanan"}`:              1,
		`apisig_exchanges_total{config="us",result="limited",vendor="avanan"}`:         2,
		`apisig_exchange_seconds_count{vendor="avanan"}`:                               3,
		`apisig_exchange_seconds_sum{vendor="avanan"}`:                                 0,
		`apisig_token_expiry_timestamp_seconds{config="us",vendor="avanan"}`:           written + 3600,
		`apisig_last_success_timestamp_seconds{config="us",vendor="avanan"}`:           written + 0.123,
		`apisig_last_failure_timestamp_seconds{config="us",vendor="avanan"}`:           written + 115*60 + 0.123,
		`apisig_held_off_until_timestamp_seconds{config="us",vendor="avanan"}`:         written + 115*60 + 0.123,
		`apisig_clock_offset_seconds{config="us",vendor="avanan"}`:                     0,
		`apisig_secret_written_timestamp_seconds{config="us",vendor="avanan"}`:         written,
		`apisig_secret_written_timestamp_seconds{config="main",vendor="pave"}`:         written,
		`apisig_build_info{version="` + Version + `"}`:                                 1,
	} {
		require.Contains(t, got, series)
		require.InDelta(t, want, got[series], 0.001, series)
		delete(got, series)
	}
	require.Empty(t, got, "nothing else")

	m.must(logical.DeleteOperation, "config/avanan/us", nil)
	for series := range m.scrape() {
		require.NotContains(t, series, `config="us"`)
	}
}

// After a thousand mixed operations the counters are equal to what was done.
func TestMetricsCountWhatWasDone(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	m.write("config/avanan/us", with(m.avananValues(), values{"date_format": "zoneless"}))
	done := map[string]float64{`apisig_exchanges_total{config="us",result="ok",vendor="avanan"}`: 1}
	count := func(by float64, series string, args ...any) { done[fmt.Sprintf(series, args...)] += by }
	read := func(vendor, config, path string, data values, status int, warned bool) {
		result := map[int]string{200: "ok", 400: "refused"}[status]
		if result == "" {
			result = "error"
		}
		if warned {
			result = "stale"
		}
		count(1, `apisig_reads_total{config=%q,path=%q,result=%q,vendor=%q}`, config, path, result, vendor)
		if status == http.StatusOK && path != "creds" {
			signed := 1
			if path == "batch" {
				signed = len(data["request_strings"].([]string))
			}
			count(float64(signed), `apisig_signatures_total{config=%q,vendor=%q}`, config, vendor)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	faults := map[sandbox.Fault]string{
		sandbox.None: "ok", sandbox.Refuse: "refused", sandbox.Limit: "limited", sandbox.Break: "unavailable",
	}
	fault := sandbox.None
	for range 1000 {
		handshakes := m.vendor.Handshakes()
		switch random.IntN(8) {
		case 0:
			m.advance(time.Duration(random.IntN(40)) * time.Minute)
		case 1:
			fault = []sandbox.Fault{sandbox.None, sandbox.Refuse, sandbox.Limit, sandbox.Break}[random.IntN(4)]
			m.fault(fault)
		case 2, 3:
			resp, status, _ := m.handle(logical.ReadOperation, "creds/avanan/us", nil)
			read("avanan", "us", "creds", nil, status, resp != nil && len(resp.Warnings) > 0)
		case 4:
			data := values{"request_string": []string{"/v1.0/a", "wrong"}[random.IntN(2)]}
			resp, status, _ := m.handle(logical.ReadOperation, "sign/avanan/us", data)
			read("avanan", "us", "sign", data, status, resp != nil && len(resp.Warnings) > 0)
		case 5:
			data := values{"request_strings": []string{"/a", "/b", "/c"}[:1+random.IntN(3)]}
			resp, status, _ := m.handle(logical.UpdateOperation, "sign/avanan/us/batch", data)
			read("avanan", "us", "batch", data, status, resp != nil && len(resp.Warnings) > 0)
		case 6:
			m.read("creds/pave/main")
			read("pave", "main", "creds", nil, 200, false)
		case 7:
			m.advance(checkInterval)
			m.handle(logical.UpdateOperation, "check/avanan/us", nil)
		}
		m.settle()
		if m.vendor.Handshakes() > handshakes {
			count(1, `apisig_exchanges_total{config="us",result=%q,vendor="avanan"}`, faults[fault])
		}
	}
	got := m.scrape()
	for series, want := range done {
		require.InDelta(t, want, got[series], 0, series)
	}
	for series, value := range got {
		if regexp.MustCompile(`^apisig_(reads|signatures|exchanges)_total`).MatchString(series) {
			require.InDelta(t, done[series], value, 0, series)
		}
	}
	require.Contains(t, done, `apisig_exchanges_total{config="us",result="unavailable",vendor="avanan"}`)
}

// A secret's age is known of every config, also after a restart: a scrape reads a thousand configs from storage that
// are not in memory, and the next ones the rest. It keeps up with what changes, and 10,000 configs take less than a
// second.
func TestMetricsAfterARestart(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	const configs = 2500
	for i := range configs {
		stored := with(m.paveValues(), values{"secret_written_at": "2026-01-01T00:00:00Z"})
		m.put(fmt.Sprintf("config/pave/c%d", i), mustJSON(t, stored))
	}
	for key, value := range map[string]any{
		"config/pave/before": m.paveValues(), "config/pave/damaged": "canary", "config/avanan/before": m.avananValues(),
	} {
		m.put(key, mustJSON(t, value))
	}
	ages := func() int {
		count := 0
		for series, value := range m.scrape() {
			if strings.HasPrefix(series, "apisig_secret_written") {
				require.InDelta(t, 1767225600, value, 0) // date -u -d 2026-01-01 +%s
				count++
			}
		}
		return count
	}
	require.GreaterOrEqual(t, ages(), 997)
	require.GreaterOrEqual(t, ages(), 1997)
	require.Equal(t, configs, ages())
	counting := &failingStorage{Storage: m.storage.Storage}
	req := m.request(logical.ReadOperation, "metrics", nil)
	req.Storage = counting
	_, err := m.HandleRequest(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, len(m.stores), counting.calls, "nothing is read again: one LIST a vendor")

	m.must(logical.DeleteOperation, "config/pave/c0", nil)
	require.NoError(t, m.storage.Storage.Delete(t.Context(), "config/pave/c1"))
	require.Equal(t, configs-2, ages())
	m.elsewhere("config/pave/c2", "secret_written_at", "2025-01-01T00:00:00Z")
	m.InvalidateKey(t.Context(), "config/pave/c2")
	require.InDelta(t, 1735689600, m.scrape()[`apisig_secret_written_timestamp_seconds{config="c2",vendor="pave"}`], 0)
	m.storage.verb.Store("list")
	_, status, _ := m.handle(logical.ReadOperation, "metrics", nil)
	require.Equal(t, http.StatusInternalServerError, status)
}

// docs/reference.md names every metric, and no other.
func TestReferenceNamesEveryMetric(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"secret_expires_at": "2027-03-01T00:00:00Z"}))
	m.must(logical.ReadOperation, "sign/avanan/us", values{"request_string": "/v1.0/scopes"})
	m.fault(sandbox.Break)
	m.advance(2 * time.Hour)
	m.handle(logical.ReadOperation, "creds/avanan/us", nil)
	family := regexp.MustCompile(`apisig_[a-z_]+`)
	emitted := map[string]bool{}
	for series := range m.scrape() {
		name := strings.TrimSuffix(strings.TrimSuffix(family.FindString(series), "_sum"), "_count")
		emitted[name] = true
	}
	content, err := os.ReadFile(referenceFile)
	require.NoError(t, err)
	named := map[string]bool{}
	for _, name := range family.FindAllString(string(content), -1) {
		named[name] = true
	}
	require.Equal(t, emitted, named)
}
