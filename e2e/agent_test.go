package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// agent is a Vault Agent that renders the templates of examples/agent into a directory.
type agent struct {
	m         *mount
	directory string
}

// startAgent logs an Agent in by an AppRole whose policies are the examples' two readers.
func startAgent(t *testing.T, m *mount) *agent {
	t.Helper()
	a := &agent{m: m, directory: t.TempDir()}
	for _, policy := range []string{"pave-reader", "avanan-token-reader"} {
		rules, err := os.ReadFile("../examples/policies/" + policy + ".hcl")
		require.NoError(t, err)
		require.NoError(t, m.client.Sys().PutPolicyWithContext(t.Context(), policy, string(rules)))
	}
	require.NoError(t, m.client.Sys().EnableAuthWithOptionsWithContext(t.Context(), "approle", &api.EnableAuthOptions{Type: "approle"}))
	logical := m.client.Logical()
	_, err := logical.WriteWithContext(t.Context(), "auth/approle/role/agent", values{"token_policies": "pave-reader,avanan-token-reader"})
	require.NoError(t, err)
	role, err := logical.ReadWithContext(t.Context(), "auth/approle/role/agent/role-id")
	require.NoError(t, err)
	secret, err := logical.WriteWithContext(t.Context(), "auth/approle/role/agent/secret-id", nil)
	require.NoError(t, err)
	for file, content := range map[string]any{"role-id": role.Data["role_id"], "secret-id": secret.Data["secret_id"]} {
		require.NoError(t, os.WriteFile(filepath.Join(a.directory, file), []byte(content.(string)), 0o600))
	}
	examples, err := filepath.Abs("../examples/agent")
	require.NoError(t, err)
	for _, file := range []string{"agent.hcl", "templates"} {
		require.NoError(t, os.Symlink(filepath.Join(examples, file), filepath.Join(a.directory, file)))
	}
	log, err := os.Create(filepath.Join(a.directory, "agent.log"))
	require.NoError(t, err)
	run := command(m.server.binary, "agent", "-config=agent.hcl", "-log-level=trace")
	run.Dir = a.directory
	run.Env = append(os.Environ(), "VAULT_ADDR="+m.server.address, "BAO_ADDR="+m.server.address, "HOME="+a.directory)
	run.Stdout, run.Stderr = log, log
	require.NoError(t, run.Start())
	t.Cleanup(func() {
		_ = run.Process.Signal(os.Interrupt)
		_ = run.Wait()
		content, err := os.ReadFile(log.Name())
		require.NoError(t, err)
		require.NotContains(t, string(content), canary)
		if t.Failed() {
			t.Logf("%s", content)
		}
	})
	for _, file := range []string{"pave.curl", "avanan.jwt", "apisig.env"} {
		eventually(t, func() bool { return a.read(file) != "" }, file+" is rendered")
	}
	return a
}

func (a *agent) read(file string) string {
	content, _ := os.ReadFile(filepath.Join(a.directory, file))
	return string(content)
}

var (
	curlHeader  = regexp.MustCompile(`(?m)^header = "([^:]+): (.*)"$`)
	envVariable = regexp.MustCompile(`(?m)^([A-Z_]+)='(.*)'$`)
)

func (a *agent) paveHeaders() values {
	headers := values{}
	for _, match := range curlHeader.FindAllStringSubmatch(a.read("pave.curl"), -1) {
		headers[match[1]] = match[2]
	}
	return headers
}

func (a *agent) environment() map[string]string {
	environment := map[string]string{}
	for _, match := range envVariable.FindAllStringSubmatch(a.read("apisig.env"), -1) {
		environment[match[1]] = match[2]
	}
	return environment
}

// refreshes counts what a file has held, while a client that reads it at any moment is never refused.
func (a *agent) refreshes(t *testing.T, file string, count int, call func()) {
	t.Helper()
	distinct := map[string]bool{}
	eventually(t, func() bool {
		call()
		distinct[a.read(file)] = true
		return len(distinct) > count
	}, "refreshes of "+file)
}

