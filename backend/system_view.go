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
// of a read. All it decides is whether the plugin itself says that a request must go to another node, and it is safe to
// decide that by what was true a second ago. A node that takes on another role loads its mounts anew, and with them this
// memory. Where the memory is behind all the same, Vault's storage still refuses a write on a node that may not write,
// and Vault still forwards what is refused so, or the other way around: a write that could have been done here goes to
// the node that it went to a second ago. In Vault's community edition the state never changes.
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

// ReplicationState is at most replicationStateLife old. That it is not known, which is also what the SDK makes of an
// error, is not remembered.
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
