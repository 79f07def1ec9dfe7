package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/proxy"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
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
	request := &api.TokenCreateRequest{Policies: []string{"proxy"}}
	token, err := m.Client.Auth().Token().CreateWithContext(t.Context(), request)
	require.NoError(t, err)
	return token.Auth.ClientToken
}

// event is a call that every proxy of these tests passes.
const event = "/avanan/us/v1.0/event/1"

// ready waits until the proxy says that it is ready, or not.
func ready(t *testing.T, p *harness.Proxy, status int) {
	t.Helper()
	is := func() bool { return p.Status(t, p.Monitor+"/readyz") == status }
	harness.Eventually(t, is, fmt.Sprint("/readyz: ", status))
}

// answers waits until a call through the proxy has a status; 0: no answer.
func answers(t *testing.T, p *harness.Proxy, target string, status int) {
	t.Helper()
	harness.Eventually(t, func() bool { return p.Status(t, p.URL+target) == status }, fmt.Sprint(target, ": ", status))
}

// logs waits until the proxy's log has a text.
func logs(t *testing.T, p *harness.Proxy, text string) {
	t.Helper()
	harness.Eventually(t, func() bool { return strings.Contains(p.Log(t), text) }, text)
}

// bodyOf makes a call, as applications do, and returns its status and its answer.
func bodyOf(t *testing.T, method, address, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode, string(content)
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

// Applications that know a base URL, and nothing of Vault, tokens or signatures, call every vendor: curl, Python and
// Go, over TCP and a unix socket.
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
	ready(t, p, http.StatusOK)
	over := filepath.Join(t.TempDir(), "s")
	onSocket := "listen: unix://" + over + "\nsocket_mode: \"0660\""
	q := harness.NewProxy(t, m, strings.Replace(exampleProxy(t, ""), "listen: 127.0.0.1:8410", onSocket, 1))
	q.SetToken(t, proxyToken(t, m, ""))
	q.Start(t)
	info, err := os.Lstat(over)
	require.NoError(t, err)
	require.Equal(t, os.ModeSocket|0o660, info.Mode())
	const success = `"responseText":"Success"`
	for name, row := range map[string]struct{ path, want string }{
		"Avanan":             {event + "?scopes=mt-prod-3%3Aacme", success},
		"PAVE":               {"/pave/v1/sessions", `{"data":[]}`},
		"PAVE, with a query": {"/pave/v1/sessions/1?expand=a&b=c+d", `{"data":[]}`},
		"the portal":         {"/infinity/v1.0/scopes", success},
		"the portal's event": {"/infinity/v1.0/event/1", success},
	} {
		address := p.URL + row.path
		python := "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())"
		commands := map[string][]string{
			"curl": {"curl", "-fsS", address},
			"curl, with headers": {
				"curl", "-fsS", "-H", "Authorization: Bearer mine", "-H", "x-av-sig: mine", "-H", "API-Token: mine", address,
			},
			"Python": {"python3", "-c", python, address},
		}
		if !strings.HasPrefix(row.path, "/infinity") {
			commands["curl, by a socket"] = []string{"curl", "-fsS", "--unix-socket", over, "http://anything" + row.path}
		}
		for by, command := range commands {
			t.Run(name+" by "+by, func(t *testing.T) {
				if _, err := exec.LookPath(command[0]); err != nil {
					t.Skip(command[0] + " is not on this machine")
				}
				for range 2 { // Avanan and the portal take a request id once only
					require.Contains(t, harness.Run(t, harness.Command(command[0], command[1:]...)), row.want)
				}
			})
		}
		t.Run(name+" by Go", func(t *testing.T) {
			require.Equal(t, http.StatusOK, p.Status(t, address))
		})
	}
	for name, application := range map[string][2]string{
		"curl":   {"sh", "application.sh"},
		"Python": {"python3", "application.py"},
	} {
		t.Run("the example with "+name, func(t *testing.T) {
			if _, err := exec.LookPath(strings.ToLower(name)); name == "curl" && err != nil {
				t.Skip("the example uses curl, which is not on this machine")
			}
			if _, err := exec.LookPath(application[0]); err != nil {
				t.Skip("the example needs " + application[0] + ", which is not on this machine")
			}
			run := harness.Command(application[0], harness.Path("examples/proxy/"+application[1]))
			run.Env = []string{
				"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(),
				"AVANAN_URL=" + p.URL + "/avanan/us", "PAVE_URL=" + p.URL + "/pave",
			}
			printed := harness.Run(t, run)
			require.Equal(t, 2, strings.Count(printed, success))
			require.Contains(t, printed, `{"data":[]}`)
		})
	}
	for name, row := range map[string]struct { //nolint:paralleltest // waiting, PAVE's headers would age
		method, path string
		want         int
	}{
		"a body":          {http.MethodPost, "/avanan/us/v1.0/event/query", 200},
		"another path":    {http.MethodGet, "/avanan/us/v1.0/scopes", 403},
		"PAVE's webhooks": {http.MethodGet, "/pave/v1/callbacks", 403},
		"a segment more":  {http.MethodGet, "/pave/v1/sessions/1/notes", 403},
		"encoded dots":    {http.MethodGet, "/pave/v1/sessions/..%2fcallbacks", 403},
		"no route":        {http.MethodGet, "/other", 404},
	} {
		t.Run(name, func(t *testing.T) {
			status, _ := bodyOf(t, row.method, p.URL+row.path, `{"requestData":{}}`)
			require.Equal(t, row.want, status)
		})
	}
	reads := m.Read("status/pave/main").Data["reads"]
	require.Equal(t, json.Number("2"), reads, "the headers are read once by each proxy, and used for every call")
	metrics := harness.Run(t, harness.Command("curl", "-fsS", p.Monitor+"/metrics"))
	require.Contains(t, metrics, `apisig_proxy_requests_total{method="GET",route="/pave",status="200"}`)
	require.NotContains(t, metrics, harness.Canary)
}

