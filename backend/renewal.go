package backend

import (
	"context"
	"errors"

	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/api"
)

// renewalsAtOnce is how many logins one call of renewTokens begins at most; the calls after it begin the rest.
const renewalsAtOnce = 100

// periodic is called every minute, by Vault on the active node, and on every node where standbys serve reads. Vault
// steps down or seals only when it is done.
func (b *backend) periodic(ctx context.Context, req *logical.Request) error {
	if b.isStandby() {
		b.doubtConfigs()
	}
	return b.renewTokens(ctx, req)
}

// isStandby reports whether this node is one that serves reads and cannot write.
func (b *backend) isStandby() bool {
	return b.System().ReplicationState().HasState(consts.ReplicationPerformanceStandby)
}

// doubtConfigs makes readers read every config from storage again. A token stays if its account is the same.
//
// Standbys need it after a snapshot was restored. The active node loads its mounts again then, but nothing tells the
// plugin on a standby: with OpenBao 2.6.2 it went on using configs that no longer existed.
func (b *backend) doubtConfigs() {
	for _, s := range b.stores {
		s.entries.doubtAll()
	}
}

// renewTokens begins logins for tokens that are in use and soon stop being shared, so that no reader waits for one. It
// waits for no login; readers get the current token meanwhile.
func (b *backend) renewTokens(ctx context.Context, req *logical.Request) error {
	begun := 0
	for _, s := range b.stores {
		if s.api.Lease == nil {
			continue
		}
		for _, name := range s.entries.renewable() {
			if begun == renewalsAtOnce {
				return nil
			}
			current, err := (&request{Request: req, store: s, name: name}).usable(ctx)
			if _, gone := errors.AsType[*api.Invalid](err); gone {
				s.entries.drop(name) // deleted on another node
			}
			if err == nil && current.renews() && current.token.RenewAhead(current.use) {
				begun++
			}
		}
	}
	return nil
}
