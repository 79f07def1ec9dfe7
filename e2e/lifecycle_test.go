package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/backend"
	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// A lease can be revoked after its config is deleted and while the vendor is down, and so can all of them at once, by
// disabling the mount. A config that is written again gets a new JWT.
func TestLeasesAreRevokedWithoutConfigOrVendor(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	for _, vendor := range m.TokenVendors() {
		t.Run(vendor.Name, func(t *testing.T) {
			m := m.In(t)
			config, creds := "config/"+vendor.Name+"/us", "creds/"+vendor.Name+"/us"
			m.Write(config, vendor.Values)
			second, third := m.Read(creds), m.Read(creds)
			status, _, text := m.Request(http.MethodDelete, config, nil)
			require.Equal(t, http.StatusNoContent, status, text)
			m.Fault(sandbox.Break)
			defer m.Fault(sandbox.None)
			m.Revoke(second, third)
			require.Empty(t, m.LeasesOf(vendor.Name))
			require.Empty(t, m.IrrevocableLeases())
			m.Fault(sandbox.None)
			m.Write(config, harness.With(vendor.Values, values{"verify": false}))
			require.NotEqual(t, harness.Token(third), harness.Token(m.Read(creds)))

			for range 50 {
				m.Read(creds)
			}
			require.Len(t, m.LeasesOf(vendor.Name), 51)
			_, _, text = m.Request(http.MethodDelete, config, nil)
			require.Empty(t, text)
		})
	}
	m.Fault(sandbox.Break)
	require.NoError(t, m.Client.Sys().UnmountWithContext(t.Context(), m.Path))
	for _, vendor := range m.TokenVendors() { //nolint:paralleltest // the subtests above share a stand-in
		require.Empty(t, m.LeasesOf(vendor.Name))
	}
	require.Empty(t, m.IrrevocableLeases())
}

// A reload of the plugin loses the JWTs in memory and nothing else. The plugin is registered with another name here, so
// it has a process of its own, and other tests' mounts are not reloaded.
func TestReloadKeepsConfigsAndLeases(t *testing.T) {
	t.Parallel()
	const plugin = harness.PluginName + "-reloaded"
	require.NoError(t, harness.Shared(t).Register(plugin, harness.PluginName, backend.Version))
	m := harness.NewMountOf(t, plugin)
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	m.Write("config/infinity/us", m.InfinityValues())
	before, portal := m.Read("creds/avanan/us"), m.Read("creds/infinity/us")
	handshakes := m.Vendor.Handshakes()
	_, err := m.Client.Sys().ReloadPluginWithContext(t.Context(), &api.ReloadPluginInput{Plugin: plugin})
	require.NoError(t, err)
	m.Read("creds/pave/main")
	after := m.Read("creds/avanan/us")
	require.NotEqual(t, before.Data["token"], after.Data["token"])
	require.Equal(t, handshakes+1, m.Vendor.Handshakes(), "the date format that was found is stored")
	require.NotEqual(t, portal.Data["token"], m.Read("creds/infinity/us").Data["token"])
	m.Revoke(before, after, portal)
	require.Empty(t, m.IrrevocableLeases())
}

// A lease expires without a call to the vendor.
func TestLeaseExpiresWhileVendorIsDown(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	for _, vendor := range m.TokenVendors() {
		vendor.Live(4 * time.Second)
		m.Write("config/"+vendor.Name+"/us", harness.With(vendor.Values, values{"min_ttl": 1}))
		secret := m.Read("creds/" + vendor.Name + "/us")
		require.LessOrEqual(t, secret.LeaseDuration, 3)
		require.GreaterOrEqual(t, secret.LeaseDuration, 1)
	}
	m.Fault(sandbox.Break)
	for _, vendor := range m.TokenVendors() {
		harness.Eventually(t, func() bool { return len(m.LeasesOf(vendor.Name)) == 0 }, "the lease ends")
	}
	require.Empty(t, m.IrrevocableLeases())
}

