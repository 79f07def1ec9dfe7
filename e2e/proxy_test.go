package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/proxy"
)

// exampleProxy is the configuration of examples/proxy, with more routes.
func exampleProxy(t *testing.T, more string) string {
	t.Helper()
	config, err := os.ReadFile("../examples/proxy/apisig-proxy.yml")
	require.NoError(t, err)
	return strings.Replace(string(config), "\nmetrics:", more+"\nmetrics:", 1)
}

// proxyToken makes a token that has the policy for the proxy, and more rules.
func proxyToken(t *testing.T, m *harness.Mount, more string) string {
	t.Helper()
	rules, err := os.ReadFile("../examples/policies/proxy.hcl")
	require.NoError(t, err)
	require.NoError(t, m.Client.Sys().PutPolicyWithContext(t.Context(), "proxy", string(rules)+more))
	token, err := m.Client.Auth().Token().CreateWithContext(t.Context(), &api.TokenCreateRequest{Policies: []string{"proxy"}})
	require.NoError(t, err)
	return token.Auth.ClientToken
}

// startProxy starts the example proxy with both vendors' configs and a token.
func startProxy(t *testing.T, m *harness.Mount) *harness.Proxy {
	t.Helper()
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	p := harness.NewProxy(t, m, exampleProxy(t, ""))
	p.SetToken(t, proxyToken(t, m, ""))
	p.Start(t)
	return p
}

// Applications that know a base URL, and nothing of Vault, tokens or signatures, call every vendor: curl, Python and Go, over TCP
// and a unix socket.
func TestApplicationsWithABaseURLCallThroughTheProxy(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	m.Write("config/infinity/us", m.InfinityValues())
	p := harness.NewProxy(t, m, exampleProxy(t, `
  /infinity:
    creds: apisig/creds/infinity/us
    scopes: mt-prod-3:acme
    allow: [GET /v1.0/scopes, "GET /v1.0/event/{id}"]
`))
	p.SetToken(t, proxyToken(t, m, `path "apisig/creds/infinity/us" { capabilities = ["read"] }`))
	p.Start(t)
	harness.Eventually(t, func() bool { return p.Status(t, p.Monitor+"/readyz") == http.StatusOK }, "ready")
	over := filepath.Join(t.TempDir(), "s")
	q := harness.NewProxy(t, m, strings.Replace(exampleProxy(t, ""), "listen: 127.0.0.1:8410", "listen: unix://"+over+"\nsocket_mode: \"0660\"", 1))
	q.SetToken(t, proxyToken(t, m, ""))
	q.Start(t)
	info, err := os.Lstat(over)
	require.NoError(t, err)
	require.Equal(t, os.ModeSocket|0o660, info.Mode())

	for path, want := range map[string]string{
		"/avanan/us/v1.0/event/1?scopes=mt-prod-3%3Aacme": `"responseText":"Success"`, "/pave/v1/sessions": `{"data":[]}`, "/infinity/v1.0/scopes": `"responseText":"Success"`,
		"/infinity/v1.0/event/1": `"responseText":"Success"`, "/pave/v1/sessions/1?expand=a&b=c+d": `{"data":[]}`,
	} {
		commands := [][]string{
			{"curl", "-fsS", p.URL + path},
			{"curl", "-fsS", "-H", "Authorization: Bearer mine", "-H", "x-av-sig: mine", "-H", "API-Token: mine", p.URL + path},
			{"python3", "-c", "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())", p.URL + path},
		}
		if !strings.HasPrefix(path, "/infinity") {
			commands = append(commands, []string{"curl", "-fsS", "--unix-socket", over, "http://anything" + path})
		}
		for _, command := range commands {
			if _, err := exec.LookPath(command[0]); err != nil {
				continue
			}
			for range 2 { // Avanan and the portal take a request id once only
				require.Contains(t, harness.Run(t, harness.Command(command[0], command[1:]...)), want, command)
			}
		}
		require.Equal(t, http.StatusOK, p.Status(t, p.URL+path))
	}
	response, err := http.Post(p.URL+"/avanan/us/v1.0/event/query", "application/json", strings.NewReader(`{"requestData":{}}`)) //nolint:noctx // as applications do
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	for path, want := range map[string]int{
		"/avanan/us/v1.0/scopes": 403, "/pave/v1/callbacks": 403, "/pave/v1/sessions/1/notes": 403, "/pave/v1/sessions/..%2fcallbacks": 403, "/other": 404,
	} {
		require.Equal(t, want, p.Status(t, p.URL+path), path)
	}
	status := m.Read("status/pave/main").Data
	require.Equal(t, json.Number("2"), status["reads"], "the headers are read once by each proxy, and used for every call")
	metrics := harness.Run(t, harness.Command("curl", "-fsS", p.Monitor+"/metrics"))
	require.Contains(t, metrics, `apisig_proxy_requests_total{method="GET",route="/pave",status="200"}`)
	require.NotContains(t, metrics, harness.Canary)
}

