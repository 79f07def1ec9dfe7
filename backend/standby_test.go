package backend

import (
	"testing"

	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// runsOn makes the mount's node say that it has a replication state.
func (m *mount) runsOn(state consts.ReplicationState) {
	m.t.Helper()
	require.NoError(m.t, m.Setup(m.t.Context(), &logical.BackendConfig{
		Logger: m.Logger(), StorageView: m.storage, System: &countingView{SystemView: logical.TestSystemView(), state: state},
	}))
}

// signs returns the token and the app that a signature is for.
func (m *mount) signs(config string) (token, app any) {
	m.t.Helper()
	headers := m.must(logical.ReadOperation, "sign/avanan/"+config,
		values{"request_string": "/v1.0/scopes"})["headers"].(map[string]string)
	return headers["x-av-token"], headers["x-av-app-id"]
}

// On a standby that serves reads, a snapshot that is restored counts from the next minute on, for configs with and
// without tokens, changed and deleted ones, although nothing tells the plugin. A token stays if its account is the
// same.
func TestStandbyServesRestoredConfigsWithinAMinute(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	m.write("config/pave/later", m.paveValues())
	m.write("config/avanan/us", m.avananValues())
	m.write("config/avanan/eu", m.avananValues())
	m.runsOn(consts.ReplicationDRDisabled | consts.ReplicationPerformanceStandby)
	m.read("creds/pave/main")
	m.read("creds/pave/later")
	token, _ := m.signs("us")
	other, app := m.signs("eu")
	require.Equal(t, "US:sandbox", app)

	m.elsewhere("config/pave/main", "ttl", 77)
	require.NoError(t, m.storage.Storage.Delete(m.t.Context(), "config/pave/later"))
	m.elsewhere("config/avanan/us", "request_timeout", 7)
	m.elsewhere("config/avanan/eu", "app_id", "US:restored")
	m.vendor.Change(func(b *sandbox.Behaviour) { b.AvananAppID = "US:restored" })
	require.Equal(t, 150, m.read("creds/pave/main")["ttl"], "nothing has told the plugin")
	m.tick()

	require.Equal(t, 77, m.read("creds/pave/main")["ttl"])
	require.Contains(t, m.refused(logical.ReadOperation, "creds/pave/later", nil), "there is no config")
	for series := range m.scrape() {
		require.NotContains(t, series, `config="later"`)
	}
	same, _ := m.signs("us")
	require.Equal(t, token, same)
	restored, app := m.signs("eu")
	require.Equal(t, "US:restored", app)
	require.NotEqual(t, other, restored)
}

// On other nodes reads make no call to storage after a minute either.
func TestActiveNodeKeepsConfigsInMemory(t *testing.T) {
	t.Parallel()
	for name, state := range map[string]consts.ReplicationState{
		"unknown":        consts.ReplicationUnknown,
		"no replication": consts.ReplicationDRDisabled | consts.ReplicationPerformanceDisabled,
		"a primary":      consts.ReplicationPerformancePrimary,
		"a secondary":    consts.ReplicationPerformanceSecondary,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/pave/main", m.paveValues())
			m.write("config/avanan/us", m.avananValues())
			m.runsOn(state)
			m.tick()
			m.storage.verb.Store("get")
			m.read("creds/pave/main")
			m.read("creds/avanan/us")
		})
	}
}