// Vault rejects a registration whose version is not the one that the plugin reports.
func TestRegisteredVersionMustMatch(t *testing.T) {
	t.Parallel()
	err := harness.Shared(t).Register(harness.PluginName+"-misversioned", harness.PluginName, "v9.9.9")
	require.ErrorContains(t, err, backend.Version)
	printed, err := harness.Command(harness.Plugin(t), "-version").Output()
	require.NoError(t, err)
	require.Equal(t, backend.Version+"\n", string(printed))
}

// The vault command line works with the engine as operators and pipelines use it, and prints no secret.
func TestVaultCommandLine(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	cli := func(stdin string, args ...string) (string, error) {
		run := harness.Command(m.Server.Binary, args...)
		run.Env = m.Server.Environ()
		run.Stdin = strings.NewReader(stdin)
		printed, err := run.CombinedOutput()
		require.NotContains(t, string(printed), harness.Canary)
		return string(printed), err
	}
	succeed := func(stdin string, args ...string) string {
		printed, err := cli(stdin, args...)
		require.NoError(t, err, printed)
		return printed
	}
	key := "api_key=" + sandbox.Default().PAVEAPIKey
	succeed(harness.PaveSecret,
		"write", m.Path+"/config/pave/main", "username=acme", key, "api_secret=-", "base_url="+m.URL)
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(harness.AvananSecret), 0o600))
	succeed("", "write", m.Path+"/config/avanan/us", "app_id=US:sandbox", "secret_key=@"+file, "base_url="+m.URL)

	succeed(harness.InfinitySecret,
		"write", m.Path+"/config/infinity/us", "client_id=sandbox-client", "access_key=-",
		"base_url="+m.URL+"/auth/external")
	require.Contains(t, succeed("", "read", "-field=header_lines", m.Path+"/creds/infinity/us"), "Authorization: Bearer ")
	require.Contains(t, succeed("", "path-help", m.Path+"/creds/infinity/us"), "The token alone opens everything")

	require.Contains(t, succeed("", "read", m.Path+"/config/pave/main"), "2m30s")
	read := succeed("", "read", "-format=json", m.Path+"/creds/pave/main")
	require.Contains(t, read, `"API-Key": "`+sandbox.Default().PAVEAPIKey+`"`)
	require.Contains(t, succeed("", "read", "-field=region", m.Path+"/creds/avanan/us"), "us")
	require.Contains(t, succeed("", "read", m.Path+"/sign/avanan/us", "request_string=/v1.0/scopes"), "x-av-sig")
	require.Contains(t, succeed("", "write", m.Path+"/sign/avanan/us", "request_string=/v1.0/scopes"), "x-av-sig")
	require.Contains(t, succeed("", "write", "-f", m.Path+"/creds/pave/main"), "rotation_period")
	batch := succeed("", "write", "-format=json", m.Path+"/sign/avanan/us/batch",
		"request_strings=/v1.0/event/1", "request_strings=/v1.0/event/2")
	require.Contains(t, batch, m.URL+"/v1.0/event/1")
	require.Contains(t, batch, m.URL+"/v1.0/event/2")
	succeed("", "patch", m.Path+"/config/pave/main", "ttl=100")
	require.Equal(t, "100", strings.TrimSpace(succeed("", "read", "-field=ttl", m.Path+"/config/pave/main")))
	require.Contains(t, succeed("", "list", m.Path+"/config/pave"), "main")
	require.Contains(t, succeed("", "path-help", m.Path+"/sign/avanan/us"), "The signature covers neither")
	succeed("", "delete", m.Path+"/config/pave/main")

	printed, err := cli("", "read", m.Path+"/creds/pave/main")
	require.Error(t, err)
	require.Contains(t, printed, "Code: 400")
	require.Contains(t, printed, "there is no config at "+m.Path+"/config/pave/main; write one first: vault write")
	printed, err = cli(harness.PaveSecret+"\n",
		"write", m.Path+"/config/pave/main", "username=acme", key, "api_secret=-")
	require.Error(t, err)
	require.Contains(t, printed, "api_secret contains a newline")
}
