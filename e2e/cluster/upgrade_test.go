package cluster

import (
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/backend"
	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// version is an earlier version of the plugin, whose configs and leases must keep working.
type version struct {
	commit string
	// odd reports whether it stores values that are rejected today.
	odd bool
	// portal reports whether it has the Infinity Portal and declared APIs.
	portal bool
}

var earlier = map[string]version{
	"the first with the whole engine":                           {commit: "71db71a", odd: true},
	"the last before the vendors' fields were declared as data": {commit: "d310206", odd: true},
	"the last with a vendor's parts in the engine":              {commit: "3250209", portal: true},
	"the last without logins of declared APIs":                  {commit: "53b102d", portal: true},
}

// installEarlier builds the plugin of a commit, as a given version, into a server's plugin directory and registers it.
func installEarlier(t *testing.T, server *harness.Server, commit, version string) {
	t.Helper()
	if printed, err := harness.Command("git", "cat-file", "-e", commit+"^{commit}").CombinedOutput(); err != nil {
		t.Skipf("%s is not in this clone's history: %s", commit, printed)
	}
	sources, archive := t.TempDir(), filepath.Join(t.TempDir(), "sources.tar")
	pack := harness.Command("git", "archive", "-o", archive, commit)
	pack.Dir = harness.Path(".")
	harness.Run(t, pack)
	harness.Run(t, harness.Command("tar", "-xf", archive, "-C", sources))
	file := harness.PluginName + "-" + version
	binary := filepath.Join(server.Plugins(), file)
	build := harness.GoBuild(binary, "./cmd/vault-plugin-apisig", harness.AsVersion(version)...)
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

// secretFields are the fields of configs that no read returns.
var secretFields = []string{"api_secret", "secret_key", "access_key", "secret"}

// store writes configs, with or without a warning.
func (m mount) store(configs map[string]values) {
	m.T.Helper()
	for path, config := range configs {
		status, _, text := m.Request(http.MethodPut, path, config)
		require.Contains(m.T, []int{http.StatusOK, http.StatusNoContent}, status, "%s: %s", path, text)
	}
}

// holds requires that configs read as they were written, except secrets. A version may have further fields.
func (m mount) holds(configs map[string]values) {
	m.T.Helper()
	for path, written := range configs {
		read := m.Read(path).Data
		for field, value := range written {
			if !slices.Contains(secretFields, field) {
				require.Equal(m.T, value, read[field], "%s of %s", field, path)
			}
		}
	}
}

// serves requires that the vendors accept what configs sign.
func (m mount) serves(configs map[string]values) {
	m.T.Helper()
	for path := range configs {
		name := strings.TrimPrefix(path, "config/")
		var url string
		var answer *api.Secret
		switch vendor, _, _ := strings.Cut(name, "/"); vendor {
		case "pave":
			url, answer = m.URL+"/v1/sessions", m.Read("creds/"+name)
		case "avanan":
			url, answer = m.URL+"/v1.0/scopes", m.Read("sign/"+name, "request_string", "/v1.0/scopes")
			require.True(m.T, m.Vendor.Living(m.Read("creds/" + name).Data["token"].(string)))
		case "infinity":
			url, answer = m.URL+"/app/hec-api/v1.0/scopes", m.Read("creds/"+name)
		case "custom":
			const call = "/custom/v1/orders?page=2"
			url, answer = m.URL+call, m.Read("sign/"+name, "method", http.MethodGet, "request_string", call)
		}
		require.Equal(m.T, http.StatusOK, m.Call(url, answer.Data["headers"]), path)
	}
}

// leased reads a token from each config that gives tokens.
func (m mount) leased(configs map[string]values) (leases []*api.Secret) {
	m.T.Helper()
	for path := range configs {
		name := strings.TrimPrefix(path, "config/")
		if strings.HasPrefix(name, "avanan/") || strings.HasPrefix(name, "infinity/") {
			leases = append(leases, m.Read("creds/"+name))
		}
	}
	return leases
}

// end revokes leases while the vendor is down. Vault knows each of them until then.
func (m mount) end(leases []*api.Secret) {
	m.T.Helper()
	require.NotEmpty(m.T, leases)
	m.Fault(sandbox.Break)
	defer m.Fault(sandbox.None)
	for _, lease := range leases {
		m.RequireLeased(lease)
		m.Revoke(lease)
		_, err := m.Client.Sys().LookupWithContext(m.T.Context(), lease.LeaseID)
		require.Error(m.T, err, "the lease is gone")
	}
}

// Upgrading from an earlier version and going back both work: each version reads, keeps and uses the configs that the
// other stored, and revokes the other's leases.
func TestUpgradeFromEarlierVersionsAndBack(t *testing.T) {
	t.Parallel()
	for name, before := range earlier {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upgradeAndBack(t, before)
		})
	}
}

