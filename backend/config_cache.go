package backend

import "sync"

// configCache remembers the configs of one vendor that were read from storage, by name, so that a read of credentials
// asks Vault for nothing. It holds no more than storage does: each config that exists, once it was read.
//
// What it hands out was in storage at the moment of the reading or after it. A config is put in after a read of storage,
// and only if nothing was dropped since before that read began, since a write may have come in between; it is dropped
// once a write, a delete or another node may have changed it. The zero value is an empty cache.
type configCache[C any] struct {
	mu      sync.RWMutex
	configs map[string]cachedConfig[C]
	version uint64 // grows with every drop
}

// cachedConfig is a config that is fit for use.
type cachedConfig[C any] struct {
	config C
	// version is the cache's from before the config was read: of two with different ones, that with the smaller is the
	// older.
	version uint64
}

// get returns a config where it is remembered.
func (c *configCache[C]) get(name string) (cached cachedConfig[C], found bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	cached, found = c.configs[name]
	return cached, found
}

// current is the version with which a config is put in that is read from storage after this call.
func (c *configCache[C]) current() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.version
}

// put remembers a config that was read, unless it may be an old one by now.
func (c *configCache[C]) put(name string, read cachedConfig[C]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if read.version != c.version {
		return
	}
	if c.configs == nil {
		c.configs = map[string]cachedConfig[C]{}
	}
	c.configs[name] = read
}

// drop forgets a config that may have changed in storage, and returns the version of what is read from now on.
func (c *configCache[C]) drop(name string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.configs, name)
	c.version++
	return c.version
}
