package cluster

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/backend"
	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// earlier are commits whose configs and leases must keep working, by what they are.
var earlier = map[string]string{
	"the first with the whole engine":                           "71db71a",
	"the last before the vendors' fields were declared as data": "d310206",
}

// installEarlier builds the plugin of a commit, as a given version, into a server's plugin directory and registers it.
func installEarlier(t *testing.T, server *harness.Server, commit, version string) {
	t.Helper()
	if printed, err := harness.Command("git", "cat-file", "-e", commit+"^{commit}").CombinedOutput(); err != nil {
		t.Skipf("%s is not in this clone's history: %s", commit, printed)
	}
	sources, archive := t.TempDir(), filepath.Join(t.TempDir(), "sources.tar")
	pack := []string{"-C", harness.Path("."), "archive", "-o", archive, commit, "go.mod", "go.sum", "cmd", "backend", "internal"}
	harness.Run(t, harness.Command("git", pack...))
	harness.Run(t, harness.Command("tar", "-xf", archive, "-C", sources))
	file := harness.PluginName + "-" + version
	build := harness.GoBuild(filepath.Join(server.Plugins(), file), "./cmd/vault-plugin-apisig", harness.AsVersion(version)...)
	build.Dir = sources
	harness.Run(t, build)
	require.NoError(t, server.Register(harness.PluginName, file, version))
}

// runAs changes the mount to another version of the plugin.
func (m mount) runAs(version string) {
	m.T.Helper()
	logical, ctx := m.Client.Logical(), m.T.Context()
	_, err := logical.WriteWithContext(ctx, "sys/mounts/"+m.Path+"/tune", values{"plugin_version": version})
	require.NoError(m.T, err)
	_, err = logical.WriteWithContext(ctx, "sys/plugins/reload/backend", values{"mounts": m.Path + "/"})
	require.NoError(m.T, err)
	running, err := logical.ReadWithContext(ctx, "sys/mounts/"+m.Path)
	require.NoError(m.T, err)
	require.Equal(m.T, version, running.Data["running_plugin_version"])
}

// holds requires that configs read as they were written, except secrets. A version may have further fields.
func (m mount) holds(configs map[string]values) {
	m.T.Helper()
	for path, written := range configs {
		read := m.Read(path).Data
		for field, value := range written {
			if field != "api_secret" && field != "secret_key" {
				require.Equal(m.T, value, read[field], "%s of %s", field, path)
			}
		}
	}
}

// serves requires that the vendors accept what the named configs sign.
func (m mount) serves(pave, avanan string) {
	m.T.Helper()
	require.Equal(m.T, http.StatusOK, m.Call(m.URL+"/v1/sessions", m.Read("creds/pave/" + pave).Data["headers"]))
	signed := m.Read("sign/avanan/"+avanan, "request_string", "/v1.0/scopes")
	require.Equal(m.T, http.StatusOK, m.Call(m.URL+"/v1.0/scopes", signed.Data["headers"]))
	require.True(m.T, m.Vendor.Living(m.Read("creds/avanan/" + avanan).Data["token"].(string)))
}

// end revokes leases while the vendor is down. Vault knows each of them until then.
func (m mount) end(leases ...*api.Secret) {
	m.T.Helper()
	m.Fault(sandbox.Break)
	defer m.Fault(sandbox.None)
	for _, lease := range leases {
		found, err := m.Client.Sys().LookupWithContext(m.T.Context(), lease.LeaseID)
		require.NoError(m.T, err)
		require.NotEmpty(m.T, found.Data["expire_time"])
		err = m.Client.Sys().RevokeWithOptionsWithContext(m.T.Context(), &api.RevokeOptions{LeaseID: lease.LeaseID, Sync: true})
		require.NoError(m.T, err)
		_, err = m.Client.Sys().LookupWithContext(m.T.Context(), lease.LeaseID)
		require.Error(m.T, err, "the lease is gone")
	}
}

// Upgrading from an earlier version and going back both work: each version reads, keeps and uses the configs that the
// other stored, and revokes the other's leases.
func TestUpgradeFromEarlierVersionsAndBack(t *testing.T) {
	t.Parallel()
	for name, commit := range earlier {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upgradeAndBack(t, commit)
		})
	}
}