// shortLived has everything end in seconds: the headers are to be read again after one, the JWTs live for five.
func shortLived(m *mount) {
	m.vendor.Change(func(b *sandbox.Behaviour) { b.TokenLife = 5 * time.Second })
	m.write("config/pave/main", with(m.paveValues(), values{"ttl": 1}))
	m.write("config/avanan/us", with(m.avananValues(), values{"min_ttl": 3, "date_format": "zoneless"}))
}

// Agent refreshes the headers by the ttl in the answer and the JWT by its lease, where its own default would be every
// five minutes, and at no moment does a file hold what the vendor refuses.
func TestAgentKeepsFilesFresh(t *testing.T) {
	t.Parallel()
	m := newApisigMount(t)
	shortLived(m)
	a := startAgent(t, m)
	for _, file := range []string{"pave.curl", "avanan.jwt", "apisig.env"} {
		info, err := os.Stat(filepath.Join(a.directory, file))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode(), file)
	}
	a.refreshes(t, "pave.curl", 5, func() {
		require.Equal(t, http.StatusOK, m.call(m.url+"/v1/sessions", a.paveHeaders()))
	})
	a.refreshes(t, "avanan.jwt", 5, func() {
		require.True(t, m.vendor.Living(strings.TrimSpace(a.read("avanan.jwt"))), "the vendor takes the JWT in the file")
	})
	environment := a.environment()
	require.Equal(t, http.StatusOK, m.call(environment["PAVE_BASE_URL"]+"/v1/sessions", values{
		"API-Key": environment["PAVE_API_KEY"], "API-Token": environment["PAVE_API_TOKEN"], "API-Timestamp": environment["PAVE_API_TIMESTAMP"],
	}))
	require.Equal(t, "US:sandbox", environment["AVANAN_APP_ID"])
	require.True(t, m.vendor.Living(environment["AVANAN_TOKEN"]))
}

// While the vendor is down the old file stays; when it is back so is a new JWT.
func TestAgentWhileTheVendorIsDown(t *testing.T) {
	t.Parallel()
	m := newApisigMount(t)
	shortLived(m)
	a := startAgent(t, m)
	m.fault(sandbox.Break)
	eventually(t, func() bool {
		kept := strings.TrimSpace(a.read("avanan.jwt"))
		return kept != "" && !m.vendor.Living(kept)
	}, "the file stays, past the life of its JWT")
	headers := a.read("pave.curl")
	eventually(t, func() bool { return a.read("pave.curl") != headers }, "the headers, which need no vendor, go on")
	m.fault(sandbox.None)
	eventually(t, func() bool { return m.vendor.Living(strings.TrimSpace(a.read("avanan.jwt"))) }, "a new JWT")
}

// A plugin process that is killed is started again by Vault, and Agent goes on.
func TestAgentWhenThePluginIsKilled(t *testing.T) {
	t.Parallel()
	m := newApisigMount(t)
	shortLived(m)
	a := startAgent(t, m)
	killPlugin(t, m.server)
	a.refreshes(t, "pave.curl", 2, func() {})
	a.refreshes(t, "avanan.jwt", 2, func() {})
}

// killPlugin kills the plugin's process with the signal that can not be caught.
func killPlugin(t *testing.T, server *vaultServer) {
	t.Helper()
	needsProc(t)
	processes := pluginProcesses(server)
	require.Len(t, processes, 1)
	require.NoError(t, command("kill", "-9", filepath.Base(processes[0])).Run())
}

// needsProc skips a test on a system that does not show its processes.
func needsProc(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/proc/self/exe"); err != nil {
		t.Skip("this system has no /proc to look at the plugin's process in")
	}
}

// pluginProcesses are the folders under /proc of the plugin's processes; none where there is no /proc.
func pluginProcesses(server *vaultServer) []string {
	return processesOf(filepath.Join(server.plugins(), pluginName))
}

func processesOf(executable string) []string {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	var processes []string
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == executable {
			processes = append(processes, filepath.Dir(link))
		}
	}
	return processes
}
