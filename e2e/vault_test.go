// Package e2e runs the built plugin in a real Vault process and uses it as its users do: over the HTTP API and by the
// command line, against the vendors' stand-ins.
package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/backend"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

var paveSecret, avananSecret = newSecret(), newSecret()

const pluginName = "vault-plugin-apisig"

// vault is the one that most tests share, each with a mount of its own; the others start one where they need it.
var vault *vaultServer

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	directory, err := os.MkdirTemp("", "apisig-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(directory)
	vault, err = startVault(directory)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer vault.stop()
	if err := vault.installPlugin(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	code := m.Run()
	vault.stop()
	if leaks := vault.leaks(); len(leaks) > 0 {
		fmt.Fprintln(os.Stderr, "e2e: Vault left behind:", strings.Join(leaks, ", "))
		return 1
	}
	return code
}

// vaultServer is a Vault process that logs at trace level and keeps an audit log, unless it is to be quiet.
type vaultServer struct {
	binary, directory, address string
	isOpenBao, quiet           bool
	environment                []string // of the process, beside the tests' own
	client                     *api.Client
	answers                    *recorder // every answer of its API
	process                    *os.Process
	stop                       func()
}

const rootToken = "root-of-e2e"

// startVault starts one in dev mode, which knows no plugin yet.
func startVault(directory string) (*vaultServer, error) {
	return startDev(&vaultServer{directory: directory, answers: &recorder{}})
}

// startQuietVault starts one whose speed is of interest.
func startQuietVault(directory string) (*vaultServer, error) {
	return startDev(&vaultServer{directory: directory, answers: &recorder{}, quiet: true})
}

func startDev(v *vaultServer) (*vaultServer, error) {
	printed, err := command("../scripts/vault-bin").Output()
	if err != nil {
		return nil, fmt.Errorf("finding or building Vault: %w", err)
	}
	v.binary = strings.TrimSpace(string(printed))
	version, err := command(v.binary, "version").Output()
	if err != nil {
		return nil, fmt.Errorf("%s version: %w", v.binary, err)
	}
	v.isOpenBao = strings.Contains(string(version), "OpenBao")

	if err := os.Mkdir(v.plugins(), 0o700); err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	v.address = "http://" + address
	config := fmt.Appendf(nil, "plugin_directory = %q\n", v.plugins())
	if err := os.WriteFile(v.configFile(), config, 0o600); err != nil {
		return nil, err
	}
	if err := v.launch("-dev", "-dev-no-store-token", "-dev-root-token-id="+rootToken, "-dev-listen-address="+address); err != nil {
		return nil, err
	}
	if err := v.connect(rootToken); err != nil {
		v.stop()
		return nil, err
	}
	return v, nil
}

// launch starts the server's process, with its log appended to the one that is there.
func (v *vaultServer) launch(args ...string) error {
	log, err := os.OpenFile(v.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	level := "trace"
	if v.quiet {
		level = "error"
	}
	server := command(v.binary, append([]string{"server", "-log-level=" + level, "-config=" + v.configFile()}, args...)...)
	server.Env = append(append(os.Environ(), "HOME="+v.directory), v.environment...)
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		return fmt.Errorf("starting Vault: %w", err)
	}
	v.process = server.Process
	v.stop = sync.OnceFunc(func() {
		_ = server.Process.Signal(os.Interrupt)
		_ = server.Wait()
		_ = log.Close()
	})
	return nil
}

// installPlugin builds the plugin into Vault's plugin directory and registers it.
func (v *vaultServer) installPlugin() error {
	build := command("go", "build", "-trimpath", "-o", filepath.Join(v.plugins(), pluginName), "../cmd/vault-plugin-apisig")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the plugin: %w\n%s", err, output)
	}
	return v.registerPlugin(pluginName, backend.Version)
}

// environ is the environment of a command that uses this Vault as its operator.
func (v *vaultServer) environ() []string {
	return append(os.Environ(), "VAULT_ADDR="+v.address, "VAULT_TOKEN="+v.client.Token(), "BAO_ADDR="+v.address, "BAO_TOKEN="+v.client.Token(),
		"VAULT_MAX_RETRIES=0")
}

