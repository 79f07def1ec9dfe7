package backend

import (
	"sync"

	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// entry is one config in memory, with the token that its readers share. The two are replaced together, so a reader never
// gets a token of another account than its config's.
type entry struct {
	config config
	// token is nil for a vendor without tokens.
	token *token.Shared
	// use is how readers get the token.
	use token.Use
	// stale says that the config may have changed in storage. It is read again before it is used; the token stays if the
	// account is still the same.
	stale bool
}

// entries are one vendor's configs in memory, by name. A config that readers get was in storage when they began to read, or
// later.
type entries struct {
	mu      sync.RWMutex
	byName  map[string]*entry
	changes uint64 // counts what may have changed a config in storage
}

// get returns a config that is known to be current.
func (e *entries) get(name string) (*entry, bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	found := e.byName[name]
	return found, found != nil && !found.stale
}

// seen is what put takes for a config that is read from storage after this call.
func (e *entries) seen() uint64 {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.changes
}

// put remembers what was read from storage, unless something changed since seen: then it says false, and what was read may
// be old. build gets the entry of that name from before, which may be nil.
func (e *entries) put(name string, seen uint64, build func(before *entry) *entry) (*entry, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	built := build(e.byName[name])
	if seen != e.changes {
		return built, false
	}
	e.byName[name] = built
	return built, true
}

// set remembers a config that was just written.
func (e *entries) set(name string, build func(before *entry) *entry) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changes++
	e.byName[name] = build(e.byName[name])
}

// doubt makes a config stale.
func (e *entries) doubt(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changes++
	if before := e.byName[name]; before != nil {
		doubted := *before
		doubted.stale = true
		e.byName[name] = &doubted
	}
}

// drop forgets a config that was deleted, and its token.
func (e *entries) drop(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changes++
	delete(e.byName, name)
}

// names lists the configs in memory, in no order.
func (e *entries) names() []string {
	e.mu.RLock()
	defer e.mu.RUnlock()
	names := make([]string, 0, len(e.byName))
	for name := range e.byName {
		names = append(names, name)
	}
	return names
}
