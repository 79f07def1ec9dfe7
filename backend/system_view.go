package backend

import (
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
)

// replicationStateLife is how long Vault's replication state is remembered.
//
// The SDK asks for it at every request (sdk/framework/backend.go, HandleRequest), over gRPC, which costs about a seventh
// of a read. All it decides is whether the plugin itself says that a request must go to another node. In Vault's community
// edition the state never changes. Elsewhere it changes with the role of a node, which then loads its mounts anew, and
// with them this memory; should it not, the plugin is behind for a second, in which Vault's storage still refuses a write on
// a node that may not write. That part could not be tried here.
const replicationStateLife = time.Second

// systemView is Vault's, with its replication state remembered for a moment.
type systemView struct {
	logical.SystemView
	now  func() time.Time
	last atomic.Pointer[replicationState]
}

type replicationState struct {
	state   consts.ReplicationState
	askedAt time.Time
}

// ReplicationState is at most replicationStateLife old, not counting time in which the machine was suspended. That it is
// not known, which is also what the SDK makes of an error, is not remembered.
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