// With a batch path, calls that come in at the same time are signed by one request to Vault. One that Vault's policy
// denies costs the others nothing.
func TestProxyHasCallsSignedTogether(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	m.Write("config/avanan/us", m.AvananValues())
	config := strings.Replace(exampleProxy(t, ""), "sign: apisig/sign/avanan/us", "sign: apisig/sign/avanan/us/batch", 1)
	const first = "- GET /v1.0/event/{id}"
	p := harness.NewProxy(t, m, strings.Replace(config, first, first+"\n      - GET /v1.0/scopes", 1))
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
	metrics := harness.Run(t, harness.Command("curl", "-fsS", p.Monitor+"/metrics"))
	require.Contains(t, metrics, `apisig_proxy_batch_calls_bucket{route="/avanan/us",le="+Inf"}`)
	signed := regexp.MustCompile(`apisig_proxy_batch_calls_sum{route="/avanan/us"} (\d+)`).FindStringSubmatch(metrics)
	require.NotEmpty(t, signed, metrics)
	require.GreaterOrEqual(t, len(signed[1]), len("200"))
}

// A 401 of the vendor's is reported to Vault, and the call sent once more.
func TestProxyRetriesAfter401(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	var mu sync.Mutex
	asked := map[string]int{} // by the last segment of a path, which is how many of its calls are refused
	standIn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refusals, err := strconv.Atoi(path.Base(r.URL.Path)); err == nil {
			mu.Lock()
			asked[r.URL.Path]++
			refused := asked[r.URL.Path] <= refusals
			mu.Unlock()
			if refused {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
		}
		m.Vendor.ServeHTTP(w, r)
	}))
	t.Cleanup(standIn.Close)
	m.URL = standIn.URL
	p := startProxy(t, m)
	for name, row := range map[string]struct {
		target string
		want   int
	}{
		"sign, never refused":  {"/avanan/us/v1.0/event/0", http.StatusOK},
		"sign, refused":        {"/avanan/us/v1.0/event/1", http.StatusOK},
		"sign, refused twice":  {"/avanan/us/v1.0/event/2", http.StatusUnauthorized},
		"creds, never refused": {"/pave/v1/sessions/0", http.StatusOK},
		"creds, refused":       {"/pave/v1/sessions/1", http.StatusOK},
		"creds, refused twice": {"/pave/v1/sessions/2", http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, row.want, p.Status(t, p.URL+row.target))
		})
	}
}

