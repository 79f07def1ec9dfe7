package backend

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/apisig/vault-plugin-apisig/internal/avanan"
)

// After holdOffAfter failures in a row, Avanan is left alone for a second, then two, four, and eight from there on; after
// the first where a JWT still lives, since readers have that. What Avanan asks for itself (Retry-After) is kept too, to
// the same limit. A ten minutes' outage costs at most 6 + 3 + 74 handshakes, of four requests at the most, and after it
// nobody waits for longer than eight seconds. A write of the config begins the count anew.
const (
	holdOffAfter   = 6
	firstHoldOff   = time.Second
	longestHoldOff = 8 * time.Second
)

// handshakeFunc does a handshake for the config of that name. Under auto it tries first what first says, where that is
// not "".
type handshakeFunc func(ctx context.Context, name string, account avanan.Account, first avanan.DateFormat) (avanan.Token, error)

// recent is how long after a failure readers with a JWT that lives do not wait for the next handshake to end. Renewal
// ahead ends one sooner than that.
const recent = renewalLead

// ownTTL is the min_ttl from which on no JWT is shared, whatever the clocks make of its life: it is all the life there is.
const ownTTL = time.Hour

// tokenCache shares Avanan's JWTs among the readers of one mount, in memory only. There is one handshake at a time for
// a config: readers that come meanwhile wait for it, each for as long as its own request lives.
//
// A JWT belongs to an account, which is all that a handshake uses. A reader brings its config's, as it is stored at
// that moment, so a JWT of an earlier one is never handed out.
type tokenCache struct {
	now       func() time.Time
	handshake handshakeFunc
	// ctx ends with the mount, and every handshake with it; a reader's own may end sooner and must not.
	ctx   context.Context
	close context.CancelFunc

	mu    sync.Mutex
	slots map[string]*tokenSlot // by the config's name
}

// tokenSlot is what is known of one config. All below flight is guarded by the cache's mutex.
type tokenSlot struct {
	name    string
	account avanan.Account
	flight  singleflight.Group

	version  uint64            // of the newest config that it was looked up for
	flying   bool              // a handshake is under way
	readAt   time.Time         // when a reader last asked for its JWT; zero: none did
	token    avanan.Token      // zero: none
	learned  avanan.DateFormat // what the last handshake worked with, or the config says; "" for neither
	failures int               // in a row
	failure  error             // the last one
	failedAt time.Time         // when that was
	heldTo   time.Time         // no handshake before; zero: no hold-off
}

func newTokenCache(now func() time.Time, handshake handshakeFunc) *tokenCache {
	ctx, cancel := context.WithCancel(context.Background())
	return &tokenCache{now: now, handshake: handshake, ctx: ctx, close: cancel, slots: map[string]*tokenSlot{}}
}

// token returns the shared JWT where it has the config's min_ttl left, or a new one. Where a new one can not be had and
// the shared one still lives, it returns both that and the error; after a recent failure it does so at once, and whoever
// reads after the next handshake has the new one.
func (c *tokenCache) token(ctx context.Context, name string, stored cachedConfig[avananConfig]) (avanan.Token, error) {
	slot := c.slot(name, stored)
	c.markRead(slot)
	if token, err := c.shared(slot, stored.config.minTTL()); err == nil {
		return token, nil
	}
	if token, failure := c.living(slot), c.recentFailure(slot); token.JWT != "" && failure != nil {
		if c.mayBegin(slot) {
			c.begin(slot, stored.config.minTTL(), stored.config.requestTimeout())
		}
		return token, failure
	}
	flight := c.begin(slot, stored.config.minTTL(), stored.config.requestTimeout())
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

// slot returns the slot of a config, a new one where the config has changed. Who comes with a config from before the
// change gets a slot to himself.
func (c *tokenCache) slot(name string, stored cachedConfig[avananConfig]) *tokenSlot {
	c.mu.Lock()
	defer c.mu.Unlock()
	slot, account := c.slots[name], stored.config.account()
	if slot != nil && slot.account == account {
		slot.version = max(slot.version, stored.version)
		return slot
	}
	fresh := &tokenSlot{name: name, account: account, learned: stored.config.DetectedDateFormat, version: stored.version}
	if slot == nil || slot.version <= stored.version {
		c.slots[name] = fresh
	}
	return fresh
}

// begin begins the slot's handshake, or joins the one that is under way.
func (c *tokenCache) begin(slot *tokenSlot, minTTL, timeout time.Duration) <-chan singleflight.Result {
	return slot.flight.DoChan("", func() (any, error) { return c.renew(slot, minTTL, timeout) })
}

func (c *tokenCache) markRead(slot *tokenSlot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slot.readAt = c.now()
}

// recentFailure returns the last failure where it is recent, and no handshake has succeeded since.
func (c *tokenCache) recentFailure(slot *tokenSlot) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if age := c.now().Sub(slot.failedAt); age < 0 || age > recent {
		return nil
	}
	return slot.failure
}

