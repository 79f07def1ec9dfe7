package backend

import (
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
)

// replicationStateLife is how long Vault's replication state is cached.
//
// The SDK asks Vault for it at every request (sdk/framework/backend.go, HandleRequest). That is a call over gRPC and
// takes about a seventh of the time of a read. The SDK uses the state only to decide whether a request must be
// forwarded to another node.
//
// The cache is safe for these reasons. In Vault's community edition the state never changes. In OpenBao 2.5 and later,
// and in Vault Enterprise, it changes with the role of the node, which then loads its mounts again and starts with an
// empty cache. If a node did not do that, the plugin would use the old state for at most a second, and the server's
// storage would still reject writes on a node that must not write. On three nodes of OpenBao 2.6.2, eight step-downs
// caused no failure. Vault Enterprise has not been tried.
const replicationStateLife = time.Second

// systemView is Vault's system view with a cached replication state.
type systemView struct {
	logical.SystemView
	now  func() time.Time
	last atomic.Pointer[replicationState]
}

type replicationState struct {
	state   consts.ReplicationState
	askedAt time.Time
}

// ReplicationState returns a state that is at most replicationStateLife old, not counting time in which the machine was
// suspended. It does not cache an unknown state, which is what the SDK returns for an error.
func (v *systemView) ReplicationState() consts.ReplicationState {
	now := v.now()
	if last := v.last.Load(); last != nil {
		if age := now.Sub(last.askedAt); age >= 0 && age < replicationStateLife {
			return last.state
		}
	}
	state := v.SystemView.ReplicationState()
	if state != consts.ReplicationUnknown {
		v.last.Store(&replicationState{state, now})
	}
	return state
}