// With the route for a declared login, applications call an API that wants OAuth 2.0's tokens. The proxy uses a token
// until its lease ends. After a 401 it tells Vault, and calls once more with the token that Vault has by now.
func TestProxyCallsWithADeclaredLogin(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	var mu sync.Mutex
	last, ended := "none", "" // Authorization headers
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		last = r.Header.Get("Authorization")
		refused := last == ended
		mu.Unlock()
		if refused {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		m.Vendor.ServeHTTP(w, r)
	}))
	t.Cleanup(api.Close)
	// rotate is a rotation of the secret: Vault logs in anew, and the API ends the token that it saw last.
	rotate := func() {
		given := values{"base_url": api.URL + "/oauth2", "verify": true} // even if nothing changes
		m.Write("config/custom/main", harness.With(m.OAuthValues(), given))
		mu.Lock()
		ended = last
		mu.Unlock()
	}
	rotate()
	p := harness.NewProxy(t, m, strings.ReplaceAll(exampleProxy(t, ""), "\n  # ", "\n  "))
	reader, err := os.ReadFile("../examples/policies/custom-reader.hcl")
	require.NoError(t, err)
	p.SetToken(t, proxyToken(t, m, string(reader)))
	p.Start(t)
	call := func(method string) {
		status, answer := bodyOf(t, method, p.URL+"/oauth2/v1/orders", "")
		require.Equal(t, http.StatusOK, status, answer)
	}
	for range 3 {
		call(http.MethodGet)
	}
	require.Equal(t, http.StatusForbidden, p.Status(t, p.URL+"/oauth2/v1/users"))
	reads := func() (all, unauthorized int) {
		for _, entry := range m.Server.AuditEntries(t) {
			if entry.Type == "response" && entry.Request.Path == "apisig/creds/custom/main" {
				all++
				if entry.Request.Data["unauthorized"] != nil {
					unauthorized++
				}
			}
		}
		return all, unauthorized
	}
	all, unauthorized := reads()
	require.Equal(t, []int{1, 0}, []int{all, unauthorized}, "one token for every call")

	rotate()
	call(http.MethodGet)
	all, unauthorized = reads()
	require.Equal(t, []int{2, 1}, []int{all, unauthorized}, "a read that reports the 401")

	m.Vendor.Change(func(b *sandbox.Behaviour) { b.OAuthTokenLife = 5 * time.Second })
	rotate()
	logins := m.Vendor.OAuthLogins()
	harness.Eventually(t, func() bool {
		call(http.MethodPost)
		return m.Vendor.OAuthLogins() >= logins+3
	}, "three tokens, one after the other")
	_, unauthorized = reads()
	require.Equal(t, 2, unauthorized, "no other call had a token that had ended")
}

