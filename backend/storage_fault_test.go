package backend

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// failingStorage fails once, at call number failAt, counted from 1. With doneAnyway, a write that fails is done all the
// same.
type failingStorage struct {
	logical.Storage
	failAt, calls int
	doneAnyway    bool
	failed        bool
}

var errInjected = errors.New("injected")

// fails counts a call, and says whether it must fail.
func (s *failingStorage) fails() bool {
	s.calls++
	if s.calls == s.failAt {
		s.failed = true
		return true
	}
	return false
}

func (s *failingStorage) Get(ctx context.Context, key string) (*logical.StorageEntry, error) {
	if s.fails() {
		return nil, errInjected
	}
	return s.Storage.Get(ctx, key)
}

func (s *failingStorage) List(ctx context.Context, prefix string) ([]string, error) {
	if s.fails() {
		return nil, errInjected
	}
	return s.Storage.List(ctx, prefix)
}

func (s *failingStorage) Put(ctx context.Context, entry *logical.StorageEntry) error {
	if !s.fails() {
		return s.Storage.Put(ctx, entry)
	}
	if s.doneAnyway {
		_ = s.Storage.Put(ctx, entry)
	}
	return errInjected
}

func (s *failingStorage) Delete(ctx context.Context, key string) error {
	if !s.fails() {
		return s.Storage.Delete(ctx, key)
	}
	if s.doneAnyway {
		_ = s.Storage.Delete(ctx, key)
	}
	return errInjected
}

// change is a request that changes or reads what is stored.
type change struct {
	operation logical.Operation
	path      string
	data      values
}

// If storage fails at any one call of a request, the config is either the old one or the new one, never a mixture.
// Readers get what is stored, and the same request succeeds when it is repeated.
func TestStorageFailureAtAnyCallLeavesWholeConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []change{
		{logical.CreateOperation, "config/pave/new", values{"username": "u", "api_key": "k", "api_secret": "s"}},
		{logical.UpdateOperation, "config/pave/main", values{"ttl": 20, "timestamp_format": "unix"}},
		{logical.PatchOperation, "config/pave/main", values{"ttl": nil, "timestamp_format": "unix"}},
		{logical.DeleteOperation, "config/pave/main", nil},
		{logical.UpdateOperation, "config/avanan/us", values{"min_ttl": 20}},
		{logical.UpdateOperation, "config/avanan/us", values{"secret_key": "rotated", "min_ttl": 20}},
		{logical.PatchOperation, "config/avanan/us", values{"secret_key": "rotated", "verify": false}},
		{logical.DeleteOperation, "config/avanan/us", nil},
		{logical.CreateOperation, "config/avanan/new", values{"app_id": "US:sandbox", "secret_key": "rotated"}},
		{logical.ReadOperation, "config/pave/main", nil},
		{logical.ReadOperation, "config/avanan/us", nil},
		{logical.ListOperation, "config/pave/", nil},
		{logical.ListOperation, "config/avanan/", nil},
		{logical.UpdateOperation, "creds/pave/main", nil},
		{logical.UpdateOperation, "creds/avanan/us", nil},
		{logical.UpdateOperation, "sign/avanan/us/batch", values{"request_strings": []string{"/v1.0/scopes"}}},
		{logical.ReadOperation, "creds/pave/main", nil},
		{logical.ReadOperation, "creds/avanan/us", nil},
		{logical.ReadOperation, "sign/avanan/us", values{"request_string": "/v1.0/scopes"}},
	} {
		for _, doneAnyway := range []bool{false, true} {
			t.Run(fmt.Sprint(c.operation, c.path, doneAnyway), func(t *testing.T) {
				t.Parallel()
				after := newMountBefore(t, c)
				after.do(c, after.storage)
				for failAt := 1; ; failAt++ {
					m := newMountBefore(t, c)
					before := m.stored()
					failing := &failingStorage{Storage: m.storage.Storage, failAt: failAt, doneAnyway: doneAnyway}
					m.do(c, failing)
					if !failing.failed {
						require.Greater(t, failAt, 1, "the request uses storage")
						break
					}
					if now := m.stored(); fmt.Sprint(now) != fmt.Sprint(before) {
						require.Equal(t, after.sansURL(), m.sansURL())
					}
					m.requireCacheIsStorage()
					m.do(c, m.storage)
					require.Equal(t, after.sansURL(), m.sansURL())
					m.requireCacheIsStorage()
				}
			})
		}
	}
}

// newMountBefore makes a mount with two configs. They are cached, unless the change is a read of creds or sign.
func newMountBefore(t *testing.T, c change) *mount {
	t.Helper()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	m.write("config/avanan/us", m.avananValues())
	if !strings.HasPrefix(c.path, "config/") {
		m.InvalidateKey(t.Context(), "config/pave/main")
		m.InvalidateKey(t.Context(), "config/avanan/us")
	}
	if c.data["secret_key"] != nil {
		m.vendor.Change(func(b *sandbox.Behaviour) { b.AvananSecretKey = "rotated" })
	}
	return m
}

// do makes the calls that Vault makes for a request: the existence check first.
func (m *mount) do(c change, storage logical.Storage) {
	m.t.Helper()
	data := c.data
	if data["app_id"] != nil {
		data = with(data, values{"base_url": m.url})
	}
	req := m.request(c.operation, c.path, data)
	req.Storage = storage
	if c.operation == logical.CreateOperation || c.operation == logical.UpdateOperation {
		if _, _, err := m.HandleExistenceCheck(m.t.Context(), req); err != nil {
			require.ErrorIs(m.t, err, errInjected)
			return
		}
	}
	resp, err := m.HandleRequest(m.t.Context(), req)
	if err != nil {
		require.ErrorIs(m.t, err, errInjected)
		require.Nil(m.t, resp)
		return
	}
	require.False(m.t, resp.IsError(), resp.Error())
}

// sansURL returns all storage entries without the sandbox's URL, which differs between mounts.
func (m *mount) sansURL() map[string]string {
	stored := m.stored()
	for key, value := range stored {
		stored[key] = strings.ReplaceAll(value, m.url, "")
	}
	return stored
}

// requireCacheIsStorage checks that readers use what is stored.
func (m *mount) requireCacheIsStorage() {
	m.t.Helper()
	for _, s := range m.stores {
		for _, name := range []string{"main", "us", "new"} {
			stored := m.load(s.api.Name + "/" + name)
			used, err := m.requestFor(s.api.Name + "/" + name).usable(m.t.Context())
			if stored.entry == nil {
				require.ErrorContains(m.t, err, "there is no config")
				continue
			}
			require.NoError(m.t, err)
			require.True(m.t, stored.values.Equal(used.values))
		}
	}
}