// mayBegin says whether no handshake is under way, and none is held off.
func (c *tokenCache) mayBegin(slot *tokenSlot) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !slot.flying && !c.now().Before(slot.heldTo)
}

func (c *tokenCache) setFlying(slot *tokenSlot, flying bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slot.flying = flying
}

var errNoShared = errors.New("no JWT is there to be shared")

// shared returns the slot's JWT where it has minTTL left. Its error is errNoShared.
func (c *tokenCache) shared(slot *tokenSlot, minTTL time.Duration) (avanan.Token, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := slot.token.Left(c.now())
	if slot.token.JWT == "" || left < minTTL || minTTL >= ownTTL || leaseTTL(left) <= 0 {
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

// renew is the one handshake at a time. Another may have just landed, so it looks again first.
func (c *tokenCache) renew(slot *tokenSlot, minTTL, timeout time.Duration) (avanan.Token, error) {
	c.setFlying(slot, true)
	defer c.setFlying(slot, false)
	if token, err := c.shared(slot, minTTL); err == nil {
		return token, nil
	}
	first, err := c.admit(slot)
	if err != nil {
		return avanan.Token{}, err
	}
	ctx, cancel := context.WithTimeout(c.ctx, timeout)
	defer cancel()
	token, err := c.handshake(ctx, slot.name, slot.account, first)
	c.record(slot, token, err)
	return token, err
}

// admit returns the date format that was learned, for a handshake to try first. While Avanan is left alone it returns an
// error: the last failure, and from holdOffAfter of them on, the hold-off's.
func (c *tokenCache) admit(slot *tokenSlot) (avanan.DateFormat, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if wait := slot.heldTo.Sub(c.now()); wait > 0 {
		if slot.failures < holdOffAfter {
			return "", slot.failure
		}
		return "", &heldOffError{wait: wait, last: slot.failure}
	}
	return slot.learned, nil
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
	slot.failure, slot.failedAt = err, c.now()
	pause, allowed := time.Duration(0), holdOffAfter
	if slot.token.JWT != "" && leaseTTL(slot.token.Left(c.now())) > 0 {
		allowed = 1
	}
	if doublings := slot.failures - allowed; doublings >= 0 {
		pause = firstHoldOff << min(doublings, 10)
	}
	if vendor, is := errors.AsType[*avanan.Error](err); is {
		pause = max(pause, vendor.RetryAfter)
	}
	slot.heldTo = c.now().Add(min(pause, longestHoldOff))
}

// adopt takes a JWT that a config's write was tried with, where there is none that lives.
func (c *tokenCache) adopt(name string, stored cachedConfig[avananConfig], token avanan.Token) {
	slot := c.slot(name, stored)
	if living := c.living(slot); living.JWT != "" {
		living.DateFormat = token.DateFormat
		token = living
	}
	c.record(slot, token, nil)
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
