package backend

import (
	"context"
	"errors"

	"github.com/hashicorp/vault/sdk/logical"
)

// token.Lead allows for a minute between two calls of renewTokens (vault/rollback.go) and for the longest exchange.
const maxRequestTimeout = 30

// maxMinTTL is the largest min_ttl, in seconds: more would only cost exchanges, since tokens live for an hour.
const maxMinTTL = 30 * 60

// renewalsAtOnce is how many exchanges one call of renewTokens begins at most; the calls after it begin the rest.
const renewalsAtOnce = 100

// renewTokens begins exchanges for tokens that are in use and soon stop being shared, so that no reader waits for one. Vault
// calls it every minute, on the active node only, and steps down or seals only when it is done. So it waits for no exchange;
// readers get the current token meanwhile.
func (b *backend) renewTokens(ctx context.Context, req *logical.Request) error {
	begun := 0
	for _, s := range b.stores {
		if s.vendor.tokens == nil {
			continue
		}
		for _, name := range s.entries.names() {
			if begun == renewalsAtOnce {
				return nil
			}
			current, err := s.usable(ctx, req, name)
			if _, gone := errors.AsType[*invalidError](err); gone {
				s.entries.drop(name) // deleted on another node
			}
			if err == nil && current.token.RenewAhead(current.use) {
				begun++
			}
		}
	}
	return nil
}