// The proxy uses the token that is in the file now, and says which side failed while there is none that Vault takes.
func TestProxyTakesANewTokenFromItsFile(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	p := startProxy(t, m)
	first, err := os.ReadFile(p.TokenFile())
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, p.Status(t, p.URL+event))
	require.NoError(t, m.Client.Auth().Token().RevokeTreeWithContext(t.Context(), strings.TrimSpace(string(first))))
	status, body := bodyOf(t, http.MethodGet, p.URL+event, "")
	require.Equal(t, http.StatusBadGateway, status)
	const problem = `{"type":"about:blank","title":"Bad Gateway","status":502,"side":"vault",` +
		`"detail":"Vault did not sign the call"}`
	require.JSONEq(t, problem, body)
	ready(t, p, http.StatusServiceUnavailable)
	require.Equal(t, http.StatusOK, p.Status(t, p.Monitor+"/healthz"))
	p.SetToken(t, proxyToken(t, m, ""))
	require.Equal(t, http.StatusOK, p.Status(t, p.URL+event))
	require.Equal(t, http.StatusOK, p.Status(t, p.URL+"/pave/v1/sessions"))
	ready(t, p, http.StatusOK)
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
	logs(t, p, "route /x must have one of sign and creds")
	require.Equal(t, http.StatusOK, p.Status(t, p.URL+"/pave/v1/sessions"))
	p.Configure(t, strings.Replace(exampleProxy(t, ""), "/pave:", "/pave/two:", 1))
	require.Contains(t, harness.Run(t, harness.Command(p.Binary, "-config", p.ConfigFile(), "-check")), "is valid")
	require.Equal(t, json.Number("1"), m.Read("status/pave/main").Data["reads"])
	p.Signal(t, syscall.SIGHUP)
	answers(t, p, "/pave/two/v1/sessions", http.StatusOK)
	require.Equal(t, http.StatusNotFound, p.Status(t, p.URL+"/pave/v1/sessions"))
	require.Equal(t, json.Number("2"), m.Read("status/pave/main").Data["reads"], "headers are read again after a reload")
	p.Signal(t, syscall.SIGTERM)
	harness.Eventually(t, func() bool { return p.Status(t, p.Monitor+"/healthz") == 0 }, "the end")
}

// load is calls to both vendors through a proxy, by eight connections that go on until the end.
type load struct {
	mu    sync.Mutex
	seen  map[int]int // by status; 0: there was no answer
	wrong map[string]bool
	end   func()
}

func startLoad(t *testing.T, p *harness.Proxy) *load {
	t.Helper()
	l := &load{seen: map[int]int{}, wrong: map[string]bool{}}
	var calls sync.WaitGroup
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
				l.mu.Lock()
				if l.seen[status]++; status >= 500 && !strings.Contains(text, `"side":"vault"`) {
					l.wrong[text] = true
				}
				l.mu.Unlock()
			}
		})
	}
	l.end = sync.OnceFunc(func() { close(end); calls.Wait() })
	t.Cleanup(l.end)
	return l
}

func (l *load) count(status int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen[status]
}

// failures are the calls whose status is not 200.
func (l *load) failures() (failed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for status, calls := range l.seen {
		if status != http.StatusOK {
			failed += calls
		}
	}
	return failed
}

// more waits for more calls with a status.
func (l *load) more(t *testing.T, status int) {
	t.Helper()
	before := l.count(status)
	harness.Eventually(t, func() bool { return l.count(status) > before+20 }, fmt.Sprint("calls with status ", status))
}

// allWell waits until the calls under way have ended, and then for more, none of which fails.
func (l *load) allWell(t *testing.T) {
	t.Helper()
	l.more(t, http.StatusOK)
	before := l.failures()
	l.more(t, http.StatusOK)
	require.Equal(t, before, l.failures())
}

// Under load, a Vault that is killed costs the calls that need it, with an answer that says so, and a proxy that is
// killed those under way. Everything works again once they are back.
func TestProxySurvivesKilledVaultAndIsStartedAgain(t *testing.T) {
	t.Parallel()
	harness.NeedsProc(t)
	server := harness.StartRaft(t)
	m := server.MountApisig(t)
	p := startProxy(t, m)
	l := startLoad(t, p)
	l.allWell(t)
	require.Zero(t, l.failures())
	server.Kill(t)
	l.more(t, http.StatusBadGateway)
	require.Equal(t, http.StatusOK, p.Status(t, p.URL+"/pave/v1/sessions"), "headers that are still good need no Vault")
	server.Start(t)
	answers(t, p, event, http.StatusOK)
	l.allWell(t)
	require.Zero(t, l.count(0), "every call has an answer while the proxy runs")
	p.Kill(t)
	l.more(t, 0)
	p.Start(t)
	answers(t, p, event, http.StatusOK)
	l.allWell(t)
	l.end()
	require.Empty(t, l.wrong)
	for status := range l.seen {
		require.Contains(t, []int{0, http.StatusOK, http.StatusBadGateway, http.StatusServiceUnavailable}, status)
	}
}