func upgradeAndBack(t *testing.T, before version) {
	t.Helper()
	const first = "v0.0.9"
	server := harness.Start(t)
	installEarlier(t, server, before.commit, first)
	require.NoError(t, server.AddPlugin())
	require.NoError(t, server.Register(harness.PluginName, harness.PluginName, backend.Version))
	m := mount{server.Unmounted(t, "apisig")}
	m.Enable(harness.PluginName, first)
	m.runAs(first)

	trusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(trusted.Close)
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: trusted.Certificate().Raw}))
	configs := before.configs(map[string]values{
		"config/pave/main": harness.With(m.PaveValues(), values{
			"ttl":              json.Number("100"),
			"timestamp_format": "unix",
		}),
		"config/avanan/us": harness.With(m.AvananValues(), values{
			"date_format":     "auto",
			"min_ttl":         json.Number("1200"),
			"request_timeout": json.Number("7"),
			"ca_cert":         certificate,
		}),
		"config/infinity/us": harness.With(m.InfinityValues(), values{
			"min_ttl":         json.Number("1200"),
			"request_timeout": json.Number("7"),
			"ca_cert":         certificate,
		}),
		"config/custom/orders": m.CustomValues(),
	})
	m.store(configs)
	odd := map[string]values{}
	if before.odd {
		odd = m.writeOdd()
	}
	m.holds(configs)
	m.holds(odd)
	m.serves(configs)
	endedByNew, survivors := m.leased(configs), m.leased(configs)
	handshakes := m.Vendor.Handshakes()

	m.runAs(backend.Version)
	m.holds(configs)
	m.serves(configs)
	require.Equal(t, handshakes+1, m.Vendor.Handshakes(), "the date format that was found is stored")
	m.end(endedByNew)
	if before.odd {
		m.usesOdd(odd)
	}

	// A partial write keeps what the other version stored, including the secret.
	changes := before.configs(map[string]values{
		"config/pave/main":     {"timestamp_format": "rfc3339-ms"},
		"config/avanan/us":     {"min_ttl": json.Number("1500"), "verify": true},
		"config/infinity/us":   {"min_ttl": json.Number("1500"), "verify": true},
		"config/custom/orders": {"secret_expires_at": "2126-01-02T03:04:05Z"},
	})
	m.store(changes)
	for path, change := range changes {
		delete(change, "verify")
		configs[path] = harness.With(configs[path], change)
	}
	added := before.configs(map[string]values{
		"config/pave/new": harness.With(m.PaveValues(), values{
			"ttl":              json.Number("60"),
			"timestamp_format": "rfc3339",
		}),
		"config/avanan/new": harness.With(m.AvananValues(), values{
			"min_ttl": json.Number("60"),
			"ca_cert": certificate,
		}),
		"config/infinity/new": harness.With(m.InfinityValues(), values{
			"min_ttl": json.Number("60"),
			"ca_cert": certificate,
		}),
		"config/custom/new": m.CustomValues(),
	})
	m.store(added)
	maps.Copy(configs, added)
	m.holds(configs)
	m.serves(configs)
	endedByOld := m.leased(configs)
	m.Write("config/custom/us", m.OAuthValues())
	login, forgotten := m.Read("config/custom/us").Data, m.logsIn()
	m.Revoke(m.logsIn()) // as docs/install.md says
	m.RequireLeased(forgotten)

	m.runAs(first)
	m.knowsNoLogins(forgotten)
	m.holds(configs)
	m.holds(odd)
	m.serves(configs)
	m.end(slices.Concat(endedByOld, survivors))
	again := before.configs(map[string]values{
		"config/avanan/us":   {"min_ttl": json.Number("900")},
		"config/infinity/us": {"min_ttl": json.Number("900")},
	})
	m.store(again)
	m.holds(again)

	// And forward once more: the mount can be disabled with leases of both versions while the vendor is down.
	m.runAs(backend.Version)
	m.serves(configs)
	require.Equal(t, login, m.Read("config/custom/us").Data)
	require.NotEqual(t, harness.Token(forgotten), harness.Token(m.logsIn()))
	m.end([]*api.Secret{forgotten})
	require.NotEmpty(t, m.leased(configs))
	require.NotEmpty(t, m.Leases())
	require.Equal(t, before.portal, len(m.LeasesOf("infinity")) > 0)
	require.Empty(t, m.IrrevocableLeases())
	m.Fault(sandbox.Break)
	require.NoError(t, m.Client.Sys().UnmountWithContext(t.Context(), m.Path))
	require.Empty(t, m.Leases())
	require.Empty(t, m.LeasesOf("infinity"))
	require.Empty(t, m.LeasesOf("custom"))
	require.Empty(t, m.IrrevocableLeases())
}