// With a batch path, calls that come in at the same time are signed by one request to Vault. One that Vault's policy denies costs the
// others nothing.
func TestProxyHasCallsSignedTogether(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	m.Write("config/avanan/us", m.AvananValues())
	config := strings.Replace(exampleProxy(t, ""), "sign: apisig/sign/avanan/us", "sign: apisig/sign/avanan/us/batch", 1)
	p := harness.NewProxy(t, m, strings.Replace(config, "- GET /v1.0/event/{id}", "- GET /v1.0/event/{id}\n      - GET /v1.0/scopes", 1))
	policy, denied := `path "apisig/sign/avanan/us/batch" { capabilities = ["update"] }`, http.StatusOK
	if !m.Server.Kind.ComparesWholeValues() {
		rules, err := os.ReadFile("../examples/policies/avanan-batch-signer-events-only.hcl")
		require.NoError(t, err)
		policy, denied = string(rules), http.StatusBadGateway
	}
	p.SetToken(t, proxyToken(t, m, policy))
	p.Start(t)
	targets := map[string]int{"/avanan/us/v1.0/scopes": denied}
	for i := range 200 {
		targets[fmt.Sprint("/avanan/us/v1.0/event/", i)] = http.StatusOK
	}
	var calls sync.WaitGroup
	for target, want := range targets {
		calls.Go(func() {
			if got := p.Status(t, p.URL+target); got != want {
				t.Errorf("%s: %d, want %d", target, got, want)
			}
		})
	}
	calls.Wait()
	requests, err := m.Read("status/avanan/us").Data["reads"].(json.Number).Int64()
	require.NoError(t, err)
	require.Less(t, requests, int64(100))
}

// A 401 of the vendor's is reported to Vault, and the call sent once more.
func TestProxyRetriesAfter401(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	var refusals atomic.Int64
	standIn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1.0/auth" && refusals.Add(-1) >= 0 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		m.Vendor.ServeHTTP(w, r)
	}))
	t.Cleanup(standIn.Close)
	m.URL = standIn.URL
	p := startProxy(t, m)
	for _, target := range []string{"/avanan/us/v1.0/event/1", "/pave/v1/sessions"} {
		for refused, want := range []int{http.StatusOK, http.StatusOK, http.StatusUnauthorized} {
			refusals.Store(int64(refused))
			require.Equal(t, want, p.Status(t, p.URL+target), "%s with %d refusals", target, refused)
		}
	}
}

// The proxy uses the token that is in the file now, and says which side failed while there is none that Vault takes.
func TestProxyTakesANewTokenFromItsFile(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	p := startProxy(t, m)
	first, err := os.ReadFile(p.TokenFile())
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, p.Status(t, p.URL+"/avanan/us/v1.0/event/1"))
	require.NoError(t, m.Client.Auth().Token().RevokeTreeWithContext(t.Context(), strings.TrimSpace(string(first))))
	response, err := http.Get(p.URL + "/avanan/us/v1.0/event/1") //nolint:noctx // as applications do
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusBadGateway, response.StatusCode)
	require.JSONEq(t, `{"type":"about:blank","title":"Bad Gateway","status":502,"side":"vault","detail":"Vault did not sign the call"}`, string(body))
	harness.Eventually(t, func() bool { return p.Status(t, p.Monitor+"/readyz") == http.StatusServiceUnavailable }, "not ready")
	require.Equal(t, http.StatusOK, p.Status(t, p.Monitor+"/healthz"))
	p.SetToken(t, proxyToken(t, m, ""))
	require.Equal(t, http.StatusOK, p.Status(t, p.URL+"/avanan/us/v1.0/event/1"))
	require.Equal(t, http.StatusOK, p.Status(t, p.URL+"/pave/v1/sessions"))
	harness.Eventually(t, func() bool { return p.Status(t, p.Monitor+"/readyz") == http.StatusOK }, "ready")
}

