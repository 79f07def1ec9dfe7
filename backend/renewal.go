package backend

import (
	"context"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
)

// A JWT is renewed once it has less than renewalLead left beyond its config's min_ttl. That is the minute that lies
// between two calls of Vault's (vault/rollback.go), and the longest request_timeout: what comes of the handshake is known
// before any reader would have to wait for one. With an hour's JWT and the default min_ttl of ten minutes it comes to a
// handshake every 48 to 50 minutes.
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
	for _, name := range b.tokens.inUse() {
		// A config that is gone, or can't be read now, has nothing to be renewed for it now.
		if stored, err := b.avananConfigs.usable(ctx, req, name); err == nil && b.tokens.renewAhead(name, stored) {
			begun++
		}
		if begun == renewalsAtOnce {
			break
		}
	}
	return nil
}

// inUse names the configs whose JWTs were read within idleAfter, in no order: where some are left for later, they are not
// always the same.
func (c *tokenCache) inUse() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for name, slot := range c.slots {
		if c.now().Sub(slot.readAt) < idleAfter {
			names = append(names, name)
		}
	}
	return names
}

// renewAhead begins a handshake where the config's JWT still lives, could be shared when it was new, and soon can not. It
// says whether it did.
func (c *tokenCache) renewAhead(name string, stored cachedConfig[avananConfig]) bool {
	slot, minTTL := c.slot(name, stored), stored.config.minTTL()
	living := c.living(slot)
	if living.JWT == "" || minTTL >= ownTTL || living.Life() <= minTTL {
		return false
	}
	enough := min(minTTL+renewalLead, ownTTL-1)
	if _, err := c.shared(slot, enough); err == nil {
		return false
	}
	c.begin(slot, enough, stored.config.requestTimeout())
	return true
}
