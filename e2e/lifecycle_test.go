package e2e

import (
	"net/http"
	"os"
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

// eventually polls until a condition holds, in the test's own goroutine, since conditions may end the test.
func eventually(t *testing.T, holds func() bool, what string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !holds(); <-time.After(20 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "waited for: %s", what)
	}
}

// leases lists those of config us.
func (m *mount) leases() []any {
	m.t.Helper()
	listed, err := m.client.Logical().ListWithContext(m.t.Context(), "sys/leases/lookup/"+m.path+"/creds/avanan/us")
	require.NoError(m.t, err)
	if listed == nil {
		return nil
	}
	keys, _ := listed.Data["keys"].([]any)
	return keys
}

// irrevocableLeases are those of the mount that Vault has given up on.
func (m *mount) irrevocableLeases() []any {
	m.t.Helper()
	listed, err := m.client.Logical().ReadWithDataWithContext(m.t.Context(), "sys/leases", map[string][]string{"type": {"irrevocable"}})
	require.NoError(m.t, err)
	found, _ := listed.Data["leases"].([]any)
	var ours []any
	for _, lease := range found {
		if fields, is := lease.(values); is && strings.HasPrefix(fields["lease_id"].(string), m.path) {
			ours = append(ours, lease)
		}
	}
	return ours
}

// A thousand readers of a config that nobody has read yet cost the vendor one handshake.
func TestColdReadersShareOneHandshake(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false, "date_format": "zoneless"}))
	m.vendor.Change(func(b *sandbox.Behaviour) { b.Latency = time.Second })
	tokens := make(chan string, 1000)
	var readers sync.WaitGroup
	for range 1000 {
		readers.Go(func() {
			secret, err := m.client.Logical().ReadWithContext(t.Context(), m.path+"/creds/avanan/us")
			if err != nil {
				t.Error(err)
				return
			}
			tokens <- secret.Data["token"].(string)
		})
	}
	readers.Wait()
	close(tokens)
	distinct := map[string]int{}
	for token := range tokens {
		distinct[token]++
	}
	require.Len(t, distinct, 1)
	require.Equal(t, 1, m.vendor.Handshakes())
}

// A JWT that is in use and soon too old is renewed by Vault's own call of every minute, with no reader there to wait.
func TestRenewedAhead(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"min_ttl": "58m"}))
	old := m.read("creds/avanan/us").Data["token"]
	handshakes := m.vendor.Handshakes()
	eventually(t, func() bool { return m.vendor.Handshakes() > handshakes }, "Vault's call")
	eventually(t, func() bool { return m.read("creds/avanan/us").Data["token"] != old }, "the new JWT")
}

// A lease can be revoked though its config is gone and the vendor down, and a config that is back has a JWT of its own.
func TestRevokeAfterTheConfigIsGone(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	first := m.read("creds/avanan/us")
	second := m.read("creds/avanan/us")
	require.Equal(t, first.Data["token"], second.Data["token"])
	require.NoError(t, m.client.Sys().RevokeWithOptionsWithContext(t.Context(), &api.RevokeOptions{LeaseID: first.LeaseID, Sync: true}))
	third := m.read("creds/avanan/us")
	require.NotEqual(t, first.Data["token"], third.Data["token"], "the engine forgot it")

	status, _, text := m.request(http.MethodDelete, "config/avanan/us", nil)
	require.Equal(t, http.StatusNoContent, status, text)
	m.fault(sandbox.Break)
	for _, secret := range []*api.Secret{second, third} {
		require.NoError(t, m.client.Sys().RevokeWithOptionsWithContext(t.Context(), &api.RevokeOptions{LeaseID: secret.LeaseID, Sync: true}))
	}
	require.Empty(t, m.leases())
	require.Empty(t, m.irrevocableLeases())
	m.fault(sandbox.None)
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false}))
	require.NotEqual(t, third.Data["token"], m.read("creds/avanan/us").Data["token"])
}

// The mount can be disabled at once with live leases, no config, and the vendor down.
func TestDisableWithLiveLeases(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	for range 50 {
		m.read("creds/avanan/us")
	}
	require.Len(t, m.leases(), 50)
	_, _, text := m.request(http.MethodDelete, "config/avanan/us", nil)
	require.Empty(t, text)
	m.fault(sandbox.Break)
	require.NoError(t, m.client.Sys().UnmountWithContext(t.Context(), m.path))
	require.Empty(t, m.leases())
	require.Empty(t, m.irrevocableLeases())
}

// A reload of the plugin loses the JWTs in memory and nothing else. The plugin has a name, and with it a process, of its
// own here: other mounts keep theirs.
func TestReloadWithLiveLeases(t *testing.T) {
	t.Parallel()
	const plugin = pluginName + "-reloaded"
	require.NoError(t, vault.registerPlugin(plugin, backend.Version))
	m := newMountOf(t, plugin)
	m.write("config/pave/main", m.paveValues())
	m.write("config/avanan/us", m.avananValues())
	before := m.read("creds/avanan/us")
	handshakes := m.vendor.Handshakes()
	_, err := m.client.Sys().ReloadPluginWithContext(t.Context(), &api.ReloadPluginInput{Plugin: plugin})
	require.NoError(t, err)
	m.read("creds/pave/main")
	after := m.read("creds/avanan/us")
	require.NotEqual(t, before.Data["token"], after.Data["token"])
	require.Equal(t, handshakes+1, m.vendor.Handshakes(), "the date format that was found is stored")
	for _, secret := range []*api.Secret{before, after} {
		require.NoError(t, m.client.Sys().RevokeWithOptionsWithContext(t.Context(), &api.RevokeOptions{LeaseID: secret.LeaseID, Sync: true}))
	}
	require.Empty(t, m.irrevocableLeases())
}