// command is exec.Command for what ends with the tests.
func command(name string, args ...string) *exec.Cmd {
	return exec.CommandContext(context.Background(), name, args...)
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

func (v *vaultServer) plugins() string    { return filepath.Join(v.directory, "plugins") }
func (v *vaultServer) configFile() string { return filepath.Join(v.directory, "vault.hcl") }
func (v *vaultServer) logFile() string    { return filepath.Join(v.directory, "vault.log") }
func (v *vaultServer) auditFile() string  { return filepath.Join(v.directory, "audit.log") }
func (v *vaultServer) data() string       { return filepath.Join(v.directory, "data") } // of raft

// newClient is a client that takes the first answer for the answer, where Vault's own would repeat a 5xx.
func (v *vaultServer) newClient(token string) (*api.Client, error) {
	config := api.DefaultConfig()
	config.Address = v.address
	config.MaxRetries = 0
	config.HttpClient = &http.Client{Transport: recording{v.answers, http.DefaultTransport}}
	client, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	client.SetToken(token)
	client.ClearNamespace()
	return client, nil
}

// connect waits for the server to answer, and has it keep an audit log.
func (v *vaultServer) connect(token string) (err error) {
	if v.client, err = v.newClient(token); err != nil {
		return err
	}
	// The mount table is there last of all.
	if err := v.poll(func() error { _, err := v.client.Logical().Read("sys/mounts"); return err }); err != nil {
		return err
	}
	if v.quiet {
		return nil
	}
	if v.isOpenBao {
		fmt.Println("OpenBao takes audit devices from its configuration file only: the audit log is not looked at")
		return nil
	}
	return v.client.Sys().EnableAuditWithOptions("file", &api.EnableAuditOptions{
		Type: "file", Options: map[string]string{"file_path": v.auditFile(), "log_raw": "false"},
	})
}

// poll repeats what fails while the server is not up yet.
func (v *vaultServer) poll(try func() error) error {
	for deadline := time.Now().Add(time.Minute); ; <-time.After(20 * time.Millisecond) {
		err := try()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(v.logFile())
			return fmt.Errorf("Vault did not start: %w\n%s", err, log)
		}
	}
}

// registerPlugin puts the built plugin into the catalog, under a name that may be another one: each name is a process.
func (v *vaultServer) registerPlugin(name, version string) error {
	return v.registerBinary(name, pluginName, version)
}

func (v *vaultServer) registerBinary(name, file, version string) error {
	binary, err := os.ReadFile(filepath.Join(v.plugins(), file))
	if err != nil {
		return err
	}
	return v.client.Sys().RegisterPlugin(&api.RegisterPluginInput{
		Name: name, Type: api.PluginTypeSecrets, Command: file, Version: version, SHA256: fmt.Sprintf("%x", sha256.Sum256(binary)),
	})
}

// recorder keeps what is written to it.
type recorder struct {
	mu      sync.Mutex
	content bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.content.Write(p)
}

func (r *recorder) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.content.Bytes())
}

// recording is a transport that records the bodies of answers.
type recording struct {
	into *recorder
	http.RoundTripper
}

func (r recording) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.RoundTripper.RoundTrip(req)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(resp.Body, r.into), resp.Body}
	}
	return resp, err
}

// mount is the engine, mounted for one test, with stand-ins of its own.
type mount struct {
	t      *testing.T
	server *vaultServer
	client *api.Client
	path   string
	vendor *sandbox.Sandbox
	url    string
}

func newMount(t *testing.T) *mount {
	t.Helper()
	return newMountOf(t, pluginName)
}

func newMountOf(t *testing.T, plugin string) *mount {
	t.Helper()
	m := mountAt(t, vault, plugin, "apisig-"+strings.ToLower(rand.Text()[:8]))
	t.Cleanup(func() { _ = m.client.Sys().UnmountWithContext(context.Background(), m.path) })
	return m
}

// newApisigMount is the engine at apisig/, where the examples look for it, in a Vault of the test's own.
func newApisigMount(t *testing.T) *mount {
	t.Helper()
	server, err := startVault(t.TempDir())
	require.NoError(t, err)
	return apisigMountOf(t, server)
}

func apisigMountOf(t *testing.T, server *vaultServer) *mount {
	t.Helper()
	server.adopt(t)
	require.NoError(t, server.registerPlugin(pluginName, backend.Version))
	return mountAt(t, server, pluginName, "apisig")
}

