package backend

import (
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"
)

// countingView counts the calls of ReplicationState.
type countingView struct {
	logical.SystemView
	state consts.ReplicationState
	asked int
}

func (v *countingView) ReplicationState() consts.ReplicationState {
	v.asked++
	return v.state
}

func TestReplicationStateIsCachedForOneSecond(t *testing.T) {
	t.Parallel()
	clock := began
	vault := &countingView{state: consts.ReplicationPerformancePrimary}
	view := &systemView{SystemView: vault, now: func() time.Time { return clock }}
	for range 3 {
		require.Equal(t, consts.ReplicationPerformancePrimary, view.ReplicationState())
	}
	require.Equal(t, 1, vault.asked)
	vault.state = consts.ReplicationPerformanceSecondary
	clock = clock.Add(time.Second - 1)
	require.Equal(t, consts.ReplicationPerformancePrimary, view.ReplicationState())
	clock = clock.Add(1)
	require.Equal(t, consts.ReplicationPerformanceSecondary, view.ReplicationState())
	vault.state = consts.ReplicationPerformanceStandby
	clock = clock.Add(-time.Hour)
	require.Equal(t, consts.ReplicationPerformanceStandby, view.ReplicationState(), "the clock was set back")
}

func TestUnknownReplicationStateIsNotCached(t *testing.T) {
	t.Parallel()
	vault := &countingView{state: consts.ReplicationUnknown}
	view := &systemView{SystemView: vault, now: time.Now}
	for range 3 {
		require.Equal(t, consts.ReplicationUnknown, view.ReplicationState())
	}
	require.Equal(t, 3, vault.asked)
}

// A secondary forwards config writes and serves reads.
func TestSecondaryForwardsConfigWrites(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	vault := &countingView{SystemView: logical.TestSystemView(), state: consts.ReplicationPerformanceSecondary}
	require.NoError(t, m.Setup(t.Context(), &logical.BackendConfig{System: vault}))
	_, err := m.HandleRequest(t.Context(), m.request(logical.UpdateOperation, "config/pave/main", values{"ttl": 20}))
	require.ErrorIs(t, err, logical.ErrReadOnly)
	for range 10 {
		m.read("creds/pave/main")
	}
	require.Equal(t, 1, vault.asked)
}
