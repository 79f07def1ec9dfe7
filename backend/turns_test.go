package backend

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// Sixty concurrent writes with wrong secrets, for configs of different names, call the vendor one after the other, a second apart.
func TestVerifiedWritesGuessOncePerSecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var guesses, atOnce atomic.Int64
		m := newQuietMount(t, withTokens(func() (token.Token, error) {
			guesses.Add(1)
			if atOnce.Add(1) > 1 {
				t.Error("two concurrent exchanges")
			}
			defer atOnce.Add(-1)
			<-time.After(10 * time.Millisecond)
			return token.Token{}, &exchange.Error{Kind: exchange.Refused, Status: 403, Host: "vendor"}
		}))
		for i := range 60 {
			go m.handle(logical.UpdateOperation, fmt.Sprintf("config/avanan/guess-%d", i), values{
				"app_id": "app", "secret_key": fmt.Sprint("guess", i), "base_url": fmt.Sprintf("https://VENDOR.example/%d", i),
			})
		}
		<-time.After(10 * time.Second)
		require.Equal(t, int64(10), guesses.Load())
		<-time.After(50*time.Second + 600*time.Millisecond)
		synctest.Wait()
		require.Equal(t, int64(60), guesses.Load())
	})
}

// Writes for other hosts do not wait. A write does not wait for a second if the one before was not refused.
func TestVerifiedWritesWaitOnlyForTheirHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var failure error = &exchange.Error{Kind: exchange.Refused, Status: 403, Host: "vendor"}
		m := newQuietMount(t, withTokens(func() (token.Token, error) { return token.Token{}, failure }))
		write := func(host string) time.Duration {
			before := time.Now()
			m.handle(logical.UpdateOperation, "config/avanan/x", values{"app_id": "app", "secret_key": "x", "base_url": "https://" + host})
			return time.Since(before)
		}
		require.Zero(t, write("a.example"))
		require.Zero(t, write("b.example"))
		require.Zero(t, write("a.example:8443"))
		require.Equal(t, time.Second, write("a.example"))
		<-time.After(time.Second)
		failure = &exchange.Error{Kind: exchange.Unavailable, Status: 500, Host: "vendor"}
		require.Zero(t, write("a.example"))
		require.Zero(t, write("a.example"))
		require.Empty(t, m.turns.hosts, "unused hosts are forgotten")
	})
}

// A write that is canceled while it waits does not block the next one.
func TestCanceledWriteDoesNotBlockOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := turns{afterRefusal: time.Second}
		end, err := turns.take(t.Context(), "host")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = turns.take(ctx, "host")
		require.ErrorIs(t, err, context.Canceled)
		end(true)
		before := time.Now()
		end, err = turns.take(t.Context(), "host")
		require.NoError(t, err)
		require.Equal(t, time.Second, time.Since(before))
		end(false)
		require.Empty(t, turns.hosts)
	})
}

// The hold-off for readers of a broken config does not delay the write that repairs it.
func TestHoldOffOfReadersDoesNotDelayWrite(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"secret_key": "wrong", "verify": false}))
	for range 6 {
		require.NotContains(t, m.refused(logical.ReadOperation, "creds/avanan/us", nil), "waiting")
	}
	require.Contains(t, m.refused(logical.ReadOperation, "creds/avanan/us", nil), "waiting")
	m.write("config/avanan/us", values{"secret_key": "sandbox-avanan-secret", "base_url": m.url})
	m.read("creds/avanan/us")
}

// newQuietMount makes a mount without a sandbox and with the real clock, for tests that use synctest.
func newQuietMount(t *testing.T, vendors []*vendor) *mount {
	t.Helper()
	m := &mount{t: t, storage: &flakyStorage{Storage: &logical.InmemStorage{}}, log: &syncBuffer{}}
	m.backend = newBackend(vendors, time.Now, newUUID)
	require.NoError(t, m.Setup(t.Context(), &logical.BackendConfig{System: logical.TestSystemView(), StorageView: m.storage}))
	t.Cleanup(func() { m.Cleanup(context.Background()) })
	return m
}