// adopt gives a Vault of the test's own the plugin's binary, and searches what it has left behind when the test ends.
func (v *vaultServer) adopt(t *testing.T) {
	t.Helper()
	v.stopAtEnd(t)
	require.NoError(t, os.Link(filepath.Join(vault.plugins(), pluginName), filepath.Join(v.plugins(), pluginName)))
}

func mountAt(t *testing.T, server *vaultServer, plugin, path string) *mount {
	t.Helper()
	m := standInFor(t, server, path)
	require.NoError(t, m.client.Sys().MountWithContext(t.Context(), path, mountInput(plugin, backend.Version)))
	return m
}

func mountInput(plugin, version string) *api.MountInput {
	return &api.MountInput{Type: plugin, Config: api.MountConfigInput{PluginVersion: version}}
}

// standInFor is a mount that somebody else makes, with stand-ins.
func standInFor(t *testing.T, server *vaultServer, path string) *mount {
	t.Helper()
	behaviour := sandbox.Default()
	behaviour.PAVEAPISecret, behaviour.AvananSecretKey = paveSecret, avananSecret
	vendor := sandbox.New(behaviour, time.Now, io.Discard)
	standIn := httptest.NewServer(vendor)
	t.Cleanup(standIn.Close)
	client, err := server.newClient(server.client.Token())
	require.NoError(t, err)
	return &mount{t: t, server: server, client: client, path: path, vendor: vendor, url: standIn.URL}
}

type values = map[string]any

func (m *mount) paveValues() values {
	behaviour := sandbox.Default()
	return values{"username": behaviour.PAVEUsername, "api_key": behaviour.PAVEAPIKey, "api_secret": paveSecret, "base_url": m.url}
}

func (m *mount) avananValues() values {
	return values{"region": "us", "app_id": sandbox.Default().AvananAppID, "secret_key": avananSecret, "base_url": m.url}
}

func with(base values, over ...values) values {
	all := values{}
	for _, some := range append([]values{base}, over...) {
		for name, value := range some {
			all[name] = value
		}
	}
	return all
}

// request sends any request to the mount and returns the status, and the body as Vault has it for all: data, lease,
// warnings, or errors.
func (m *mount) request(method, path string, body any, query ...string) (int, *api.Secret, string) {
	m.t.Helper()
	req := m.client.NewRequest(method, "/v1/"+m.path+"/"+path)
	for i := 0; i < len(query); i += 2 {
		req.Params.Add(query[i], query[i+1])
	}
	switch typed := body.(type) {
	case nil:
	case string:
		req.BodyBytes = []byte(typed)
	default:
		encoded, err := json.Marshal(typed)
		require.NoError(m.t, err)
		req.BodyBytes = encoded
	}
	if method == http.MethodPatch {
		req.Headers.Set("Content-Type", "application/merge-patch+json")
	}
	resp, err := m.client.RawRequestWithContext(m.t.Context(), req) //nolint:staticcheck // the only way to send anything at all
	if failure, is := errors.AsType[*api.ResponseError](err); is {
		return failure.StatusCode, nil, strings.Join(failure.Errors, "\n")
	}
	require.NoError(m.t, err)
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return resp.StatusCode, nil, ""
	}
	secret, err := api.ParseSecret(resp.Body)
	require.NoError(m.t, err)
	return resp.StatusCode, secret, ""
}

// read and write are requests that succeed.
func (m *mount) read(path string, query ...string) *api.Secret {
	m.t.Helper()
	status, secret, text := m.request(http.MethodGet, path, nil, query...)
	require.Equal(m.t, http.StatusOK, status, "%s: %s", path, text)
	return secret
}

func (m *mount) write(path string, body values) {
	m.t.Helper()
	status, _, text := m.request(http.MethodPut, path, body)
	require.Equal(m.t, http.StatusNoContent, status, "%s: %s", path, text)
}

// call calls the vendor with the headers of an answer and returns the status.
func (m *mount) call(url string, headers any) int {
	m.t.Helper()
	req, err := http.NewRequestWithContext(m.t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(m.t, err)
	for name, value := range headers.(values) {
		req.Header.Set(name, value.(string))
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(m.t, err)
	require.NoError(m.t, resp.Body.Close())
	return resp.StatusCode
}

func (m *mount) fault(fault sandbox.Fault) {
	m.vendor.Change(func(b *sandbox.Behaviour) { b.Fault = fault })
}