// SIGHUP takes a new configuration, or keeps the old one and says why. -check says the same before.
func TestProxyReloadsItsConfiguration(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	p := startProxy(t, m)
	p.Configure(t, exampleProxy(t, "\n  /x: {}"))
	printed, err := harness.Command(p.Binary, "-config", p.ConfigFile(), "-check").CombinedOutput()
	require.Error(t, err)
	require.Regexp(t, `apisig-proxy\.yml:\d+: route /x must have one of sign and creds\n$`, string(printed))
	p.Signal(t, syscall.SIGHUP)
	harness.Eventually(t, func() bool { return strings.Contains(p.Log(t), "route /x must have one of sign and creds") }, "the reason in the log")
	require.Equal(t, http.StatusOK, p.Status(t, p.URL+"/pave/v1/sessions"))
	p.Configure(t, strings.Replace(exampleProxy(t, ""), "/pave:", "/pave/two:", 1))
	require.Contains(t, harness.Run(t, harness.Command(p.Binary, "-config", p.ConfigFile(), "-check")), "is valid")
	p.Signal(t, syscall.SIGHUP)
	harness.Eventually(t, func() bool { return p.Status(t, p.URL+"/pave/two/v1/sessions") == http.StatusOK }, "the new route")
	require.Equal(t, http.StatusNotFound, p.Status(t, p.URL+"/pave/v1/sessions"))
	p.Signal(t, syscall.SIGTERM)
	harness.Eventually(t, func() bool { return p.Status(t, p.Monitor+"/healthz") == 0 }, "the end")
}

// Under load, a Vault that is killed costs the calls that need it, with an answer that says so, and a proxy that is killed those
// under way. Everything works again once they are back.
func TestProxySurvivesKilledVaultAndIsStartedAgain(t *testing.T) {
	t.Parallel()
	harness.NeedsProc(t)
	server := harness.StartRaft(t)
	m := server.MountApisig(t)
	p := startProxy(t, m)
	var calls sync.WaitGroup
	var mu sync.Mutex
	seen := map[int]int{}
	wrong := map[string]bool{}
	end := make(chan struct{})
	for i := range 8 {
		calls.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-end:
					return
				default:
				}
				target := []string{"/avanan/us/v1.0/event/", "/pave/v1/sessions/"}[(i+n)%2]
				response, err := http.Get(fmt.Sprint(p.URL, target, n)) //nolint:noctx // as applications do
				status, text := 0, ""
				if err == nil {
					body, _ := io.ReadAll(response.Body)
					_ = response.Body.Close()
					status, text = response.StatusCode, string(body)
				}
				mu.Lock()
				if seen[status]++; status >= 500 && !strings.Contains(text, `"side":"vault"`) {
					wrong[text] = true
				}
				mu.Unlock()
			}
		})
	}
	count := func(status int) int {
		mu.Lock()
		defer mu.Unlock()
		return seen[status]
	}
	more := func(status int) {
		before := count(status)
		harness.Eventually(t, func() bool { return count(status) > before+20 }, fmt.Sprint("calls with status ", status))
	}
	more(http.StatusOK)
	server.Kill(t)
	more(http.StatusBadGateway)
	require.Equal(t, http.StatusOK, p.Status(t, p.URL+"/pave/v1/sessions"), "headers that are still good need no Vault")
	server.Start(t)
	harness.Eventually(t, func() bool { return p.Status(t, p.URL+"/avanan/us/v1.0/event/1") == http.StatusOK }, "calls after Vault is back")
	more(http.StatusOK)
	p.Kill(t)
	more(0)
	p.Start(t)
	harness.Eventually(t, func() bool { return p.Status(t, p.URL+"/avanan/us/v1.0/event/1") == http.StatusOK }, "calls after the proxy is back")
	more(http.StatusOK)
	close(end)
	calls.Wait()
	require.Empty(t, wrong)
	for status := range seen {
		require.Contains(t, []int{0, http.StatusOK, http.StatusBadGateway, http.StatusServiceUnavailable}, status)
	}
}