// Agent of examples/proxy writes the token that the proxy uses. One that is killed under load costs no call: the token
// that it wrote is used. One that is started again writes another, which takes the place of one that has ended.
func TestProxySurvivesKilledAgent(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	_ = proxyToken(t, m, "") // writes the policy
	p := harness.NewProxy(t, m, exampleProxy(t, ""))
	agent := harness.StartTokenAgent(t, m, p, "proxy")
	info, err := os.Stat(p.TokenFile())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	p.Start(t)
	ready(t, p, http.StatusOK)
	l := startLoad(t, p)
	l.allWell(t)
	agent.Kill(t)
	l.allWell(t)
	require.Zero(t, l.failures(), "no call fails without Agent")
	token, err := os.ReadFile(p.TokenFile())
	require.NoError(t, err)
	require.NoError(t, m.Client.Auth().Token().RevokeTreeWithContext(t.Context(), strings.TrimSpace(string(token))))
	l.more(t, http.StatusBadGateway)
	agent.StartAgain(t, m)
	answers(t, p, event, http.StatusOK)
	l.allWell(t)
	l.end()
	require.Empty(t, l.wrong)
	require.Zero(t, l.count(0), "every call has an answer")
}

// Agent may wrap the token. The proxy unwraps it once, keeps the token at a reload, and takes the next one.
func TestProxyUnwrapsAgentsToken(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	_ = proxyToken(t, m, "") // writes the policy
	p := harness.NewProxy(t, m, exampleProxy(t, ""))
	agent := harness.StartTokenAgent(t, m, p, "proxy", `sink "file" {`, "sink \"file\" {\n    wrap_ttl = \"5m\"")
	wrapped, err := os.ReadFile(p.TokenFile())
	require.NoError(t, err)
	require.Contains(t, string(wrapped), `"creation_path":"sys/wrapping/wrap"`)
	p.Start(t)
	require.Equal(t, http.StatusOK, p.Status(t, p.URL+event))
	p.Signal(t, syscall.SIGHUP)
	logs(t, p, "the configuration was reloaded")
	require.Equal(t, http.StatusOK, p.Status(t, p.URL+event))
	p.Stop()
	p.Start(t)
	require.Equal(t, http.StatusBadGateway, p.Status(t, p.URL+event), "a wrapped token is for one process")
	require.Contains(t, p.Log(t), "the wrapped token in vault.token_file was not unwrapped")
	agent.Kill(t)
	agent.StartAgain(t, m)
	answers(t, p, event, http.StatusOK)
}

