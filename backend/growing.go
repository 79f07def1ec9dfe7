package backend

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
)

// maxAhead is how far a config's clock may be ahead of this node's.
const maxAhead = time.Second

// growingClocks are the clocks of configs whose instants must grow, by the names of the configs: for APIs that refuse a
// nonce which is not larger than all before. They are apart from the configs in memory, because a config may be read
// again or written at any time.
type growingClocks struct {
	mu sync.Mutex
	// last is the latest instant that each gave.
	last map[string]time.Time
}

// next is now, or the first instant after all before in which a whole unit is another. It fails if that is too far
// ahead.
func (g *growingClocks) next(name string, now time.Time, unit time.Duration) (time.Time, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := now
	if least := g.last[name].Truncate(unit).Add(unit); next.Before(least) {
		next = least
	}
	if next.Sub(now) > maxAhead {
		return time.Time{}, logical.CodedError(http.StatusServiceUnavailable, fmt.Sprintf(
			"this config's clock is more than a second ahead, because there was more than one call in each %s, or this "+
				"node's clock was set back; try again", unit))
	}
	if g.last == nil {
		g.last = map[string]time.Time{}
	}
	g.last[name] = next
	return next, nil
}

// forget ends the clock of a config that was deleted.
func (g *growingClocks) forget(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.last, name)
}
