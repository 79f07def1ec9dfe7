package e2e

import (
	"net/http"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/backend"
	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// A mount lets declared logins go to loopback if it is enabled with the option, or tuned and then reloaded. The plugin
// has a name of its own here, so that other tests' mounts are not reloaded.
func TestLoopbackLoginsOption(t *testing.T) {
	t.Parallel()
	const plugin = harness.PluginName + "-options"
	require.NoError(t, harness.Shared(t).Register(plugin, harness.PluginName, backend.Version))
	m := harness.Shared(t).Unmounted(t, plugin)
	vault := func(args ...string) {
		command := harness.Command(m.Server.Binary, args...)
		command.Env = m.Server.Environ()
		printed, err := command.CombinedOutput()
		require.NoError(t, err, "%s", printed)
	}
	vault("secrets", "enable", "-path="+m.Path, plugin)
	status, _, text := m.Request(http.MethodPut, "config/custom/us", m.OAuthValues())
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, "token_address is a loopback address, which a login may go to only with the mount's option "+
		"loopback_logins=true")

	vault("secrets", "tune", "-options=loopback_logins=true", m.Path)
	_, err := m.Client.Sys().ReloadPluginWithContext(t.Context(), &api.ReloadPluginInput{Plugin: plugin})
	require.NoError(t, err)
	m.Write("config/custom/us", m.OAuthValues())
	require.Equal(t, http.StatusOK, m.Call(m.URL+"/oauth2/v1/orders", m.Read("creds/custom/us").Data["headers"]))
	status, _, text = m.Request(http.MethodPut, "config/custom/wrong", harness.With(m.OAuthValues(), values{
		"client_secret": harness.NewSecret(),
	}))
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, "it rejects the credentials; check token_address, token_path, client_id")

	vault("secrets", "disable", m.Path)
	vault("secrets", "enable", "-path="+m.Path, "-options=loopback_logins=true", plugin)
	m.Write("config/custom/us", m.OAuthValues())
	vault("secrets", "disable", m.Path)
}