// What the engine refuses in a call is the application's mistake; what a route does not send is not.
func TestProxyAnswers400ForWhatTheEngineRefuses(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	m.Write("config/avanan/us", m.AvananValues())
	m.WriteCustom("orders")
	p := harness.NewProxy(t, m, exampleProxy(t, `
  /batch:
    sign: apisig/sign/avanan/us/batch
    paths: encoded-slashes
    allow: ["GET /v1.0/event/{id}"]
  /orders:
    sign: apisig/sign/custom/orders
    send: [method, request_string, body_sha256]
    queries: as-sent
    allow: ["GET /custom/v1/orders/{id}", "PROPFIND /custom/v1/orders/{id}"]
  /half:
    sign: apisig/sign/custom/orders
    allow: ["GET /custom/v1/orders/{id}"]
  /none:
    sign: apisig/sign/custom/none
    allow: ["GET /custom/v1/orders/{id}"]
`))
	const paths = `path "apisig/sign/custom/*" { capabilities = ["update"] }
path "apisig/sign/avanan/us/batch" { capabilities = ["update"] }`
	p.SetToken(t, proxyToken(t, m, paths))
	p.Start(t)
	const refused = "Vault refused the call: "
	const twice = refused + "request_string contains /v1.0/ after its beginning"
	for name, row := range map[string]struct {
		method, target string
		status         int
		detail         string
	}{
		"a second /v1.0/":      {http.MethodGet, event + "?a=/v1.0/", 400, twice},
		"the same, in a batch": {http.MethodGet, "/batch/v1.0/event/1?a=/v1.0/", 400, twice},
		"a method":             {"PROPFIND", "/orders/custom/v1/orders/1", 400, refused + "method "},
		"a comma": {
			http.MethodGet, "/orders/custom/v1/orders/1?a=1,2", 400, refused + "request_string contains a comma",
		},
		"a parameter is not sent": {http.MethodGet, "/half/custom/v1/orders/1", 502, "Vault did not sign the call"},
		"no config":               {http.MethodGet, "/none/custom/v1/orders/1", 502, "Vault did not sign the call"},
		"an encoded slash":        {http.MethodGet, "/batch/v1.0/event/a%2Fb", 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body := bodyOf(t, row.method, p.URL+row.target, "")
			require.Equal(t, row.status, status, body)
			require.Contains(t, body, row.detail)
		})
	}
}

// A Vault Proxy with auto-auth adds its token to the proxy's requests, which have none.
func TestProxyNeedsNoTokenWithVaultProxy(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	config := exampleProxy(t, "")
	require.Contains(t, config, "vault:\n  token_file: /run/apisig-agent/token\n")
	p := harness.NewProxy(t, m, strings.Replace(config, "vault:\n  token_file: /run/apisig-agent/token\n", "", 1))
	p.Start(t)
	status := p.Status(t, p.URL+"/pave/v1/sessions")
	require.Equal(t, http.StatusBadGateway, status, "Vault itself takes no request without a token")
	p.Stop()
	p.UseVaultProxy(harness.StartVaultProxy(t, m, "proxy"))
	p.Start(t)
	ready(t, p, http.StatusOK)
	require.Equal(t, http.StatusOK, p.Status(t, p.URL+event))
	require.Equal(t, http.StatusOK, p.Status(t, p.URL+"/pave/v1/sessions"))
}

// A request that is under way at SIGHUP and SIGTERM is finished, by the configuration that it began with. Then the
// process ends well.
func TestProxyFinishesRequestsUnderWay(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	arrived, let := make(chan struct{}), make(chan struct{})
	standIn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/sessions/slow" {
			close(arrived)
			<-let
		}
		m.Vendor.ServeHTTP(w, r)
	}))
	t.Cleanup(standIn.Close)
	release := sync.OnceFunc(func() { close(let) })
	t.Cleanup(release)
	m.URL = standIn.URL
	p := startProxy(t, m)
	got := make(chan int, 1)
	go func() { got <- p.Status(t, p.URL+"/pave/v1/sessions/slow") }()
	<-arrived
	p.Configure(t, strings.Replace(exampleProxy(t, ""), "/pave:", "/pave/two:", 1))
	p.Signal(t, syscall.SIGHUP)
	answers(t, p, "/pave/two/v1/sessions", http.StatusOK)
	p.Signal(t, syscall.SIGTERM)
	answers(t, p, "/pave/two/v1/sessions", 0)
	require.Empty(t, got)
	release()
	require.Equal(t, http.StatusOK, <-got)
	require.NoError(t, p.Wait())
	require.Contains(t, p.Log(t), `"msg":"draining"`)
}