// A lease that ends by itself is gone without a word to the vendor.
func TestLeaseEnds(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.vendor.Change(func(b *sandbox.Behaviour) { b.TokenLife = 4 * time.Second })
	m.write("config/avanan/us", with(m.avananValues(), values{"min_ttl": 1}))
	secret := m.read("creds/avanan/us")
	require.LessOrEqual(t, secret.LeaseDuration, 3)
	require.GreaterOrEqual(t, secret.LeaseDuration, 1)
	m.fault(sandbox.Break)
	eventually(t, func() bool { return len(m.leases()) == 0 }, "the lease ends")
	require.Empty(t, m.irrevocableLeases())
}

// A new secret is tried before it takes the old one's place, and the old JWT is not handed out after.
func TestRotatedSecret(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	old := m.read("creds/avanan/us").Data["token"]
	status, _, _ := m.request(http.MethodPut, "config/avanan/us", values{"secret_key": newSecret()})
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, old, m.read("creds/avanan/us").Data["token"])
	rotated := newSecret()
	m.vendor.Change(func(b *sandbox.Behaviour) { b.AvananSecretKey = rotated })
	m.write("config/avanan/us", values{"secret_key": rotated})
	require.NotEqual(t, old, m.read("creds/avanan/us").Data["token"])
	signed := m.read("sign/avanan/us", "request_string", "/v1.0/scopes")
	require.Equal(t, http.StatusOK, m.call(m.url+"/v1.0/scopes", signed.Data["headers"]))
}

// The version that a registration says must be the one that the plugin runs as.
func TestVersionIsWhatRegistrationSays(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, vault.registerPlugin(pluginName+"-misversioned", "v9.9.9"), backend.Version)
	printed, err := command(filepath.Join(vault.plugins(), pluginName), "-version").Output()
	require.NoError(t, err)
	require.Equal(t, backend.Version+"\n", string(printed))
}

// The command line, as an operator and a pipeline type it.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	cli := func(stdin string, args ...string) (string, error) {
		run := command(vault.binary, args...)
		run.Env = vault.environ()
		run.Stdin = strings.NewReader(stdin)
		printed, err := run.CombinedOutput()
		require.NotContains(t, string(printed), canary)
		return string(printed), err
	}
	succeed := func(stdin string, args ...string) string {
		printed, err := cli(stdin, args...)
		require.NoError(t, err, printed)
		return printed
	}
	key := sandbox.Default().PAVEAPIKey
	succeed(paveSecret, "write", m.path+"/config/pave/main", "username=acme", "api_key="+key, "api_secret=-", "base_url="+m.url)
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(avananSecret), 0o600))
	succeed("", "write", m.path+"/config/avanan/us", "app_id=US:sandbox", "secret_key=@"+file, "base_url="+m.url)

	require.Contains(t, succeed("", "read", m.path+"/config/pave/main"), "2m30s")
	require.Contains(t, succeed("", "read", "-format=json", m.path+"/creds/pave/main"), `"API-Key": "`+key+`"`)
	require.Contains(t, succeed("", "read", "-field=region", m.path+"/creds/avanan/us"), "us")
	require.Contains(t, succeed("", "read", m.path+"/sign/avanan/us", "request_string=/v1.0/scopes"), "x-av-sig")
	require.Contains(t, succeed("", "write", m.path+"/sign/avanan/us", "request_string=/v1.0/scopes"), "x-av-sig")
	require.Contains(t, succeed("", "write", "-f", m.path+"/creds/pave/main"), "rotation_period")
	batch := succeed("", "write", "-format=json", m.path+"/sign/avanan/us/batch", "request_strings=/v1.0/event/1", "request_strings=/v1.0/event/2")
	require.Contains(t, batch, m.url+"/v1.0/event/1")
	require.Contains(t, batch, m.url+"/v1.0/event/2")
	succeed("", "patch", m.path+"/config/pave/main", "ttl=100")
	require.Equal(t, "100", strings.TrimSpace(succeed("", "read", "-field=ttl", m.path+"/config/pave/main")))
	require.Contains(t, succeed("", "list", m.path+"/config/pave"), "main")
	require.Contains(t, succeed("", "path-help", m.path+"/sign/avanan/us"), "covers neither the method nor the body")
	succeed("", "delete", m.path+"/config/pave/main")

	printed, err := cli("", "read", m.path+"/creds/pave/main")
	require.Error(t, err)
	require.Contains(t, printed, "Code: 400")
	require.Contains(t, printed, "there is no config at "+m.path+"/config/pave/main; write one first: vault write")
	printed, err = cli(paveSecret+"\n", "write", m.path+"/config/pave/main", "username=acme", "api_key="+key, "api_secret=-")
	require.Error(t, err)
	require.Contains(t, printed, "api_secret holds a newline")
}
