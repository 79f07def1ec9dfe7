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

// Sixty concurrent writes under different names that guess a secret try it one after the other, a second apart. (Time is
// synctest's.)
func TestVerifiedWritesGuessOncePerSecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var guesses, atOnce atomic.Int64
		m := newQuietMount(t, withTokens(func() (token.Token, error) {
			guesses.Add(1)
			if atOnce.Add(1) > 1 {
				t.Error("two tries at once")
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

// Other hosts do not wait, and neither does a write after one that did not end in a refusal.
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
		require.Empty(t, m.turns.hosts, "nothing is kept of hosts that nobody waits for")
	})
}

// A write that gives up while it waits leaves the others their turn.
func TestVerifiedWriteThatGivesUp(t *testing.T) {
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

// Readers of a broken config are held off; the operator who repairs it is not.
func TestReadersHoldOffDoesNotDelayARepair(t *testing.T) {
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

// newQuietMount is a mount without a sandbox, whose clock is time's own, for tests within synctest.
func newQuietMount(t *testing.T, vendors []*vendor) *mount {
	t.Helper()
	m := &mount{t: t, storage: &flakyStorage{Storage: &logical.InmemStorage{}}, log: &syncBuffer{}}
	m.backend = newBackend(vendors, time.Now, newUUID)
	require.NoError(t, m.Setup(t.Context(), &logical.BackendConfig{System: logical.TestSystemView(), StorageView: m.storage}))
	t.Cleanup(func() { m.Cleanup(context.Background()) })
	return m
}
