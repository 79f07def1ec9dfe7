package backend

import (
	"maps"
	"slices"
	"sync"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// opened are the values of a config, and the account that was made of them.
type opened struct {
	values  api.Values
	account *api.Account
}

// entry is one config in memory, with the token that its readers share. The two are replaced together, so a reader
// never gets a token of another account than its config's.
type entry struct {
	opened
	// detected is the format that a login found, "" for none.
	detected string
	// token is nil for an account without tokens.
	token *token.Shared
	// use is how readers get the token.
	use token.Use
	// stats are those of the config, whatever it changes to.
	stats *stats
	// history is that of the account.
	history *history
	// stale says that the config may have changed in storage. It is read again before it is used; the token stays if the
	// account is still the same.
	stale bool
}

// entries are one API's configs in memory, by name. A config that readers get was in storage when they began to read,
// or later.
type entries struct {
	mu      sync.RWMutex
	byName  map[string]*entry
	changes uint64 // counts what may have changed a config in storage
	// surveyed is what is known of the secrets of configs that were not read to be used since they may have changed.
	surveyed map[string]api.SecretDates
	// growing are the clocks of those whose instants must grow.
	growing growingClocks
}

// get returns a config that is known to be current.
func (e *entries) get(name string) (*entry, bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	found := e.byName[name]
	return found, found != nil && !found.stale
}

// seen is called before a config is read from storage; put takes its result.
func (e *entries) seen() uint64 {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.changes
}

// put remembers what was read from storage, unless something changed since the call of seen that came before: then it
// reports false, and what was read may be old. build gets the entry of that name from before, which may be nil.
func (e *entries) put(name string, seen uint64, build func(before *entry) *entry) (*entry, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	built := build(e.byName[name])
	if seen != e.changes {
		return built, false
	}
	e.byName[name] = built
	delete(e.surveyed, name)
	return built, true
}

// set remembers a config that was just written.
func (e *entries) set(name string, build func(before *entry) *entry) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changes++
	e.byName[name] = build(e.byName[name])
	delete(e.surveyed, name)
}

// doubt makes a config stale.
func (e *entries) doubt(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changes++
	delete(e.surveyed, name)
	if before := e.byName[name]; before != nil {
		doubted := *before
		doubted.stale = true
		e.byName[name] = &doubted
	}
}

// doubtAll makes every config stale.
func (e *entries) doubtAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changes++
	clear(e.surveyed)
	for name, before := range e.byName {
		doubted := *before
		doubted.stale = true
		e.byName[name] = &doubted
	}
}

// drop forgets a config that was deleted, its token and its clock.
func (e *entries) drop(name string) {
	e.growing.forget(name)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changes++
	delete(e.byName, name)
	delete(e.surveyed, name)
}

// gone forgets a config that storage does not have, unless something changed since seen.
func (e *entries) gone(name string, seen uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if seen == e.changes {
		delete(e.byName, name)
		delete(e.surveyed, name)
	}
}

// known are the values of a config in memory, stale or not; nil for none.
func (e *entries) known(name string) *api.Values {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if found := e.byName[name]; found != nil {
		return &found.values
	}
	return nil
}

// renews reports whether a config's token is renewed ahead.
func (e *entry) renews() bool { return e.token != nil && !e.account.Exclusive }

// renewable lists the configs in memory whose token is renewed ahead, in no order.
func (e *entries) renewable() []string {
	e.mu.RLock()
	defer e.mu.RUnlock()
	var names []string
	for name, found := range e.byName {
		if found.renews() {
			names = append(names, name)
		}
	}
	return names
}

// all are the configs in memory, and what is known of the secrets of all.
func (e *entries) all() (map[string]*entry, map[string]api.SecretDates) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	secrets := maps.Clone(e.surveyed)
	if secrets == nil {
		secrets = map[string]api.SecretDates{}
	}
	for name, inMemory := range e.byName {
		if _, newer := secrets[name]; !newer {
			secrets[name] = inMemory.values.SecretDates()
		}
	}
	return maps.Clone(e.byName), secrets
}

// unknown returns those of the names in storage of which nothing is known, and forgets what is known of others, except
// of configs that may have been written since storage was asked.
func (e *entries) unknown(inStorage []string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	kept := make(map[string]api.SecretDates, len(inStorage))
	var unknown []string
	for _, name := range inStorage {
		secret, surveyed := e.surveyed[name]
		if surveyed {
			kept[name] = secret
		}
		if inMemory := e.byName[name]; !surveyed && (inMemory == nil || inMemory.stale) {
			unknown = append(unknown, name)
		}
	}
	e.surveyed = kept
	for name, inMemory := range e.byName {
		if inMemory.stale && !slices.Contains(inStorage, name) {
			delete(e.byName, name)
		}
	}
	return unknown
}

// survey remembers what a config in storage says of its secret, unless the config may have changed since seen.
func (e *entries) survey(name string, seen uint64, secret api.SecretDates) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if seen == e.changes {
		e.surveyed[name] = secret
	}
}
