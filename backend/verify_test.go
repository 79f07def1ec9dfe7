package backend

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// A hanging vendor, or a wrong secret of one config, does not delay the writes of others at the same host.
func TestVerifiedWritesDoNotWaitForOneAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const latency = 10 * time.Millisecond
		m := newQuietMount(t, withTokens(func() (token.Token, error) {
			<-time.After(latency)
			return token.Token{}, &exchange.Error{Kind: exchange.Refused, Status: 403, Host: "vendor"}
		}))
		begun := time.Now()
		for i := range 60 {
			go func() {
				_, status, _ := m.handle(logical.UpdateOperation, fmt.Sprintf("config/avanan/x-%d", i), values{
					"app_id": "app", "secret_key": "wrong", "base_url": "https://vendor.example",
				})
				if status != 400 || time.Since(begun) != latency {
					t.Errorf("status %d after %s", status, time.Since(begun))
				}
			}()
		}
		<-time.After(time.Hour)
		synctest.Wait()
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
func newQuietMount(t *testing.T, vendors []*api.API) *mount {
	t.Helper()
	m := emptyMount(t)
	m.backend = newBackend(vendors, time.Now, newUUID)
	require.NoError(t, m.Setup(t.Context(), &logical.BackendConfig{
		System: logical.TestSystemView(), StorageView: m.storage,
	}))
	t.Cleanup(func() { m.Cleanup(context.Background()) })
	return m
}