// What passes over loopback, in both directions, has nothing that signs or authenticates: no header that Vault set, no
// token, no secret. Sent to the vendor, the same request is refused.
func TestStolenLoopbackRequestGivesNoHeaderTokenOrSecret(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	var mu sync.Mutex
	set := map[string]bool{} // the values of headers that the vendor got and the application did not send
	status := map[string]int{
		"/v1/sessions/refused": http.StatusUnauthorized,
		"/v1/sessions/moved":   http.StatusFound,
		"/v1/sessions/broken":  http.StatusInternalServerError,
	}
	standIn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		for name, values := range r.Header {
			name = strings.ToLower(name)
			if name == "authorization" || strings.HasPrefix(name, "x-av-") || strings.HasPrefix(name, "api-") {
				set[strings.TrimPrefix(values[0], "Bearer ")] = true
			}
		}
		mu.Unlock()
		if told := status[r.URL.Path]; told != 0 {
			w.Header().Set("Location", "/v1/sessions/1?a=b")
			w.WriteHeader(told)
			return
		}
		m.Vendor.ServeHTTP(w, r)
	}))
	t.Cleanup(standIn.Close)
	m.URL = standIn.URL
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	m.Write("config/infinity/us", m.InfinityValues())
	p := harness.NewProxy(t, m, exampleProxy(t, `
  /infinity:
    creds: apisig/creds/infinity/us
    allow: ["GET /v1.0/event/{id}"]
`))
	token := proxyToken(t, m, `path "apisig/creds/infinity/us" { capabilities = ["read"] }`)
	p.SetToken(t, token)
	p.Start(t)
	host := strings.TrimPrefix(p.URL, "http://")
	seen := ""
	pass := func(t *testing.T, target string) string {
		t.Helper()
		connection, err := net.Dial("tcp", host)
		require.NoError(t, err)
		defer connection.Close()
		request := "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n"
		_, err = io.WriteString(connection, request)
		require.NoError(t, err)
		answer, err := io.ReadAll(connection)
		require.NoError(t, err)
		mu.Lock()
		defer mu.Unlock()
		seen += request + string(answer)
		return string(answer[:len("HTTP/1.1 200")])
	}
	t.Run("calls", func(t *testing.T) { // what all of them show is looked at together
		for target, want := range map[string]string{
			event:                       "200",
			"/pave/v1/sessions/1":       "200",
			"/infinity/v1.0/event/1":    "200",
			"/pave/v1/sessions/refused": "401",
			"/pave/v1/sessions/moved":   "302",
			"/pave/v1/sessions/broken":  "500",
			"/avanan/us/v1.0/scopes":    "403",
			"/other":                    "404",
			"/pave/v1/sessions?;":       "400",
		} {
			t.Run(target, func(t *testing.T) {
				t.Parallel()
				require.Equal(t, "HTTP/1.1 "+want, pass(t, target))
			})
		}
	})
	for _, path := range []string{"/v1.0/event/1", "/v1/sessions/1"} {
		require.Equal(t, http.StatusUnauthorized, p.Status(t, m.URL+path), "the vendor refuses it without what Vault adds")
	}
	require.NoError(t, m.Client.Auth().Token().RevokeTreeWithContext(t.Context(), token))
	require.Equal(t, "HTTP/1.1 502", pass(t, "/avanan/us/v1.0/event/2"))
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		_, content := bodyOf(t, http.MethodGet, p.Monitor+path, "")
		seen += content
	}
	seen += p.Log(t)
	delete(set, "") // x-av-token, until there is one
	require.Greater(t, len(set), 8)
	for _, value := range []any{
		token, harness.Canary, m.PaveValues()["api_key"], m.AvananValues()["app_id"], m.InfinityValues()["client_id"],
	} {
		set[value.(string)] = true
	}
	for value := range set {
		if strings.Contains(seen, value) {
			t.Error("loopback shows what only Vault, the proxy and the vendor may know") // without the value
		}
	}
}

