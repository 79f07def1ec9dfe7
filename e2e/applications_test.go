package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

const usage = "/v1.0/msp/usage?year=2026&month=8"

// applications are the commands of the example applications, each making one call, of usage.
func applications(t *testing.T, base string) map[string][]string {
	t.Helper()
	compiled := filepath.Join(t.TempDir(), "avanan-go")
	harness.Run(t, harness.GoBuild(compiled, "./examples/applications/avanan-go"))
	commands := map[string][]string{"avanan-go": {compiled, base + usage}}
	if _, err := exec.LookPath("python3"); err != nil {
		t.Log("python3 is not on this machine: its example is not run")
		return commands
	}
	commands["avanan.py"] = []string{"python3", "../examples/applications/avanan.py", usage}
	return commands
}

// runApplication runs a command as a user of Vault at an address, with some more variables in its environment.
func runApplication(m *harness.Mount, vault string, command []string, environment ...string) (string, error) {
	run := harness.Command(command[0], command[1:]...)
	run.Env = append(append(m.Server.Environ(), "VAULT_ADDR="+vault), environment...)
	printed, err := run.CombinedOutput()
	return string(printed), err
}

// recorder passes requests on to Vault and records which of them report a 401.
type recorder struct {
	*httputil.ReverseProxy
	mu      sync.Mutex
	reports []bool
}

func (p *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var parameters struct{ Unauthorized bool }
	_ = json.Unmarshal(body, &parameters)
	p.mu.Lock()
	p.reports = append(p.reports, parameters.Unauthorized)
	p.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(body))
	p.ReverseProxy.ServeHTTP(w, r)
}

// taken returns what was recorded since the last call.
func (p *recorder) taken() []bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.reports
	p.reports = nil
	return taken
}

// The example applications sign each call. After a 401 they report it to Vault and try once more, not twice.
func TestApplicationsSignAgainOnceAfter401(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	var calls, refusals atomic.Int64
	standIn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1.0/auth" && calls.Add(1) <= refusals.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"message":"Unauthorized"}`)
			return
		}
		m.Vendor.ServeHTTP(w, r)
	}))
	t.Cleanup(standIn.Close)
	m.URL = standIn.URL
	m.Write("config/avanan/us", m.AvananValues())
	address, err := url.Parse(m.Server.Address)
	require.NoError(t, err)
	recorder := &recorder{ReverseProxy: httputil.NewSingleHostReverseProxy(address)}
	vault := httptest.NewServer(recorder)
	t.Cleanup(vault.Close)
	for name, command := range applications(t, m.URL) { //nolint:paralleltest // the calls are counted
		for refused, want := range map[int64][]bool{
			0: {false},
			1: {false, true},
			5: {false, true},
		} {
			t.Run(fmt.Sprintf("%s with %d refusals", name, refused), func(t *testing.T) {
				calls.Store(0)
				refusals.Store(refused)
				printed, err := runApplication(m, vault.URL, command)
				require.Equal(t, want, recorder.taken(), "which requests to Vault report a 401: %s", printed)
				require.Equal(t, int64(len(want)), calls.Load(), printed)
				if refused < 2 {
					require.NoError(t, err, printed)
					require.Contains(t, printed, `"responseText":"Success"`)
				} else {
					require.Error(t, err)
					require.Contains(t, printed, "401")
				}
			})
		}
	}
}

// otherHost is a host that no signed call is for. It counts the requests that reach it.
func otherHost(t *testing.T) (address string, requests *atomic.Int64) {
	t.Helper()
	requests = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	t.Cleanup(server.Close)
	return server.URL, requests
}

// The example applications follow no redirect, to another host or to another path: they fail and say why.
func TestApplicationsFollowNoRedirect(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	var calls, status atomic.Int64
	var location atomic.Value
	standIn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1.0/auth" {
			m.Vendor.ServeHTTP(w, r)
			return
		}
		calls.Add(1)
		http.Redirect(w, r, location.Load().(string), int(status.Load()))
	}))
	t.Cleanup(standIn.Close)
	m.URL = standIn.URL
	m.Write("config/avanan/us", m.AvananValues())
	other, arrived := otherHost(t)
	for name, command := range applications(t, m.URL) { //nolint:paralleltest // the calls are counted
		for where, to := range map[string]string{
			"to another host": other + usage,
			"to another path": "/v1.0/scopes",
		} {
			for _, redirect := range []int{301, 302, 303, 307, 308} {
				t.Run(fmt.Sprintf("%s, %d %s", name, redirect, where), func(t *testing.T) {
					calls.Store(0)
					status.Store(int64(redirect))
					location.Store(to)
					printed, err := runApplication(m, m.Server.Address, command)
					require.Zero(t, arrived.Load())
					require.Equal(t, int64(1), calls.Load())
					require.Error(t, err)
					require.Contains(t, printed, "redirect")
					require.NotContains(t, printed, "Traceback")
				})
			}
		}
	}
}

// The example applications send signed headers only where Vault says, and only if that is where they meant to call.
func TestApplicationsCallOnlyAddressOfConfig(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	m.Write("config/avanan/us", m.AvananValues())
	other, arrived := otherHost(t)
	// The url of this answer is of another call.
	vault := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data": {"headers": {"x-av-sig": "sig"}, "url": "`+other+`/v1.0/scopes"}}`)
	}))
	t.Cleanup(vault.Close)
	for name, command := range applications(t, other) { //nolint:paralleltest // waiting, a Vault would idle
		for what, test := range map[string]struct {
			vault, url string
			environ    []string
		}{
			"the config's address is another": {m.Server.Address, m.URL + usage, []string{"AVANAN_URL=" + other}},
			"the answer is of another call":   {vault.URL, other + "/v1.0/scopes", nil},
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				printed, err := runApplication(m, test.vault, command, test.environ...)
				require.Error(t, err)
				require.Contains(t, printed, "is for "+test.url)
			})
		}
	}
	require.Zero(t, arrived.Load())
}
