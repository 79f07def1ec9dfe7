package backend

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/apisig/vault-plugin-apisig/internal/avanan"
)

// After holdOffAfter failures in a row, Avanan is left alone for a second, then two, four, and eight from there on.
// A ten minutes' outage costs at most 6 + 3 + 74 handshakes, and after it nobody waits for longer than eight seconds.
const (
	holdOffAfter   = 6
	firstHoldOff   = time.Second
	longestHoldOff = 8 * time.Second
)

// tokenCache shares Avanan's JWTs among the readers of one mount, in memory only. There is one handshake at a time for
// a config: readers that come meanwhile wait for it, each for as long as its own request lives.
//
// A JWT belongs to an account, which is all that a handshake uses. A reader brings its config's, as it is stored at
// that moment, so a JWT of an earlier one is never handed out.
type tokenCache struct {
	now       func() time.Time
	handshake func(context.Context, avanan.Account) (avanan.Token, error)
	// ctx ends with the mount, and every handshake with it; a reader's own may end sooner and must not.
	ctx   context.Context
	close context.CancelFunc

	mu    sync.Mutex
	slots map[string]*tokenSlot // by the config's name
}

// tokenSlot is what is known of one config. All but flight and account is guarded by the cache's mutex.
type tokenSlot struct {
	account avanan.Account
	flight  singleflight.Group

	token    avanan.Token      // zero: none
	learned  avanan.DateFormat // what the last handshake worked with, "" before the first
	failures int               // in a row
	failure  error             // the last one
	heldTo   time.Time         // no handshake before; zero: no hold-off
}

func newTokenCache(now func() time.Time, handshake func(context.Context, avanan.Account) (avanan.Token, error)) *tokenCache {
	ctx, cancel := context.WithCancel(context.Background())
	return &tokenCache{now: now, handshake: handshake, ctx: ctx, close: cancel, slots: map[string]*tokenSlot{}}
}

// token returns the shared JWT where it has minTTL left, or a new one. Where a new one can not be had and the shared
// one still lives, it returns both that and the error.
func (c *tokenCache) token(
	ctx context.Context, name string, account avanan.Account, minTTL, timeout time.Duration,
) (avanan.Token, error) {
	slot := c.slot(name, account)
	if token, err := c.shared(slot, minTTL); err == nil {
		return token, nil
	}
	flight := slot.flight.DoChan("", func() (any, error) { return c.renew(slot, minTTL, timeout) })
	select {
	case <-ctx.Done():
		return avanan.Token{}, ctx.Err()
	case landed := <-flight:
		if token, is := landed.Val.(avanan.Token); is && landed.Err == nil {
			return token, nil
		}
		return c.living(slot), landed.Err
	}
}

// slot returns the slot of a config, a new one where the config has changed.
func (c *tokenCache) slot(name string, account avanan.Account) *tokenSlot {
	c.mu.Lock()
	defer c.mu.Unlock()
	slot := c.slots[name]
	if slot == nil || slot.account != account {
		slot = &tokenSlot{account: account}
		c.slots[name] = slot
	}
	return slot
}

var errNoShared = errors.New("no JWT is there to be shared")

// shared returns the slot's JWT where it has minTTL left. Its error is errNoShared.
func (c *tokenCache) shared(slot *tokenSlot, minTTL time.Duration) (avanan.Token, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := slot.token.ExpiresAt.Sub(c.now())
	if slot.token.JWT == "" || left < minTTL || leaseTTL(left) <= 0 {
		return avanan.Token{}, errNoShared
	}
	return slot.token, nil
}

// living returns the slot's JWT where it lives at all, else none.
func (c *tokenCache) living(slot *tokenSlot) avanan.Token {
	token, err := c.shared(slot, 0)
	if err != nil {
		return avanan.Token{}
	}
	return token
}

// renew is the one handshake at a time. Another may have just landed, so it looks again first. It runs in a goroutine
// of singleflight's, where a panic would end the process and with it every mount: it is made an error.
func (c *tokenCache) renew(slot *tokenSlot, minTTL, timeout time.Duration) (token avanan.Token, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the handshake with Avanan failed in a way that is not provided for")
		}
	}()
	if token, err := c.shared(slot, minTTL); err == nil {
		return token, nil
	}
	account, err := c.admit(slot)
	if err != nil {
		return avanan.Token{}, err
	}
	ctx, cancel := context.WithTimeout(c.ctx, timeout)
	defer cancel()
	token, err = c.handshake(ctx, account)
	c.record(slot, token, err)
	return token, err
}

// admit returns the account to do a handshake with, with the date format that was learned, or the hold-off's error.
func (c *tokenCache) admit(slot *tokenSlot) (avanan.Account, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if wait := slot.heldTo.Sub(c.now()); wait > 0 {
		return avanan.Account{}, &heldOffError{wait: wait, last: slot.failure}
	}
	account := slot.account
	if account.DateFormat == avanan.Auto && slot.learned != "" {
		account.DateFormat = slot.learned
	}
	return account, nil
}

// record keeps what came of a handshake.
func (c *tokenCache) record(slot *tokenSlot, token avanan.Token, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		slot.token, slot.learned = token, token.DateFormat
		slot.failures, slot.failure, slot.heldTo = 0, nil, time.Time{}
		return
	}
	slot.failures++
	slot.failure = err
	if doublings := slot.failures - holdOffAfter; doublings >= 0 {
		slot.heldTo = c.now().Add(min(longestHoldOff, firstHoldOff<<min(doublings, 10)))
	}
}

// adopt takes a JWT that a config's write tried its account with.
func (c *tokenCache) adopt(name string, account avanan.Account, token avanan.Token) {
	c.record(c.slot(name, account), token, nil)
}

// forget drops all that is known of a config.
func (c *tokenCache) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.slots, name)
}

// forgetToken drops a config's JWT where it is still the one with that id.
func (c *tokenCache) forgetToken(name, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slot := c.slots[name]; slot != nil && slot.token.JWT != "" && tokenID(slot.token.JWT) == id {
		slot.token = avanan.Token{}
	}
}
