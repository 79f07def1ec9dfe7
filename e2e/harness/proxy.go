package harness

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// buildProxy builds apisig-proxy once for a package's tests.
var buildProxy = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(room.directory, "apisig-proxy")
	if printed, err := GoBuild(binary, "./cmd/apisig-proxy").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the proxy: %w\n%s", err, printed)
	}
	return binary, nil
})

// Proxy is an apisig-proxy, which outlives its process.
type Proxy struct {
	Directory string // has its configuration, the token's file and its log
	URL       string
	Monitor   string // the URL of /metrics and the like
	Gateways  string // the address where gateways ask, if the configuration has forward_auth
	Binary    string
	vault     string
	token     string // that of the environment
	process   *exec.Cmd
	stop      func()
}

// NewProxy writes the configuration of a proxy whose token has a policy of examples/policies, in a file. config is that
// of examples/proxy, or another with its addresses and its token_file, which are replaced.
func NewProxy(t *testing.T, m *Mount, config string) *Proxy {
	t.Helper()
	binary, err := buildProxy()
	require.NoError(t, err)
	p := &Proxy{Directory: t.TempDir(), Binary: binary, vault: m.Server.Address, token: "not used"}
	var addresses [3]string
	for i := range addresses {
		addresses[i], err = FreeAddress()
		require.NoError(t, err)
	}
	p.URL, p.Monitor, p.Gateways = "http://"+addresses[0], "http://"+addresses[1], addresses[2]
	p.Configure(t, config)
	t.Cleanup(func() {
		p.Stop()
		log := p.Log(t)
		require.NotContains(t, log, Canary)
		require.NotContains(t, log, "eyJ")
		if token, err := os.ReadFile(p.TokenFile()); err == nil {
			require.NotContains(t, log, strings.TrimSpace(string(token)))
		}
		if t.Failed() {
			t.Logf("%s", log)
		}
	})
	return p
}

// Configure writes another configuration.
func (p *Proxy) Configure(t *testing.T, config string) {
	t.Helper()
	config = strings.NewReplacer(
		"127.0.0.1:8410", strings.TrimPrefix(p.URL, "http://"),
		"127.0.0.1:8411", p.Gateways,
		"127.0.0.1:9410", strings.TrimPrefix(p.Monitor, "http://"),
		"/run/apisig-agent/token", p.TokenFile(),
	).Replace(config)
	require.NoError(t, os.WriteFile(p.ConfigFile(), []byte(config), 0o600))
}

// UseVaultProxy makes the process call a Vault Proxy, without a token of its own.
func (p *Proxy) UseVaultProxy(address string) { p.vault, p.token = address, "" }

// SetToken writes the token's file as Agent does: another file takes its place.
func (p *Proxy) SetToken(t *testing.T, token string) {
	t.Helper()
	written := filepath.Join(p.Directory, "token.new")
	require.NoError(t, os.WriteFile(written, []byte(token+"\n"), 0o600))
	require.NoError(t, os.Rename(written, p.TokenFile()))
}

// Start starts the process, and waits until it answers.
func (p *Proxy) Start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	require.NoError(t, err)
	run := Command(p.Binary, "-config", p.ConfigFile())
	run.Env = append(os.Environ(),
		"VAULT_ADDR="+p.vault, "BAO_ADDR="+p.vault, "VAULT_MAX_RETRIES=0", "VAULT_TOKEN="+p.token, "BAO_TOKEN=")
	run.Stdout, run.Stderr = log, log
	require.NoError(t, run.Start())
	p.process = run
	p.stop = sync.OnceFunc(func() {
		_ = run.Process.Signal(os.Interrupt)
		_ = run.Wait()
		_ = log.Close()
	})
	Eventually(t, func() bool {
		connection, err := net.Dial("tcp", strings.TrimPrefix(p.Monitor, "http://"))
		if err != nil {
			return false
		}
		return connection.Close() == nil && strings.Contains(p.Log(t), `"listening"`)
	}, "the proxy listens")
}

// Signal sends a signal to the process.
func (p *Proxy) Signal(t *testing.T, signal os.Signal) {
	t.Helper()
	require.NoError(t, p.process.Process.Signal(signal))
}

// Kill ends the process with SIGKILL.
func (p *Proxy) Kill(t *testing.T) {
	t.Helper()
	require.NoError(t, p.process.Process.Kill())
	p.Stop()
}

// Wait waits until the process has ended, and returns nil if it ended well.
func (p *Proxy) Wait() error { return p.process.Wait() }

// Stop ends the process and waits until it has ended.
func (p *Proxy) Stop() {
	if p.stop != nil {
		p.stop()
	}
}

// Log is what the process has logged.
func (p *Proxy) Log(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(p.logFile())
	if os.IsNotExist(err) {
		return ""
	}
	require.NoError(t, err)
	return string(content)
}

// Status is that of a GET of a URL; 0: there was no answer.
func (p *Proxy) Status(t *testing.T, url string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// Get is a GET of a URL that has an answer: its status and its body.
func (p *Proxy) Get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode, string(content)
}

// TokenFile is the file of the token.
func (p *Proxy) TokenFile() string { return filepath.Join(p.Directory, "token") }

// ConfigFile is the file of the configuration.
func (p *Proxy) ConfigFile() string { return filepath.Join(p.Directory, "apisig-proxy.yml") }
func (p *Proxy) logFile() string    { return filepath.Join(p.Directory, "proxy.log") }
