package backend

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// warmReads are the reads that do not use storage once their config is cached.
var warmReads = map[string]values{
	"creds/pave/main":       nil,
	"creds/avanan/us":       nil,
	"sign/avanan/us":        {"request_string": "/v1.0/scopes"},
	"sign/avanan/us/batch":  {"request_strings": []string{"/v1.0/scopes"}},
	"creds/pave/other-name": nil,
}

func TestWarmReadsUseNoStorage(t *testing.T) {
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

// The old config does not stay in memory if a write happens while a reader loads it, or if a reader loads it while a
// write is storing the new one.
func TestConcurrentWriteLeavesNoOldConfigInMemory(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	ttl := func() any { return m.read("creds/pave/main")["ttl"] }
	m.write("config/pave/main", m.paveValues())
	m.InvalidateKey(t.Context(), "config/pave/main")
	write := func() { m.write("config/pave/main", values{"ttl": 20}) }
	m.storage.afterGet.Store(&write)
	require.Equal(t, 20, ttl(), "a config that was read before the write is read again")
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

// A write is completed even if its client hangs up, because Vault may complete it in any case. Otherwise a concurrent
// reader could read the old config and keep it in memory.
func TestWriteCompletesWhenClientHangsUp(t *testing.T) {
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

// When another node changes a config and Vault reports it, the config is read again. The token is kept if the account
// is the same.
func TestInvalidatedConfigIsReadAgain(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	m.write("config/avanan/us", m.avananValues())
	m.read("creds/pave/main")
	token := m.read("creds/avanan/us")["token"]
	m.elsewhere("config/pave/main", "ttl", 77)
	m.elsewhere("config/avanan/us", "request_timeout", 7)
	require.Equal(t, 150, m.read("creds/pave/main")["ttl"], "Vault has not reported the change yet")
	m.InvalidateKey(t.Context(), "config/pave/main")
	m.InvalidateKey(t.Context(), "config/avanan/us")
	require.Equal(t, 77, m.read("creds/pave/main")["ttl"])
	require.Equal(t, token, m.read("creds/avanan/us")["token"])
	m.elsewhere("config/avanan/us", "region", "eu")
	m.InvalidateKey(t.Context(), "config/avanan/us")
	answer := m.read("creds/avanan/us")
	require.Equal(t, "eu", answer["region"])
	require.NotEqual(t, token, answer["token"])
}

// elsewhere changes a field of a stored config, as another node would.
func (m *mount) elsewhere(key, field string, value any) {
	m.t.Helper()
	entry, err := m.storage.Storage.Get(m.t.Context(), key)
	require.NoError(m.t, err)
	var stored values
	require.NoError(m.t, json.Unmarshal(entry.Value, &stored))
	stored[field] = value
	entry.Value = mustJSON(m.t, stored)
	require.NoError(m.t, m.storage.Storage.Put(m.t.Context(), entry))
}

// If the vendor rejects the cached config, the engine reads storage again: another node may have changed the config,
// and Vault may not have reported it yet.
func TestVendorFailureReadsConfigAgain(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"secret_key": "old", "verify": false}))
	require.Contains(t, m.refused(logical.ReadOperation, "creds/avanan/us", nil), "403")
	m.elsewhere("config/avanan/us", "secret_key", "sandbox-avanan-secret")
	m.read("creds/avanan/us")
	m.storage.verb.Store("get")
	m.read("creds/avanan/us")
}

// An invalid request does not read storage.
func TestInvalidRequestUsesNoStorage(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	m.read("creds/avanan/us")
	m.storage.verb.Store("get")
	m.refused(logical.ReadOperation, "sign/avanan/us", values{"request_string": "a"})
	m.refused(logical.UpdateOperation, "sign/avanan/us/batch", values{"request_strings": []string{"a"}})
}

// With concurrent writers and readers, a read after the writes returns what is stored.
func TestConcurrentConfigWritesAndReads(t *testing.T) {
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
						resp, err := m.HandleRequest(t.Context(), m.request(logical.ReadOperation, "creds/pave/main", nil))
						if err != nil || resp.IsError() {
							t.Error(resp, err)
						}
					}
				}
			})
		}
		for writer := range 2 {
			writers.Go(func() { m.write("config/pave/main", values{"ttl": 1 + (2*round+writer)%240}) })
		}
		writers.Wait()
		stored := m.read("config/pave/main")["ttl"]
		require.Equal(t, stored, m.read("creds/pave/main")["ttl"])
		close(stop)
		readers.Wait()
		require.Equal(t, stored, m.read("creds/pave/main")["ttl"])
	}
}

// An exchange with the old account that ends after a rotation says nothing about the new one.
func TestOldAccountsFailureIsNotTheNewOnes(t *testing.T) {
	t.Parallel()
	begun, let := make(chan struct{}, 1), make(chan error, 1)
	m := newMountOf(t, withTokens(func() (token.Token, error) {
		begun <- struct{}{}
		if err := <-let; err != nil {
			return token.Token{}, err
		}
		return token.Token{Value: "t", AskedAt: began, ExpiresAt: began.Add(time.Hour)}, nil
	}))
	m.write("config/avanan/us", with(m.avananValues(), values{"secret_key": "old", "verify": false}))
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = m.HandleRequest(t.Context(), m.request(logical.ReadOperation, "creds/avanan/us", nil))
	}()
	<-begun
	m.must(logical.UpdateOperation, "config/avanan/us", values{"secret_key": "new", "base_url": m.url, "verify": false})
	let <- &exchange.Error{Kind: exchange.Refused, Status: 403, Host: "vendor", Reason: "it rejects the credentials"}
	<-begun // the reader looks into storage, and tries the new account
	let <- nil
	<-read
	status := m.read("status/avanan/us")
	require.NotContains(t, status, "last_failure")
	require.Equal(t, 0, status["failures_in_a_row"])
	require.Equal(t, 2, status["exchanges"], "the counters are the config's")
}

// A config that was deleted on another node leaves memory and metrics at the next read or scrape.
func TestConfigDeletedElsewhereLeavesTheMetrics(t *testing.T) {
	t.Parallel()
	for name, notice := range map[string]func(*mount){
		"a read":   func(m *mount) { m.refused(logical.ReadOperation, "creds/pave/main", nil) },
		"a scrape": func(*mount) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/pave/main", m.paveValues())
			m.read("creds/pave/main")
			require.NoError(t, m.storage.Storage.Delete(t.Context(), "config/pave/main"))
			m.InvalidateKey(t.Context(), "config/pave/main")
			notice(m)
			for series := range m.scrape() {
				require.NotContains(t, series, `config="main"`)
			}
		})
	}
}

// Writes of other configs, one during every look into storage, do not keep a cold config's readers from sharing a
// token.
func TestColdReadersShareATokenDuringOtherWrites(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false}))
	m.InvalidateKey(t.Context(), "config/avanan/us")
	for range 5 {
		m.InvalidateKey(t.Context(), "config/avanan/us")
		write := func() { m.write("config/avanan/eu", with(m.avananValues(), values{"verify": false})) }
		m.storage.afterGet.Store(&write)
		m.read("creds/avanan/us")
	}
	require.Equal(t, 1, m.vendor.Handshakes())
}
