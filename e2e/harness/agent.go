package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"
)

// AgentFiles are the files that the examples' Agent writes.
var AgentFiles = []string{"pave.headers", "avanan.jwt", "infinity.headers", "oauth2.headers", "apisig.env"}

// Agent is a Vault Agent that renders the templates of examples/agent into a directory.
type Agent struct {
	Directory string
	process   *exec.Cmd
	starts    int
}

// StartAgent starts an Agent that logs in by an AppRole, whose policies are the examples' four readers, and waits
// until it has rendered each file once.
func StartAgent(t *testing.T, m *Mount) *Agent {
	t.Helper()
	a := &Agent{Directory: t.TempDir()}
	policies := []string{"pave-reader", "avanan-token-reader", "infinity-reader", "custom-reader"}
	for _, policy := range policies {
		rules, err := os.ReadFile(Path("examples/policies/" + policy + ".hcl"))
		require.NoError(t, err)
		require.NoError(t, m.Client.Sys().PutPolicyWithContext(t.Context(), policy, string(rules)))
	}
	a.writeAppRole(t, m, strings.Join(policies, ","))
	for _, file := range []string{"agent.hcl", "templates"} {
		require.NoError(t, os.Symlink(Path("examples/agent/"+file), filepath.Join(a.Directory, file)))
	}
	a.run(t, m, "agent", "-config=agent.hcl")
	for _, file := range AgentFiles {
		Eventually(t, func() bool { return a.Read(file) != "" }, file+" is rendered")
	}
	return a
}

// Read is what a file that the Agent renders holds now, or "".
func (a *Agent) Read(file string) string {
	content, _ := os.ReadFile(filepath.Join(a.Directory, file))
	return string(content)
}

// Refreshes waits until a file has held more than count different contents. It calls call again and again meanwhile.
func (a *Agent) Refreshes(t *testing.T, file string, count int, call func()) {
	t.Helper()
	distinct := map[string]bool{}
	Eventually(t, func() bool {
		call()
		distinct[a.Read(file)] = true
		return len(distinct) > count
	}, "refreshes of "+file)
}

// StartTokenAgent starts an Agent with examples/proxy/agent.hcl, which logs in by an AppRole with a policy, and waits
// until it has written a proxy's token. changes are pairs of a text of that file and what takes its place.
func StartTokenAgent(t *testing.T, m *Mount, p *Proxy, policy string, changes ...string) *Agent {
	t.Helper()
	a := &Agent{Directory: t.TempDir()}
	a.writeAppRole(t, m, policy)
	content, err := os.ReadFile(Path("examples/proxy/agent.hcl"))
	require.NoError(t, err)
	changes = append(changes, "/etc/apisig-agent", a.Directory, "/run/apisig-agent/token", p.TokenFile())
	config := strings.NewReplacer(changes...).Replace(string(content))
	require.NoError(t, os.WriteFile(filepath.Join(a.Directory, "agent.hcl"), []byte(config), 0o600))
	a.StartAgain(t, m)
	Eventually(t, func() bool { _, err := os.Stat(p.TokenFile()); return err == nil }, "the token is written")
	return a
}

// StartAgain starts an Agent that was killed.
func (a *Agent) StartAgain(t *testing.T, m *Mount) {
	t.Helper()
	a.run(t, m, "agent", "-config=agent.hcl")
}

// Kill ends the process with SIGKILL.
func (a *Agent) Kill(t *testing.T) {
	t.Helper()
	require.NoError(t, a.process.Process.Kill())
	_ = a.process.Wait()
}

// StartVaultProxy starts Vault Proxy with examples/agent/vault-proxy.hcl, which logs in by an AppRole with a policy of
// the examples, and returns the address that it serves.
func StartVaultProxy(t *testing.T, m *Mount, policy string) string {
	t.Helper()
	a := &Agent{Directory: t.TempDir()}
	rules, err := os.ReadFile(Path("examples/policies/" + policy + ".hcl"))
	require.NoError(t, err)
	require.NoError(t, m.Client.Sys().PutPolicyWithContext(t.Context(), policy, string(rules)))
	a.writeAppRole(t, m, policy)
	address, err := FreeAddress()
	require.NoError(t, err)
	content, err := os.ReadFile(Path("examples/agent/vault-proxy.hcl"))
	require.NoError(t, err)
	config := strings.ReplaceAll(string(content), "127.0.0.1:8100", address)
	require.NoError(t, os.WriteFile(filepath.Join(a.Directory, "vault-proxy.hcl"), []byte(config), 0o600))
	a.run(t, m, "proxy", "-config=vault-proxy.hcl")
	return "http://" + address
}

// writeAppRole makes an AppRole with policies, and writes its ids where Agent reads them.
func (a *Agent) writeAppRole(t *testing.T, m *Mount, policies string) {
	t.Helper()
	enable := &api.EnableAuthOptions{Type: "approle"}
	require.NoError(t, m.Client.Sys().EnableAuthWithOptionsWithContext(t.Context(), "approle", enable))
	logical := m.Client.Logical()
	_, err := logical.WriteWithContext(t.Context(), "auth/approle/role/agent", Values{"token_policies": policies})
	require.NoError(t, err)
	role, err := logical.ReadWithContext(t.Context(), "auth/approle/role/agent/role-id")
	require.NoError(t, err)
	secret, err := logical.WriteWithContext(t.Context(), "auth/approle/role/agent/secret-id", nil)
	require.NoError(t, err)
	for file, content := range map[string]any{"role-id": role.Data["role_id"], "secret-id": secret.Data["secret_id"]} {
		require.NoError(t, os.WriteFile(filepath.Join(a.Directory, file), []byte(content.(string)), 0o600))
	}
}

// run runs a command of Vault in the directory until the test ends.
func (a *Agent) run(t *testing.T, m *Mount, command, config string) {
	t.Helper()
	run := Command(m.Server.Binary, command, config, "-log-level=trace")
	run.Dir = a.Directory
	run.Env = append(os.Environ(), "VAULT_ADDR="+m.Server.Address, "BAO_ADDR="+m.Server.Address, "HOME="+a.Directory)
	a.process = run
	a.starts++
	Background(t, run, filepath.Join(a.Directory, fmt.Sprintf("%s-%d.log", command, a.starts)), Canary)
}
