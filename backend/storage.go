package backend

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"sync"

	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// Storage keys. All that holds a secret lies under configPrefix, which is seal-wrapped.
const (
	configPrefix = "config/"
	pavePrefix   = configPrefix + "pave/"
	avananPrefix = configPrefix + "avanan/"
)

// storable is a config of either vendor. It is stored as a JSON object: what fields gives, and the secret under its
// parameter's name. Its json tags say the same, for reading it back.
type storable interface {
	comparable
	// fields are a read's answer, every stored field but the secret, by parameter.
	fields() map[string]any
	// secret names the secret's parameter and gives its value.
	secret() (parameter string, value secret.Text)
	// check says what is wrong with the config, where it was stored by a version with other rules.
	check() error
}

// configStore keeps one vendor's configs: in Vault's storage, and in memory those that were read.
type configStore[C storable] struct {
	// prefix is what the storage keys begin with, before the config's name.
	prefix string
	// parameters are what the first write of a config must name, for errors that say what to write.
	parameters string
	// defaults are the fields that an entry lacks.
	defaults C

	cache configCache[C]
	// writes is held over the storage calls of a change, never over the network.
	writes sync.Mutex
}

func (s *configStore[C]) key(name string) string { return s.prefix + name }

// load reads a config from storage. Fields that this version does not know are passed over. found is false where there
// is no entry; the config is the defaults then.
func (s *configStore[C]) load(ctx context.Context, storage logical.Storage, name string) (config C, found bool, err error) {
	entry, err := storage.Get(ctx, s.key(name))
	if err != nil {
		return s.defaults, false, fmt.Errorf("reading %s from storage: %w", s.key(name), err)
	}
	if entry == nil {
		return s.defaults, false, nil
	}
	config = s.defaults
	if err := entry.DecodeJSON(&config); err != nil {
		return s.defaults, false, damaged(s.key(name))
	}
	return config, true, nil
}

func damaged(key string) error {
	return fmt.Errorf("the storage entry %s is damaged; delete the config and write it anew", key)
}

// usable returns a config to work with: the remembered one, or what read returns.
func (s *configStore[C]) usable(ctx context.Context, req *logical.Request, name string) (cachedConfig[C], error) {
	if cached, found := s.cache.get(name); found {
		return cached, nil
	}
	return s.read(ctx, req, name)
}

// read reads a config to work with from storage, and remembers it. Where there is none, or it was stored by a version
// with other rules, the error says what to write.
func (s *configStore[C]) read(ctx context.Context, req *logical.Request, name string) (cachedConfig[C], error) {
	version := s.cache.current()
	config, found, err := s.load(ctx, req.Storage, name)
	if err != nil {
		return cachedConfig[C]{}, err
	}
	if !found {
		return cachedConfig[C]{}, s.noConfig(req, name)
	}
	if err := config.check(); err != nil {
		return cachedConfig[C]{}, invalidf("the config at %s can not be used: %s; write it again", req.MountPoint+s.key(name), err)
	}
	read := cachedConfig[C]{config, version}
	s.cache.put(name, read)
	return read, nil
}

// noConfig is the error of a path whose config is not there.
func (s *configStore[C]) noConfig(req *logical.Request, name string) error {
	path := req.MountPoint + s.key(name)
	return invalidf("there is no config at %s; write one first: vault write %s %s", path, path, s.parameters)
}

// change stores what change makes of a stored config (of the defaults, where found is false) and returns it. change may
// be called again, where another write came in between: it may take its time, for no lock is held.
func (s *configStore[C]) change(
	ctx context.Context, storage logical.Storage, name string, change func(old C, found bool) (C, error),
) (cachedConfig[C], error) {
	for range writeAttempts {
		old, found, err := s.load(ctx, storage, name)
		if err != nil {
			return cachedConfig[C]{}, err
		}
		config, err := change(old, found)
		if err != nil {
			return cachedConfig[C]{}, err
		}
		version, stored, err := s.replace(ctx, storage, name, old, found, config)
		if err != nil || stored {
			return cachedConfig[C]{config, version}, err
		}
	}
	return cachedConfig[C]{}, errChanged
}

// replace puts a config in an old one's place and says false, with nothing changed, where the old one is no longer what
// is stored.
func (s *configStore[C]) replace(
	ctx context.Context, storage logical.Storage, name string, old C, found bool, config C,
) (version uint64, stored bool, err error) {
	s.writes.Lock()
	defer s.writes.Unlock()
	current, stillFound, err := s.load(ctx, storage, name)
	if err != nil || stillFound != found || current != old {
		return 0, false, err
	}
	// What fails may have been stored all the same, so that is dropped too.
	defer func() { version = s.cache.drop(name) }()
	return 0, true, s.put(ctx, storage, name, config)
}

// put writes a config, beside what a later version may have stored in the same entry.
func (s *configStore[C]) put(ctx context.Context, storage logical.Storage, name string, config C) error {
	object, key := map[string]any{}, s.key(name)
	before, err := storage.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("reading %s from storage: %w", key, err)
	}
	if before != nil {
		if err := before.DecodeJSON(&object); err != nil {
			return damaged(key)
		}
	}
	if object == nil { // the entry was JSON's null
		object = map[string]any{}
	}
	maps.Copy(object, config.fields())
	parameter, value := config.secret()
	object[parameter] = value.Reveal()
	entry, err := logical.StorageEntryJSON(key, object)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", key, err)
	}
	// Not to be called off: Vault would go on with it, and the config be dropped from memory before it is stored. The error
	// is returned as it is: Vault knows that of a storage which can only be read by its text alone.
	return storage.Put(context.WithoutCancel(ctx), entry)
}

// remove deletes a config; deleting none is no error.
func (s *configStore[C]) remove(ctx context.Context, storage logical.Storage, name string) error {
	s.writes.Lock()
	defer s.writes.Unlock()
	defer s.cache.drop(name)
	return storage.Delete(context.WithoutCancel(ctx), s.key(name)) // see put
}

// writeAttempts is how often a write starts over that finds its config changed meanwhile.
const writeAttempts = 20

// errChanged is the answer where others kept changing it.
var errChanged = logical.CodedError(http.StatusConflict, "others kept changing this config meanwhile; nothing was stored, write it again")