func upgradeAndBack(t *testing.T, commit string) {
	t.Helper()
	const first = "v0.0.9"
	server := harness.Start(t)
	installEarlier(t, server, commit, first)
	require.NoError(t, server.AddPlugin())
	require.NoError(t, server.Register(harness.PluginName, harness.PluginName, backend.Version))
	m := mount{server.Unmounted(t, "apisig")}
	m.Enable(harness.PluginName, first)
	m.runAs(first)

	trusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(trusted.Close)
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: trusted.Certificate().Raw}))
	configs := map[string]values{
		"config/pave/main": harness.With(m.PaveValues(), values{"ttl": json.Number("100"), "timestamp_format": "unix"}),
		"config/avanan/us": harness.With(m.AvananValues(), values{
			"date_format": "auto", "min_ttl": json.Number("1200"), "request_timeout": json.Number("7"), "ca_cert": certificate,
		}),
	}
	for path, config := range configs {
		m.Write(path, config)
	}
	odd := m.writeOdd()
	m.holds(configs)
	m.holds(odd)
	m.serves("main", "us")
	endedByNew, survivor := m.Read("creds/avanan/us"), m.Read("creds/avanan/us")
	handshakes := m.Vendor.Handshakes()

	m.runAs(backend.Version)
	m.holds(configs)
	m.serves("main", "us")
	require.Equal(t, handshakes+1, m.Vendor.Handshakes(), "the date format that was found is stored")
	m.end(endedByNew)
	m.usesOdd(odd)

	// A partial write keeps what the other version stored, including the secret.
	for path, change := range map[string]values{
		"config/pave/main": {"timestamp_format": "rfc3339-ms"},
		"config/avanan/us": {"min_ttl": json.Number("1500"), "verify": true},
	} {
		m.Write(path, change)
		delete(change, "verify")
		configs[path] = harness.With(configs[path], change)
	}
	for path, config := range map[string]values{
		"config/pave/new":   harness.With(m.PaveValues(), values{"ttl": json.Number("60"), "timestamp_format": "rfc3339"}),
		"config/avanan/new": harness.With(m.AvananValues(), values{"min_ttl": json.Number("60"), "ca_cert": certificate}),
	} {
		m.Write(path, config)
		configs[path] = config
	}
	m.holds(configs)
	m.serves("new", "new")
	endedByOld, fromNew := m.Read("creds/avanan/us"), m.Read("creds/avanan/new")

	m.runAs(first)
	m.holds(configs)
	m.holds(odd)
	m.serves("main", "us")
	m.serves("new", "new")
	m.end(endedByOld, fromNew, survivor)
	m.Write("config/avanan/us", values{"min_ttl": json.Number("900")})
	require.Equal(t, json.Number("900"), m.Read("config/avanan/us").Data["min_ttl"])

	// And forward once more: the mount can be disabled with leases of both versions while the vendor is down.
	m.runAs(backend.Version)
	m.serves("main", "us")
	require.NotEmpty(t, m.Leases())
	require.Empty(t, m.IrrevocableLeases())
	m.Fault(sandbox.Break)
	require.NoError(t, m.Client.Sys().UnmountWithContext(t.Context(), m.Path))
	require.Empty(t, m.Leases())
	require.Empty(t, m.IrrevocableLeases())
}

// writeOdd writes configs with values that are rejected today, and returns how they read.
func (m mount) writeOdd() map[string]values {
	m.T.Helper()
	odd := map[string]values{
		"config/pave/odd": harness.With(m.PaveValues(), values{
			"api_key": "a\"b'c`d\\e$f", "base_url": "https://gateway.example/$HOME", "ttl": json.Number("20"),
		}),
		"config/avanan/odd": harness.With(m.AvananValues(), values{
			"app_id": "US:a\"b'c`d\\e$f", "base_url": m.URL + "/$HOME", "min_ttl": json.Number("86400"), "verify": false,
		}),
	}
	for path, config := range odd {
		m.Write(path, config)
	}
	delete(odd["config/avanan/odd"], "verify")
	return odd
}

// usesOdd requires that this version reads the odd configs and answers with them, and changes another field of each
// without asking for what it would reject. A min_ttl above the maximum counts, and reads, as the maximum.
func (m mount) usesOdd(odd map[string]values) {
	m.T.Helper()
	odd["config/avanan/odd"]["min_ttl"] = json.Number("1800")
	m.holds(odd)
	require.Equal(m.T, odd["config/pave/odd"]["api_key"], m.Read("creds/pave/odd").Data["api_key"])
	status, _, text := m.Request(http.MethodGet, "creds/avanan/odd", nil)
	require.NotEqual(m.T, http.StatusOK, status, "the sandbox has another address and app")
	require.Contains(m.T, text, "answered with status", "the config was used")
	for path, change := range map[string]values{"config/pave/odd": {"ttl": json.Number("30")}, "config/avanan/odd": {"request_timeout": json.Number("5")}} {
		status, _, text := m.Request(http.MethodPatch, path, change)
		require.Equal(m.T, http.StatusNoContent, status, text)
		odd[path] = harness.With(odd[path], change)
	}
	m.holds(odd)
	for path, change := range map[string]values{
		"config/pave/odd":   {"api_key": odd["config/pave/odd"]["api_key"], "api_secret": harness.PaveSecret},
		"config/avanan/odd": {"app_id": odd["config/avanan/odd"]["app_id"], "secret_key": harness.AvananSecret},
	} {
		status, _, text := m.Request(http.MethodPut, path, change)
		require.Equal(m.T, http.StatusBadRequest, status, text)
		require.Contains(m.T, text, "contains a quote")
	}
}
