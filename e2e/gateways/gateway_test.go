package gateways

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// kind is a kind of gateway, and how the tests run it.
type kind struct {
	name    string
	example string // its configuration
	// careless takes out of the configuration what drops the client's headers.
	careless func(config string) string
	// run is the command, for a folder that has the configuration as "gateway".
	run func(binary, directory string) *exec.Cmd
}

// nginxMain is the configuration that the example is a part of.
const nginxMain = `
daemon off;
master_process off;
pid nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path       proxy;
    fastcgi_temp_path     fastcgi;
    uwsgi_temp_path       uwsgi;
    scgi_temp_path        scgi;
    include gateway;
}
`

var kinds = []kind{
	{
		name:    "nginx",
		example: "examples/proxy/nginx.conf",
		careless: func(config string) string {
			return regexp.MustCompile(`(?m)^.*proxy_pass_request_headers.*\n`).ReplaceAllString(config, "")
		},
		run: func(binary, directory string) *exec.Cmd {
			main := filepath.Join(directory, "nginx.conf")
			_ = os.WriteFile(main, []byte(nginxMain), 0o600)
			return harness.Command(binary, "-p", directory, "-c", main, "-e", filepath.Join(directory, "error.log"))
		},
	},
	{
		name:    "caddy",
		example: "examples/proxy/Caddyfile",
		careless: func(config string) string {
			return regexp.MustCompile(`(?m)^\s*(import client|header_up -.*)\n`).ReplaceAllString(config, "")
		},
		run: func(binary, directory string) *exec.Cmd {
			file := filepath.Join(directory, "gateway")
			config, _ := os.ReadFile(file)
			_ = os.WriteFile(file, append([]byte("{\n\tadmin off\n}\n"), config...), 0o600)
			run := harness.Command(binary, "run", "--config", file, "--adapter", "caddyfile")
			run.Env = []string{"HOME=" + directory, "SSL_CERT_FILE=" + filepath.Join(directory, "ca.pem")}
			return run
		},
	},
}

// rig is a gateway between applications and the vendors, which asks an apisig-proxy.
type rig struct {
	*harness.Mount
	proxy   *harness.Proxy
	address string // of the gateway

	mu      sync.Mutex
	arrived []arrival // at the vendors, except handshakes and the like, which Vault makes
}

// arrival is a call that the gateway forwarded. The vendors' stand-in checks the signature of the bytes that arrived
// with arithmetic of its own; status is what it says.
type arrival struct {
	request *http.Request
	status  int
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (w *statusRecorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

const proxyConfig = `
forward_auth: {listen: 127.0.0.1:8411, gateway: %s}
vault: {token_file: /run/apisig-agent/token}
routes:`

// newRig starts a gateway with its example, or with one that is careless.
func newRig(t *testing.T, k kind, careless bool) *rig {
	t.Helper()
	binary := harness.Gateway(t, k.name)
	r := &rig{Mount: harness.Start(t).MountApisig(t)}
	forwarded := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		recorded := &statusRecorder{w, http.StatusOK}
		r.Vendor.ServeHTTP(recorded, request)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.arrived = append(r.arrived, arrival{request, recorded.status})
	}))
	forwarded.Config.ErrorLog = log.New(io.Discard, "", 0)
	forwarded.StartTLS() // for the name example.com
	t.Cleanup(forwarded.Close)
	r.Write("config/pave/main", r.PaveValues())
	r.Write("config/avanan/us", r.AvananValues())

	example, err := os.ReadFile(harness.Path("examples/proxy/apisig-proxy.yml"))
	require.NoError(t, err)
	_, routes, found := strings.Cut(string(example), "\nroutes:")
	require.True(t, found)
	r.proxy = harness.NewProxy(t, r.Mount, fmt.Sprintf(proxyConfig, k.name)+routes)
	r.proxy.SetToken(t, r.Server.Client.Token())
	r.proxy.Start(t)

	directory := t.TempDir()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: forwarded.Certificate().Raw})
	require.NoError(t, os.WriteFile(filepath.Join(directory, "ca.pem"), certificate, 0o600))
	r.address, err = harness.FreeAddress()
	require.NoError(t, err)
	file, err := os.ReadFile(harness.Path(k.example))
	require.NoError(t, err)
	config := string(file)
	if careless {
		config = k.careless(config)
		require.NotEqual(t, string(file), config)
	}
	vendor := strings.TrimPrefix(forwarded.URL, "https://")
	_, port, err := net.SplitHostPort(r.address)
	require.NoError(t, err)
	changed := strings.NewReplacer(
		"server smart-api-production-1-us.avanan.net:443", "server "+vendor,
		"server openapi.paveapi.com:443", "server "+vendor,
		"https://smart-api-production-1-us.avanan.net", "https://"+vendor,
		"https://openapi.paveapi.com", "https://"+vendor,
		"smart-api-production-1-us.avanan.net", "example.com",
		"openapi.paveapi.com", "example.com",
		"/etc/ssl/certs/ca-certificates.crt", filepath.Join(directory, "ca.pem"),
		"listen 127.0.0.1:8088", "listen "+r.address,
		":8088", ":"+port,
		"127.0.0.1:8411", r.proxy.Gateways,
	).Replace(config)
	require.NoError(t, os.WriteFile(filepath.Join(directory, "gateway"), []byte(changed), 0o600))
	harness.Background(t, k.run(binary, directory), filepath.Join(directory, "log"), harness.Canary)
	harness.Eventually(t, func() bool {
		connection, err := net.Dial("tcp", r.address)
		return err == nil && connection.Close() == nil
	}, k.name+" listens")
	return r
}

// since are the calls that have arrived after the first so many.
func (r *rig) since(before int) []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.arrived[before:])
}