// Agent of examples/proxy logs in and writes the token that the proxy uses.
func TestProxyUsesTheTokenThatAgentWrites(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	_ = proxyToken(t, m, "") // writes the policy
	p := harness.NewProxy(t, m, exampleProxy(t, ""))
	harness.StartTokenAgent(t, m, p, "proxy")
	info, err := os.Stat(p.TokenFile())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	p.Start(t)
	harness.Eventually(t, func() bool { return p.Status(t, p.Monitor+"/readyz") == http.StatusOK }, "ready")
	require.Equal(t, http.StatusOK, p.Status(t, p.URL+"/avanan/us/v1.0/event/1"))
	require.Equal(t, http.StatusOK, p.Status(t, p.URL+"/pave/v1/sessions"))
}

// The services run the proxy as its flags are, restrict it, and keep the token's directory to one user.
func TestProxyServicesAreHardened(t *testing.T) {
	t.Parallel()
	for name, exec := range map[string]string{
		"apisig-proxy": "/usr/local/bin/apisig-proxy -config /etc/apisig-proxy/apisig-proxy.yml",
		"apisig-agent": "/usr/local/bin/vault agent -config=/etc/apisig-agent/agent.hcl",
	} {
		content, err := os.ReadFile("../examples/proxy/" + name + ".service")
		require.NoError(t, err)
		settings := map[string]string{}
		for line := range strings.Lines(string(content)) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' || line[0] == '[' {
				continue
			}
			key, value, found := strings.Cut(line, "=")
			require.True(t, found, line)
			require.Regexp(t, `^[A-Z][A-Za-z]+$`, key)
			settings[key] = value
		}
		require.Equal(t, exec, settings["ExecStart"])
		require.Equal(t, "apisig", settings["User"])
		for key, want := range map[string]string{
			"NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "MemoryDenyWriteExecute": "yes",
			"SystemCallFilter": "@system-service", "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX", "LimitCORE": "0", "UMask": "0077", "RestrictNamespaces": "yes",
		} {
			require.Equal(t, want, settings[key], key)
		}
		if name == "apisig-agent" {
			require.Equal(t, "0700", settings["RuntimeDirectoryMode"])
		}
	}
}

// The manifest's containers fit each other, and its configuration is valid.
func TestProxySidecarManifestIsConsistent(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../examples/proxy/kubernetes.yml")
	require.NoError(t, err)
	type container struct {
		Name            string
		Command         []string
		SecurityContext struct {
			ReadOnly bool  `yaml:"readOnlyRootFilesystem"`
			Escalate *bool `yaml:"allowPrivilegeEscalation"`
		} `yaml:"securityContext"`
		Mounts []struct{ Name string } `yaml:"volumeMounts"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var files struct{ Data map[string]string }
	require.NoError(t, decoder.Decode(&files))
	config, err := proxy.Parse("apisig-proxy.yml", []byte(files.Data["apisig-proxy.yml"]))
	require.NoError(t, err)
	require.Equal(t, "/token/token", config.Vault.TokenFile)
	require.Contains(t, files.Data["agent.hcl"], `path = "/token/token"`)
	var deployment struct {
		Spec struct {
			Template struct {
				Spec struct {
					Sidecars   []container `yaml:"initContainers"`
					Containers []container
				}
			}
		}
	}
	require.NoError(t, decoder.Decode(&deployment))
	pod := deployment.Spec.Template.Spec
	require.Len(t, pod.Sidecars, 2)
	require.Equal(t, []string{"/apisig-proxy", "-config", "/config/apisig-proxy.yml"}, pod.Sidecars[1].Command)
	for _, c := range append(pod.Sidecars, pod.Containers...) {
		require.True(t, c.SecurityContext.ReadOnly, c.Name)
		require.False(t, *c.SecurityContext.Escalate, c.Name)
		if c.Name == "application" {
			require.Empty(t, c.Mounts, "the application must not have the token")
		}
	}
}
