package backend

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"

	"github.com/hashicorp/vault/sdk/logical"
)

// configPrefix begins the storage key of everything that contains a secret. It is seal-wrapped. A key is the prefix, the
// vendor's name, a slash and the config's name.
const configPrefix = "config/"

// store keeps one vendor's configs: in Vault's storage, and in memory those that were used.
type store struct {
	vendor *vendor
	// open makes the entry of a config. before is the one of the same name from before, or nil.
	open func(name string, c config, before *entry) *entry

	entries entries
	// writes is held during the storage calls of a write, never while the vendor is called.
	writes sync.Mutex
}

func (s *store) prefix() string         { return configPrefix + s.vendor.name + "/" }
func (s *store) key(name string) string { return s.prefix() + name }

// load reads a config from storage, and the entry as it is there. Where there is none, the entry is nil and the config the
// defaults.
func (s *store) load(ctx context.Context, storage logical.Storage, name string) (config, []byte, error) {
	c, stored, err := s.loadFields(ctx, storage, name)
	if err != nil || stored == nil {
		return c, nil, err
	}
	if c, err = s.vendor.declared(s.entries.withDeclaration(name, c, s.vendor), stored); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", s.key(name), err)
	}
	return c, stored, nil
}

// loadFields is load without what a config declares itself, which takes time to compile.
func (s *store) loadFields(ctx context.Context, storage logical.Storage, name string) (config, []byte, error) {
	stored, err := storage.Get(ctx, s.key(name))
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s from storage: %w", s.key(name), err)
	}
	if stored == nil {
		return newConfig(s.vendor.fields), nil, nil
	}
	c, err := decodeConfig(s.vendor.fields, stored.Value)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", s.key(name), err)
	}
	return c, stored.Value, nil
}

// usable returns a config to work with, from memory or from storage.
func (s *store) usable(ctx context.Context, req *logical.Request, name string) (*entry, error) {
	if current, found := s.entries.get(name); found {
		return current, nil
	}
	return s.fetch(ctx, req, name)
}

// fetch reads a config to work with from storage, and remembers it. Where there is none, or it cannot be used, the error
// says what to write.
func (s *store) fetch(ctx context.Context, req *logical.Request, name string) (*entry, error) {
	fetched, kept, err := s.fetchOnce(ctx, req, name)
	if err != nil || kept {
		return fetched, err
	}
	// Some config was written meanwhile, so this one may be old. Now let no write come between.
	s.writes.Lock()
	defer s.writes.Unlock()
	fetched, _, err = s.fetchOnce(ctx, req, name)
	return fetched, err
}

// fetchOnce is fetch, and says false if it could not remember the config, because some config was written meanwhile.
func (s *store) fetchOnce(ctx context.Context, req *logical.Request, name string) (fetched *entry, kept bool, err error) {
	seen := s.entries.seen()
	c, entry, err := s.load(ctx, req.Storage, name)
	if err != nil {
		return nil, false, err
	}
	if entry == nil {
		s.entries.gone(name, seen)
		return nil, false, s.noConfig(req, name)
	}
	if err := s.vendor.checkUsable(c); err != nil {
		return nil, false, &unusableError{req.MountPoint + s.key(name), err.Error()}
	}
	fetched, kept = s.entries.put(name, seen, s.opening(name, c, nil))
	return fetched, kept, nil
}

// noConfig is the error of a path whose config does not exist.
//
// In a namespace MountPoint begins with the namespace, and nothing says where that ends. So for a mount whose path has several
// segments, the command names the root namespace: it works whether there is a namespace or not, and whichever the user has set.
func (s *store) noConfig(req *logical.Request, name string) error {
	path := req.MountPoint + s.key(name)
	command := "vault write"
	if strings.Count(req.MountPoint, "/") > 1 {
		command += " -namespace=/"
	}
	return invalidf("there is no config at %s; write one first: %s %s %s", path, command, path, s.vendor.firstWrite)
}

// found is a config as a write found it.
type found struct {
	config config
	// exists says whether there was one; else the config is the defaults.
	exists bool
}

