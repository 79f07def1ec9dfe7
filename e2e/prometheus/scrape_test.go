package prometheus

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

type values = harness.Values

// needsPrometheus returns the paths of Prometheus and promtool. It skips a test that runs without them.
func needsPrometheus(t *testing.T) (prometheus, promtool string) {
	t.Helper()
	prometheus, promtool = os.Getenv("PROMETHEUS_BIN"), os.Getenv("PROMTOOL_BIN")
	if prometheus == "" || promtool == "" {
		t.Skip("PROMETHEUS_BIN and PROMTOOL_BIN are not set: make e2e-prometheus finds or builds the programs, and sets them")
	}
	return prometheus, promtool
}

func TestPromtoolAcceptsExamples(t *testing.T) {
	t.Parallel()
	_, promtool := needsPrometheus(t)
	for file, args := range map[string][]string{
		"prometheus.yml":  {"check", "config", "--syntax-only"},
		"alerts.yml":      {"check", "rules"},
		"alerts_test.yml": {"test", "rules"},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			run := harness.Command(promtool, append(args, file)...)
			run.Dir = harness.Path(directory)
			harness.Run(t, run)
		})
	}
}

// Prometheus scrapes Vault with the example's configuration and a token of the example's policy. It then has every
// metric that the engine promises and no other, data for every query of the dashboard, and an alert of a config whose
// credentials the vendor refuses.
func TestPrometheusScrapesEngine(t *testing.T) {
	t.Parallel()
	program, promtool := needsPrometheus(t)
	m := harness.Start(t).MountApisig(t)
	p := startPrometheus(t, m, program, promtool)

	later := time.Now().AddDate(1, 0, 0).Format(time.RFC3339)
	m.Write("config/pave/main", harness.With(m.PaveValues(), values{"secret_expires_at": later}))
	m.Write("config/avanan/us", m.AvananValues())
	broken := m.Server.Unmounted(t, m.Path) // the same mount, with stand-ins of its own
	broken.Vendor.Change(func(b *sandbox.Behaviour) { b.TokenLife = 12 * time.Second })
	broken.Write("config/avanan/eu", broken.AvananValues())
	broken.Fault(sandbox.Refuse)
	harness.Eventually(t, func() bool {
		status, secret, text := broken.Request(http.MethodGet, "creds/avanan/eu", nil)
		require.Equal(t, http.StatusOK, status, text)
		return len(secret.Warnings) > 0
	}, "a stale read")
	for _, config := range []string{"pave/main", "avanan/us"} {
		status, _, text := m.Request(http.MethodPut, "check/"+config, nil)
		require.Contains(t, []int{http.StatusOK, http.StatusTooManyRequests}, status, text)
	}

	missing := readDashboard(t).queries(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("queries without data: %q", missing)
		}
	})
	scraped := ""
	harness.Eventually(t, func() bool {
		if last := p.lastScrape(t); last != scraped { // read, sign and exchange between two scrapes
			scraped = last
			m.Read("creds/pave/main")
			m.Read("creds/avanan/us")
			m.Read("sign/avanan/us", "request_string", "/v1.0/scopes")
			batch := values{"request_strings": []string{"/v1.0/scopes"}}
			status, _, text := m.Request(http.MethodPut, "sign/avanan/us/batch", batch)
			require.Equal(t, http.StatusOK, status, text)
			m.Write("config/avanan/us", harness.With(m.AvananValues(), values{"verify": true}))
			broken.Request(http.MethodGet, "creds/avanan/eu", nil)
			missing = p.withoutData(t, missing)
		}
		return len(missing) == 0
	}, "data for every query of the dashboard")

	harness.Eventually(t, func() bool { return p.alerts(t, "avanan", "eu")["ApisigCredentialsRefused"] },
		"the alert of a config whose credentials are refused")
	require.NotContains(t, p.alerts(t, "avanan", "us"), "ApisigCredentialsRefused")
	require.Empty(t, p.alerts(t, "pave", "main"))

	p.requireHealthyRules(t)
	p.requireMetrics(t)
	resp, err := m.Client.Logical().ReadRawWithContext(t.Context(), m.Path+"/metrics") // for the search for secrets
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
}

// server is a Prometheus that scrapes a Vault.
type server struct{ address string }

// startPrometheus starts Prometheus with the example's files, after promtool has accepted them. Only Vault's address
// and the token's file are others.
func startPrometheus(t *testing.T, m *harness.Mount, program, promtool string) *server {
	t.Helper()
	rules, err := os.ReadFile(harness.Path("examples/policies/sre.hcl"))
	require.NoError(t, err)
	token := m.WithRules(t, "sre", string(rules)).Client.Token()

	work := t.TempDir()
	tokenFile := filepath.Join(work, "vault-token")
	require.NoError(t, os.WriteFile(tokenFile, []byte(token+"\n"), 0o600))
	content, err := os.ReadFile(harness.Path(filepath.Join(directory, "prometheus.yml")))
	require.NoError(t, err)
	config := string(content)
	for example, here := range map[string]string{
		"scheme: https\n":             "scheme: http\n",
		"vault.example.com:8200":      strings.TrimPrefix(m.Server.Address, "http://"),
		"/run/prometheus/vault-token": tokenFile,
	} {
		require.Equal(t, 1, strings.Count(config, example), example)
		config = strings.Replace(config, example, here, 1)
	}
	require.NoError(t, os.WriteFile(filepath.Join(work, "prometheus.yml"), []byte(config), 0o600))
	require.NoError(t, os.Symlink(harness.Path(filepath.Join(directory, "alerts.yml")), filepath.Join(work, "alerts.yml")))
	check := harness.Command(promtool, "check", "config", "prometheus.yml")
	check.Dir = work
	harness.Run(t, check)

	address, err := harness.FreeAddress()
	require.NoError(t, err)
	run := harness.Command(program,
		"--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address="+address)
	run.Dir = work
	harness.Background(t, run, filepath.Join(work, "prometheus.log"), harness.Canary, token)
	p := &server{"http://" + address}
	harness.Eventually(t, func() bool {
		status, _ := p.request(t, "/-/ready", nil)
		return status == http.StatusOK
	}, "Prometheus is ready")
	return p
}

