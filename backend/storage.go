package backend

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/api"
)

// configPrefix begins the storage key of everything that contains a secret. It is seal-wrapped. A key is the prefix,
// the vendor's name, a slash and the config's name.
const configPrefix = "config/"

// store keeps one API's configs: in Vault's storage, and in memory those that were used.
type store struct {
	api *api.API
	// open makes the entry of a config. before is the one of the same name from before, or nil.
	open func(s *store, name string, c opened, before *entry) *entry

	entries entries
	// writes is held during the storage calls of a write, never while the vendor is called.
	writes sync.Mutex
}

func (s *store) prefix() string         { return configPrefix + s.api.Name + "/" }
func (s *store) key(name string) string { return s.prefix() + name }

// stored is a config as it is in storage.
type stored struct {
	values api.Values
	// entry is nil if there is no config; then the values are the defaults.
	entry []byte
}

// load reads the config of a request from storage.
func (r *request) load(ctx context.Context) (stored, error) {
	entry, err := r.Storage.Get(ctx, r.key())
	if err != nil {
		return stored{}, fmt.Errorf("reading %s from storage: %w", r.key(), err)
	}
	if entry == nil {
		return stored{values: r.store.api.New()}, nil
	}
	values, err := r.store.api.Decode(entry.Value, r.store.entries.known(r.name))
	if err != nil {
		return stored{}, fmt.Errorf("%s: %w", r.key(), err)
	}
	return stored{values, entry.Value}, nil
}

// key is the storage key of the request's config.
func (r *request) key() string { return r.store.key(r.name) }

// secretDates reads what a config in storage says of its secret. has reports whether there is one.
func (s *store) secretDates(
	ctx context.Context, storage logical.Storage, name string,
) (dates api.SecretDates, has bool, err error) {
	entry, err := storage.Get(ctx, s.key(name))
	if err != nil || entry == nil {
		return api.SecretDates{}, false, err
	}
	dates, err = s.api.DecodeDates(entry.Value)
	return dates, true, err
}

// usable returns the config of a request to work with, from memory or from storage.
func (r *request) usable(ctx context.Context) (*entry, error) {
	if current, found := r.store.entries.get(r.name); found {
		return current, nil
	}
	return r.fetch(ctx)
}

// fetch reads a config to work with from storage, and remembers it. Where there is none, or it cannot be used, the
// error says what to write.
func (r *request) fetch(ctx context.Context) (*entry, error) {
	fetched, kept, err := r.fetchOnce(ctx)
	if err != nil || kept {
		return fetched, err
	}
	// Some config was written meanwhile, so this one may be old. Now let no write come between.
	r.store.writes.Lock()
	defer r.store.writes.Unlock()
	fetched, _, err = r.fetchOnce(ctx)
	return fetched, err
}

// fetchOnce is fetch. kept is false if it could not remember the config, because some config was written meanwhile.
func (r *request) fetchOnce(ctx context.Context) (fetched *entry, kept bool, err error) {
	seen := r.store.entries.seen()
	found, err := r.load(ctx)
	if err != nil {
		return nil, false, err
	}
	if found.entry == nil {
		r.store.entries.gone(r.name, seen)
		return nil, false, r.noConfig()
	}
	c, err := r.openStored(found)
	if err != nil {
		return nil, false, err
	}
	fetched, kept = r.store.entries.put(r.name, seen, func(before *entry) *entry {
		return r.store.open(r.store, r.name, c, before)
	})
	return fetched, kept, nil
}

// openStored opens a config from storage. If that cannot be, the error says so.
func (r *request) openStored(found stored) (opened, error) {
	account, err := found.values.Open()
	if err != nil {
		return opened{}, &unusableError{r.MountPoint + r.key(), err.Error()}
	}
	return opened{found.values, account}, nil
}

// noConfig is the error of a path whose config does not exist.
//
// In a namespace MountPoint begins with the namespace, and nothing says where that ends. So for a mount whose path has
// several segments, the command names the root namespace: it works whether there is a namespace or not, and whichever
// the user has set.
func (r *request) noConfig() error {
	path := r.MountPoint + r.key()
	command := "vault write"
	if strings.Count(r.MountPoint, "/") > 1 {
		command += " -namespace=/"
	}
	return api.Invalidf("there is no config at %s; write one first: %s %s %s", path, command, path, r.store.api.FirstWrite)
}

// confirm makes sure that storage still has a config that was found there, and makes that the one in memory. confirmed
// gets its entry while no reader can have it yet.
func (r *request) confirm(ctx context.Context, found stored, c opened, confirmed func(*entry)) error {
	if !c.values.Equal(found.values) {
		return r.replace(ctx, found, c, confirmed)
	}
	r.store.writes.Lock()
	defer r.store.writes.Unlock()
	if err := r.isStored(ctx, found.entry); err != nil {
		return err
	}
	r.remember(c, confirmed)
	return nil
}

// remember makes a config the one in memory. written gets its entry while no reader can have it yet; it may be nil.
func (r *request) remember(c opened, written func(*entry)) {
	r.store.entries.set(r.name, func(before *entry) *entry {
		e := r.store.open(r.store, r.name, c, before)
		if written != nil {
			written(e)
		}
		return e
	})
}

// isStored returns errChanged if an entry is not what is stored; nil is none.
func (r *request) isStored(ctx context.Context, entry []byte) error {
	current, err := r.Storage.Get(ctx, r.key())
	if err != nil {
		return fmt.Errorf("reading %s from storage: %w", r.key(), err)
	}
	if (current == nil) != (entry == nil) || (current != nil && !bytes.Equal(current.Value, entry)) {
		return errChanged
	}
	return nil
}

// replace stores a config in place of one that was found in storage. It returns errChanged, and changes nothing, if
// that is no longer there. written is as in remember.
func (r *request) replace(ctx context.Context, found stored, next opened, written func(*entry)) error {
	r.store.writes.Lock()
	defer r.store.writes.Unlock()
	if err := r.isStored(ctx, found.entry); err != nil {
		return err
	}
	value, err := next.values.Encode(found.entry)
	if err != nil {
		return err
	}
	// Vault finishes a write whose client hung up, so this one is not canceled either. The error is returned as it is:
	// Vault recognizes that of a read-only storage by its text alone.
	if err := r.Storage.Put(context.WithoutCancel(ctx), &logical.StorageEntry{Key: r.key(), Value: value}); err != nil {
		r.store.entries.doubt(r.name) // a write that fails may have been done
		return err
	}
	r.remember(next, written)
	return nil
}

// remove deletes a config. It is no error if there is none.
func (r *request) remove(ctx context.Context) error {
	r.store.writes.Lock()
	defer r.store.writes.Unlock()
	if err := r.Storage.Delete(context.WithoutCancel(ctx), r.key()); err != nil { // see replace
		r.store.entries.doubt(r.name)
		return err
	}
	r.store.entries.drop(r.name)
	return nil
}

// writeAttempts is how often a write starts over because its config was changed meanwhile.
const writeAttempts = 20

// errChanged is the answer if it still was.
var errChanged = logical.CodedError(http.StatusConflict, "the config was changed concurrently; nothing was stored, "+
	"try again")