// change stores what change makes of a config. It calls change again if another write came between. It holds no lock
// meanwhile, so change may take its time. written, if not nil, gets the config's entry while no reader can have it yet.
func (s *store) change(
	ctx context.Context, storage logical.Storage, name string, change func(old found) (config, error), written func(*entry),
) error {
	for range writeAttempts {
		old, before, err := s.load(ctx, storage, name)
		if err != nil {
			return err
		}
		next, err := change(found{old, before != nil})
		if err != nil {
			return err
		}
		done, err := s.replace(ctx, storage, name, before, next, written)
		if err != nil || done {
			return err
		}
	}
	return errChanged
}

// confirm stores learned in place of c, if they differ, provided that storage still has the entry that c was read from. If it has
// not, that is an error.
func (s *store) confirm(
	ctx context.Context, storage logical.Storage, name string, stored []byte, c, learned config, confirmed func(*entry),
) error {
	if !maps.Equal(c, learned) {
		done, err := s.replace(ctx, storage, name, stored, learned, confirmed)
		if err == nil && !done {
			return errChanged
		}
		return err
	}
	s.writes.Lock()
	defer s.writes.Unlock()
	same, err := s.isStored(ctx, storage, name, stored)
	if err != nil {
		return err
	}
	if !same {
		return errChanged
	}
	s.entries.set(name, s.opening(name, learned, confirmed))
	return nil
}

// isStored says whether an entry is what is stored; nil is none.
func (s *store) isStored(ctx context.Context, storage logical.Storage, name string, entry []byte) (bool, error) {
	current, err := storage.Get(ctx, s.key(name))
	if err != nil {
		return false, fmt.Errorf("reading %s from storage: %w", s.key(name), err)
	}
	if current == nil || entry == nil {
		return current == nil && entry == nil, nil
	}
	return bytes.Equal(current.Value, entry), nil
}

// opening makes the entry of a config, and hands it to written before any reader can have it.
func (s *store) opening(name string, c config, written func(*entry)) func(before *entry) *entry {
	var prepared any
	if s.vendor.declares != nil { // here, because the rest is done under the lock of all entries
		prepared = s.vendor.declares.prepare(c)
	}
	return func(before *entry) *entry {
		opened := s.open(name, c, before)
		opened.prepared = prepared
		if written != nil {
			written(opened)
		}
		return opened
	}
}

// replace stores a config in place of the entry before. It says false, and changes nothing, if that is no longer what is
// stored.
func (s *store) replace(
	ctx context.Context, storage logical.Storage, name string, before []byte, next config, written func(*entry),
) (bool, error) {
	s.writes.Lock()
	defer s.writes.Unlock()
	if same, err := s.isStored(ctx, storage, name, before); err != nil || !same {
		return false, err
	}
	value, err := next.encode(s.vendor.fieldsOf(next), before)
	if err != nil {
		return false, err
	}
	// Vault finishes a write whose client hung up, so this one is not canceled either. The error is returned as it is: Vault
	// recognizes that of a read-only storage by its text alone.
	if err := storage.Put(context.WithoutCancel(ctx), &logical.StorageEntry{Key: s.key(name), Value: value}); err != nil {
		s.entries.doubt(name) // a write that fails may have been done
		return false, err
	}
	s.entries.set(name, s.opening(name, next, written))
	return true, nil
}

// remove deletes a config. It is no error if there is none.
func (s *store) remove(ctx context.Context, storage logical.Storage, name string) error {
	s.writes.Lock()
	defer s.writes.Unlock()
	if err := storage.Delete(context.WithoutCancel(ctx), s.key(name)); err != nil { // see replace
		s.entries.doubt(name)
		return err
	}
	s.entries.drop(name)
	return nil
}

// writeAttempts is how often a write starts over because its config was changed meanwhile.
const writeAttempts = 20

// errChanged is the answer if it still was.
var errChanged = logical.CodedError(http.StatusConflict, "the config was changed concurrently; nothing was stored, try again")
