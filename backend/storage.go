package backend

import (
	"context"
	"fmt"
	"maps"
	"net/http"

	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// Storage keys. All that holds a secret lies under configPrefix, which is seal-wrapped.
const (
	configPrefix = "config/"
	pavePrefix   = configPrefix + "pave/"
	avananPrefix = configPrefix + "avanan/"
)

func paveKey(name string) string   { return pavePrefix + name }
func avananKey(name string) string { return avananPrefix + name }

// storable is a config of either vendor. It is stored as a JSON object: what fields gives, and the secret under its
// parameter's name. Its json tags say the same, for reading it back.
type storable interface {
	comparable
	// fields are a read's answer, every stored field but the secret, by parameter.
	fields() map[string]any
	// secret names the secret's parameter and gives its value.
	secret() (parameter string, value secret.Text)
}

// loadConfig reads the config under a key. Fields that the entry lacks are as in defaults, those that this version
// does not know are passed over. found is false where there is no entry.
func loadConfig[C storable](ctx context.Context, s logical.Storage, key string, defaults C) (config C, found bool, err error) {
	entry, err := s.Get(ctx, key)
	if err != nil {
		return defaults, false, fmt.Errorf("reading %s from storage: %w", key, err)
	}
	if entry == nil {
		return defaults, false, nil
	}
	config = defaults
	if err := entry.DecodeJSON(&config); err != nil {
		return defaults, false, fmt.Errorf("the storage entry %s is damaged; delete the config and write it anew", key)
	}
	return config, true, nil
}

// storeConfig writes a config, beside what a later version may have stored in the same entry.
func storeConfig[C storable](ctx context.Context, s logical.Storage, key string, config C) error {
	object := map[string]any{}
	before, err := s.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("reading %s from storage: %w", key, err)
	}
	if before != nil {
		if err := before.DecodeJSON(&object); err != nil {
			return fmt.Errorf("the storage entry %s is damaged; delete the config and write it anew", key)
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
	// As it is: Vault knows the error of a storage that can only be read by its text alone.
	return s.Put(ctx, entry)
}

// changeConfig stores what change makes of a stored config (of the defaults, where found is false) and returns it. change
// may be called again, where another write came in between: it may take its time, for no lock is held.
func changeConfig[C storable](
	ctx context.Context, b *backend, s logical.Storage, key string, defaults C, change func(old C, found bool) (C, error),
) (C, error) {
	for range writeAttempts {
		old, found, err := loadConfig(ctx, s, key, defaults)
		if err != nil {
			return defaults, err
		}
		config, err := change(old, found)
		if err != nil {
			return defaults, err
		}
		stored, err := replaceConfig(ctx, b, s, key, old, found, config)
		if err != nil || stored {
			return config, err
		}
	}
	return defaults, errChanged
}

// replaceConfig puts a config in an old one's place and says false, with nothing changed, where the old one is no
// longer what is stored.
func replaceConfig[C storable](
	ctx context.Context, b *backend, s logical.Storage, key string, old C, found bool, config C,
) (bool, error) {
	b.configWrites.Lock()
	defer b.configWrites.Unlock()
	current, stillFound, err := loadConfig(ctx, s, key, old)
	if err != nil || stillFound != found || current != old {
		return false, err
	}
	return true, storeConfig(ctx, s, key, config)
}

// writeAttempts is how often a write starts over that finds its config changed meanwhile.
const writeAttempts = 5

// errChanged is the answer where others kept changing it.
var errChanged = logical.CodedError(http.StatusConflict, "others kept changing this config meanwhile; nothing was stored, write it again")