// The services run the proxy as its flags are, restrict it, and keep the token's directory to one user.
func TestProxyServicesAreHardened(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]string{
		"apisig-proxy": "/usr/local/bin/apisig-proxy -config /etc/apisig-proxy/apisig-proxy.yml",
		"apisig-agent": "/usr/local/bin/vault agent -config=/etc/apisig-agent/agent.hcl",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
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
			require.Equal(t, start, settings["ExecStart"])
			require.Equal(t, "apisig", settings["User"])
			for key, want := range map[string]string{
				"NoNewPrivileges":         "yes",
				"CapabilityBoundingSet":   "",
				"ProtectSystem":           "strict",
				"ProtectHome":             "yes",
				"PrivateTmp":              "yes",
				"MemoryDenyWriteExecute":  "yes",
				"SystemCallFilter":        "@system-service",
				"RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
				"LimitCORE":               "0",
				"UMask":                   "0077",
				"RestrictNamespaces":      "yes",
			} {
				require.Equal(t, want, settings[key], key)
			}
			if name == "apisig-agent" {
				require.Equal(t, "0700", settings["RuntimeDirectoryMode"])
			}
			if _, err := exec.LookPath("systemd-analyze"); err != nil {
				return
			}
			// a program that is on this machine
			installed := regexp.MustCompile(`/usr/local/bin/[a-z-]+`).ReplaceAll(content, []byte("/bin/true"))
			unit := filepath.Join(t.TempDir(), name+".service")
			require.NoError(t, os.WriteFile(unit, installed, 0o600))
			printed, _ := harness.Command("systemd-analyze", "verify", unit).CombinedOutput()
			require.NotContains(t, string(printed), name+".service:", "a setting that systemd does not know")
		})
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

// -check -vault asks with the proxy's own token, and tells a path that no policy has from parameters that one refuses. A
// proxy without a token starts, and warns.
func TestProxyCheckSaysWhatVaultRefuses(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	m.WriteCustom("orders")
	p := harness.NewProxy(t, m, exampleProxy(t, `
  /orders:
    sign: apisig/sign/custom/orders
    send: [method, request_string]
    allow: [GET /custom/v1/orders, "GET /custom/v1/orders/{id}"]
  /denied:
    creds: apisig/creds/pave/other
    allow: [GET /v1/sessions]
`))
	p.Start(t)
	logs(t, p, "vault.token_file is missing, unreadable or empty: no call is signed until it has a token")
	check := func() (string, error) {
		run := harness.Command(p.Binary, "-config", p.ConfigFile(), "-check", "-vault")
		run.Env = append(os.Environ(), "VAULT_ADDR="+m.Server.Address, "VAULT_MAX_RETRIES=0", "VAULT_TOKEN=", "BAO_TOKEN=")
		printed, err := run.CombinedOutput()
		return string(printed), err
	}
	printed, err := check()
	require.Error(t, err)
	require.Contains(t, printed, "vault.token_file is missing")
	p.SetToken(t, proxyToken(t, m, `path "apisig/sign/custom/orders" {
  capabilities = ["update"]
  allowed_parameters = { "method" = [], "request_string" = ["/custom/v1/orders"], "unauthorized" = [] }
}`))
	printed, err = check()
	require.Error(t, err)
	for _, line := range []string{
		"route /avanan/us: GET /v1.0/event/0 is signed\n",
		"route /avanan/us: POST /v1.0/event/query is signed\n",
		"route /pave: GET /v1/sessions/0 is signed\n",
		"route /orders: GET /custom/v1/orders is signed\n",
		"(the token has update on apisig/sign/custom/orders, so a policy refuses this call's parameters)\n",
		"(no policy of the token has read on apisig/creds/pave/other)\n",
		"2 of the calls that " + p.ConfigFile() + " allows are not signed\n",
	} {
		require.Contains(t, printed, line)
	}
	p.Configure(t, exampleProxy(t, ""))
	printed, err = check()
	require.NoError(t, err)
	require.Contains(t, printed, "is valid\n")
	p.SetToken(t, "hvs.ended")
	printed, err = check()
	require.Error(t, err)
	require.Contains(t, printed, "(the token has ended, or may not read its capabilities)\n")
}
