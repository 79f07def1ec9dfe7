package backend

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
)

// A JWT is renewed once it has less than renewalLead left beyond its config's min_ttl. That is the minute that lies
// between two calls of Vault's (vault/rollback.go), and the longest request_timeout: what comes of the handshake is known
// before any reader would have to wait for one, as long as no more than renewalsAtOnce are due at once. With an hour's JWT
// and the default min_ttl of ten minutes it comes to a handshake every 48 to 50 minutes.
const renewalLead = time.Minute + mostRequestTimeout*time.Second

// idleAfter is how long nobody need have read a JWT for it not to be renewed.
const idleAfter = time.Hour

// renewalsAtOnce is how many handshakes one call of Vault's begins at most; the rest are for the calls after it.
const renewalsAtOnce = 100

// renewTokens begins handshakes for the configs whose JWTs are in use and soon too old to be shared, so that no reader
// waits for one. Vault calls it every minute, on the active node alone, and steps down or seals only once it is done: so it
// waits for no handshake. Readers that come meanwhile have the JWT from before.
func (b *backend) renewTokens(ctx context.Context, req *logical.Request) error {
	begun := 0
	for _, name := range b.tokens.names() {
		stored, err := b.avananConfigs.usable(ctx, req, name)
		if _, gone := errors.AsType[*invalidError](err); gone {
			// A reader that had the config in hand when it was deleted may have left this behind.
			b.tokens.forget(name)
		}
		if err == nil && begun < renewalsAtOnce && b.tokens.renewAhead(name, stored) {
			begun++
		}
	}
	return nil
}

// names are those of the configs of which something is known, in no order: where some are left for later, they are not
// always the same.
func (c *tokenCache) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.slots))
}

// renewAhead begins a handshake where the config's JWT still lives, was read within idleAfter, and soon can not be shared.
// It says whether it did.
func (c *tokenCache) renewAhead(name string, stored cachedConfig[avananConfig]) bool {
	slot, minTTL := c.slot(name, stored), stored.config.minTTL()
	enough, living := min(minTTL+renewalLead, ownTTL-1), c.living(slot)
	// A JWT that is due as soon as it is there is not worth its renewal.
	if living.JWT == "" || !c.inUse(slot) || minTTL >= ownTTL || living.Life() <= minTTL+renewalLead {
		return false
	}
	if _, err := c.shared(slot, enough); err == nil {
		return false
	}
	c.begin(slot, enough, stored.config.requestTimeout())
	return true
}

// inUse says whether the slot's JWT was read within idleAfter.
func (c *tokenCache) inUse(slot *tokenSlot) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now().Sub(slot.readAt) < idleAfter
}