// request is a GET. Its status is 0 while nobody listens.
func (p *server) request(t *testing.T, path string, query url.Values) (status int, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.address+path+"?"+query.Encode(), http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, body
}

// read reads the data of an answer of Prometheus' API.
func (p *server) read(t *testing.T, path string, query url.Values, into any) {
	t.Helper()
	status, body := p.request(t, "/api/v1/"+path, query)
	require.Equal(t, http.StatusOK, status, "%s %s: %s", path, query, body)
	require.NotContains(t, string(body), harness.Canary)
	answer := struct{ Data any }{into}
	require.NoError(t, json.Unmarshal(body, &answer), "%s", body)
}

// lastScrape is when Vault was last scraped, or "". It requires that Vault answered.
func (p *server) lastScrape(t *testing.T) string {
	t.Helper()
	var targets struct {
		ActiveTargets []struct{ Health, LastError, LastScrape string }
	}
	p.read(t, "targets", nil, &targets)
	require.Len(t, targets.ActiveTargets, 1)
	target := targets.ActiveTargets[0]
	require.Empty(t, target.LastError)
	if target.Health == "unknown" {
		return ""
	}
	require.Equal(t, "up", target.Health)
	return target.LastScrape
}

// withoutData are the queries that have no data now, or nothing but NaN. Grafana's variables select everything.
func (p *server) withoutData(t *testing.T, queries map[string][]string) map[string][]string {
	t.Helper()
	without := map[string][]string{}
	for where, all := range queries {
		for _, query := range all {
			// Grafana's rate interval is at least four times the scrape interval.
			replaced := strings.ReplaceAll(query, "$__rate_interval", "1m")
			for _, variable := range []string{"$instance", "$vendor", "$config"} {
				replaced = strings.ReplaceAll(replaced, variable, ".*")
			}
			require.NotContains(t, replaced, "$")
			var answer struct {
				Result []struct{ Value []any }
			}
			p.read(t, "query", url.Values{"query": {replaced}}, &answer)
			isNumber := func(sample struct{ Value []any }) bool { return sample.Value[1] != "NaN" }
			if !slices.ContainsFunc(answer.Result, isNumber) {
				without[where] = append(without[where], query)
			}
		}
	}
	return without
}

// alerts are those of a config that are pending or firing.
func (p *server) alerts(t *testing.T, vendor, config string) map[string]bool {
	t.Helper()
	var answer struct {
		Alerts []struct {
			State  string
			Labels map[string]string
		}
	}
	p.read(t, "alerts", nil, &answer)
	found := map[string]bool{}
	for _, alert := range answer.Alerts {
		require.Contains(t, []string{"pending", "firing"}, alert.State)
		if alert.Labels["vendor"] == vendor && alert.Labels["config"] == config {
			found[alert.Labels["alertname"]] = true
		}
	}
	return found
}

// requireHealthyRules requires that every rule was evaluated without an error.
func (p *server) requireHealthyRules(t *testing.T) {
	t.Helper()
	var answer struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	p.read(t, "rules", nil, &answer)
	require.Len(t, answer.Groups, 1)
	require.Len(t, answer.Groups[0].Rules, len(alerts(t)))
	for _, rule := range answer.Groups[0].Rules {
		require.Equal(t, "ok", rule.Health, "%s: %s", rule.Name, rule.LastError)
	}
}

// requireMetrics requires that Vault exposes the promised metrics and no other, with their types and labels.
func (p *server) requireMetrics(t *testing.T) {
	t.Helper()
	var described []struct{ Metric, Type, Help string }
	p.read(t, "targets/metadata", nil, &described)
	kinds := map[string]string{}
	for _, metric := range described {
		kinds[metric.Metric] = metric.Type
		require.NotEmpty(t, metric.Help, metric.Metric)
	}
	promised := map[string]string{}
	for name, metric := range metrics {
		promised[name] = metric.kind
	}
	require.Equal(t, promised, kinds)

	var series []map[string]string
	p.read(t, "series", url.Values{"match[]": {`{__name__=~"apisig_.+"}`}}, &series)
	require.NotEmpty(t, series)
	for _, labels := range series {
		promised, known := labelsOf(labels["__name__"])
		require.True(t, known, labels)
		names := slices.AppendSeq([]string{"__name__", "instance", "job"}, maps.Keys(promised))
		require.ElementsMatch(t, names, slices.Collect(maps.Keys(labels)), labels)
		for label, value := range labels {
			if _, ours := promised[label]; ours {
				require.True(t, allows(promised, label, value), labels)
			}
		}
	}
}
