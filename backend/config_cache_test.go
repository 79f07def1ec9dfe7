package backend

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"
)

// warmReads are the reads that ask storage for nothing once their config was read.
var warmReads = map[string]values{
	"creds/pave/main":       nil,
	"creds/avanan/us":       nil,
	"sign/avanan/us":        {"request_string": "/v1.0/scopes"},
	"sign/avanan/us/batch":  {"request_strings": []string{"/v1.0/scopes"}},
	"creds/pave/other-name": nil,
}

func TestWarmReadsNeedNoStorage(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	m.write("config/pave/other-name", m.paveValues())
	m.write("config/avanan/us", m.avananValues())
	for path, parameters := range warmReads {
		m.must(logical.UpdateOperation, path, parameters)
	}
	for _, verb := range []string{"get", "put", "list", "delete"} {
		m.storage.verb.Store(verb)
		for path, parameters := range warmReads {
			m.must(logical.UpdateOperation, path, parameters)
			if path != "sign/avanan/us/batch" {
				m.must(logical.ReadOperation, path, parameters)
			}
		}
	}
}

// A write that comes between a reader's look into storage and what it makes of it, and a reader that comes while a write
// is storing: neither leaves the old config in memory.
func TestConfigCacheKeepsNoOldConfig(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	ttl := func() any { return m.read("creds/pave/main")["ttl"] }
	m.write("config/pave/main", m.paveValues())
	write := func() { m.write("config/pave/main", values{"ttl": 20}) }
	m.storage.afterGet.Store(&write)
	require.Equal(t, 150, ttl(), "read before the write")
	require.Equal(t, 20, ttl())

	read := func() { require.Equal(t, 20, ttl(), "not stored yet") }
	m.storage.beforePut.Store(&read)
	m.write("config/pave/main", values{"ttl": 30})
	require.Equal(t, 30, ttl())

	read = func() { require.Equal(t, 30, ttl(), "not deleted yet") }
	m.storage.beforeDelete.Store(&read)
	m.must(logical.DeleteOperation, "config/pave/main", nil)
	require.Contains(t, m.refused(logical.ReadOperation, "creds/pave/main", nil), "there is no config")
}

// Vault goes on with a write that it was told to call off, so it is not told to: a reader that came between would otherwise
// find the config from before, and keep it.
func TestAWriteIsNotCalledOff(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	for _, req := range []*logical.Request{
		m.request(logical.UpdateOperation, "config/pave/main", values{"ttl": 20}),
		m.request(logical.DeleteOperation, "config/pave/main", nil),
	} {
		ctx, hangUp := context.WithCancel(t.Context())
		hangingUp := func() { hangUp() }
		m.storage.beforePut.Store(&hangingUp)
		m.storage.beforeDelete.Store(&hangingUp)
		_, err := m.HandleRequest(ctx, req)
		require.NoError(t, err)
		require.ErrorIs(t, ctx.Err(), context.Canceled)
		if req.Operation == logical.UpdateOperation {
			require.Equal(t, 20, m.read("creds/pave/main")["ttl"])
		}
	}
	require.Contains(t, m.refused(logical.ReadOperation, "creds/pave/main", nil), "there is no config")
}

// What another node wrote is read once Vault says so.
func TestInvalidateDropsTheConfig(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	m.write("config/avanan/us", m.avananValues())
	m.read("creds/pave/main")
	m.read("creds/avanan/us")
	elsewhere := configStore[paveConfig]{prefix: pavePrefix}
	_, err := elsewhere.change(t.Context(), m.storage, "main", func(old paveConfig, _ bool) (paveConfig, error) {
		old.TTL = 77
		return old, nil
	})
	require.NoError(t, err)
	elsewhereToo := configStore[avananConfig]{prefix: avananPrefix}
	_, err = elsewhereToo.change(t.Context(), m.storage, "us", func(old avananConfig, _ bool) (avananConfig, error) {
		old.Region = "eu"
		return old, nil
	})
	require.NoError(t, err)
	m.InvalidateKey(t.Context(), "config/pave/main")
	m.InvalidateKey(t.Context(), "config/avanan/us")
	require.Equal(t, 77, m.read("creds/pave/main")["ttl"])
	require.Equal(t, "eu", m.read("creds/avanan/us")["region"])
}

// A config that was changed on another node, of which this one was not told yet, is looked for where the old one fails.
func TestFailureLooksIntoStorage(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"secret_key": "old", "verify": false}))
	require.Contains(t, m.refused(logical.ReadOperation, "creds/avanan/us", nil), "403")
	elsewhere := configStore[avananConfig]{prefix: avananPrefix}
	_, err := elsewhere.change(t.Context(), m.storage, "us", func(old avananConfig, _ bool) (avananConfig, error) {
		old.SecretKey = "sandbox-avanan-secret"
		return old, nil
	})
	require.NoError(t, err)
	m.read("creds/avanan/us")
	m.storage.verb.Store("get")
	m.read("creds/avanan/us")
}

// Two writers and readers at once, round after round: once the writers are done, a read tells what is stored.
func TestConfigCacheUnderWritersAndReaders(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	for round := range 200 {
		var writers, readers sync.WaitGroup
		stop := make(chan struct{})
		for range 2 {
			readers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						if _, err := m.paveConfigs.usable(t.Context(), m.request(logical.ReadOperation, "creds/pave/main", nil), "main"); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		for writer := range 2 {
			writers.Go(func() {
				_, err := m.paveConfigs.change(t.Context(), m.storage, "main", func(old paveConfig, _ bool) (paveConfig, error) {
					old.TTL, old.Username = 1+(2*round+writer)%240, fmt.Sprint(round, writer)
					return old, nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		writers.Wait()
		after, err := m.paveConfigs.usable(t.Context(), m.request(logical.ReadOperation, "creds/pave/main", nil), "main")
		require.NoError(t, err)
		close(stop)
		readers.Wait()
		current, _, err := m.paveConfigs.load(t.Context(), m.storage, "main")
		require.NoError(t, err)
		require.Equal(t, current, after.config)
		cached, err := m.paveConfigs.usable(t.Context(), m.request(logical.ReadOperation, "creds/pave/main", nil), "main")
		require.NoError(t, err)
		require.Equal(t, current, cached.config)
	}
}