// logsIn reads a token of a declared login, with which the vendor takes a call.
func (m mount) logsIn() *api.Secret {
	m.T.Helper()
	answer := m.Read("creds/custom/us")
	m.RequireLeased(answer)
	require.Equal(m.T, http.StatusOK, m.Call(m.URL+"/oauth2/v1/orders", answer.Data["headers"]))
	return answer
}

// knowsNoLogins requires that a version without declared logins neither uses config custom/us nor revokes its lease,
// and loses none of both.
func (m mount) knowsNoLogins(lease *api.Secret) {
	m.T.Helper()
	for _, path := range []string{"creds/custom/us", "sign/custom/us"} {
		status, _, text := m.Request(http.MethodGet, path, nil)
		require.GreaterOrEqual(m.T, status, http.StatusBadRequest, "%s: %s", path, text)
	}
	revoke := &api.RevokeOptions{LeaseID: lease.LeaseID, Sync: true}
	require.Error(m.T, m.Client.Sys().RevokeWithOptionsWithContext(m.T.Context(), revoke))
	m.RequireLeased(lease)
}

// configs are those configs of a map that the version knows.
func (v version) configs(all map[string]values) map[string]values {
	known := maps.Clone(all)
	maps.DeleteFunc(known, func(path string, _ values) bool {
		return !v.portal && !strings.HasPrefix(path, "config/pave/") && !strings.HasPrefix(path, "config/avanan/")
	})
	return known
}

// writeOdd writes configs with values that are rejected today, and returns how they read.
func (m mount) writeOdd() map[string]values {
	m.T.Helper()
	odd := map[string]values{
		"config/pave/odd": harness.With(m.PaveValues(), values{
			"api_key":  "a\"b'c`d\\e$f",
			"base_url": "https://gateway.example/$HOME",
			"ttl":      json.Number("20"),
		}),
		"config/avanan/odd": harness.With(m.AvananValues(), values{
			"app_id":   "US:a\"b'c`d\\e$f",
			"base_url": m.URL + "/$HOME",
			"min_ttl":  json.Number("86400"),
			"verify":   false,
		}),
	}
	m.store(odd)
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
	for path, change := range map[string]values{
		"config/pave/odd":   {"ttl": json.Number("30")},
		"config/avanan/odd": {"request_timeout": json.Number("5")},
	} {
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
