package backend

import (
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// tick makes the call that Vault makes every minute, and waits for the handshakes that it begins.
func (m *mount) tick() {
	m.t.Helper()
	_, err := m.HandleRequest(m.t.Context(), m.request(logical.RollbackOperation, "", nil))
	require.NoError(m.t, err)
	m.settle()
}

// settle waits for all exchanges in the background.
func (m *mount) settle() {
	m.t.Helper()
	for _, s := range m.stores {
		inMemory, _ := s.entries.all()
		for _, current := range inMemory {
			if current.token != nil {
				require.NoError(m.t, current.token.Wait(m.t.Context()))
			}
		}
	}
}

// With a read every ten seconds for a day, there are at most 30 handshakes, and no read waits for one. The vendor
// answers only during the calls that Vault makes every minute, so a read that called it would get a warning.
func TestDayOfReadsNeedsThirtyHandshakes(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false, "date_format": "zoneless"}))
	m.read("creds/avanan/us")
	for range 24 * 60 {
		m.fault(sandbox.Break)
		for range 6 {
			m.advance(10 * time.Second)
			resp, _, text := m.handle(logical.ReadOperation, "creds/avanan/us", nil)
			require.Empty(t, text)
			require.Empty(t, resp.Warnings)
			require.GreaterOrEqual(t, resp.Secret.TTL, 9*time.Minute)
		}
		m.fault(sandbox.None)
		m.tick()
	}
	t.Log("handshakes:", m.vendor.Handshakes())
	require.LessOrEqual(t, m.vendor.Handshakes(), 30)
	require.GreaterOrEqual(t, m.vendor.Handshakes(), 29, "24 h in steps of 48.5 to 49.5 minutes")
}

// If the vendor is down or hangs when a JWT is due for renewal, readers do not wait: they get the current one, with a
// warning once it has less than min_ttl left. When the vendor is back, they get a new one.
func TestOutageAtRenewalServesCurrentToken(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"date_format": "zoneless", "request_timeout": 5}))
	old := m.read("creds/avanan/us")["token"]
	m.advance(49 * time.Minute)
	m.fault(sandbox.Limit)
	m.tick()
	m.advance(time.Minute + time.Second)
	m.tick()
	require.GreaterOrEqual(t, m.vendor.Handshakes(), 3)
	m.vendor.Change(func(b *sandbox.Behaviour) { b.Fault, b.Latency = sandbox.None, time.Hour })
	for range 3 {
		start := time.Now()
		resp, _, text := m.handle(logical.ReadOperation, "creds/avanan/us", nil)
		require.Empty(t, text)
		require.Equal(t, old, resp.Data["token"])
		require.Len(t, resp.Warnings, 1)
		require.Contains(t, resp.Warnings[0], "429")
		require.Less(t, time.Since(start), 5*time.Second, "the read did not wait for request_timeout")
	}
	m.tick() // waits for the handshake that a reader began
	m.vendor.Change(func(b *sandbox.Behaviour) { b.Latency = 0 })
	m.advance(time.Minute)
	m.tick()
	resp, _, _ := m.handle(logical.ReadOperation, "creds/avanan/us", nil)
	require.NotEqual(t, old, resp.Data["token"])
	require.Empty(t, resp.Warnings)
}

// Renewal does not wait for the vendor, because Vault holds locks until it is done.
func TestRenewalDoesNotWaitForVendor(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	m.read("creds/avanan/us")
	m.advance(49 * time.Minute)
	m.vendor.Change(func(b *sandbox.Behaviour) { b.Latency = time.Hour })
	start := time.Now()
	require.NoError(t, m.renewTokens(t.Context(), m.request(logical.RollbackOperation, "", nil)))
	require.Less(t, time.Since(start), 10*time.Second)
}

// A token is not renewed if nobody read it for an hour, if it is not due yet, or if its config was deleted or changed.
func TestUnusedTokensAreNotRenewed(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*mount){
		"idle":    func(m *mount) { m.advance(time.Hour) },
		"fresh":   func(m *mount) { m.advance(47 * time.Minute) },
		"deleted": func(m *mount) { m.must(logical.DeleteOperation, "config/avanan/us", nil); m.advance(50 * time.Minute) },
		"changed": func(m *mount) {
			m.write("config/avanan/us", values{"secret_key": "new", "verify": false})
			m.advance(50 * time.Minute)
		},
		"deleted elsewhere": func(m *mount) {
			require.NoError(m.t, m.storage.Delete(m.t.Context(), "config/avanan/us"))
			m.InvalidateKey(m.t.Context(), "config/avanan/us")
			m.advance(50 * time.Minute)
		},
		"changed elsewhere": func(m *mount) {
			m.elsewhere("config/avanan/us", "secret_key", "new")
			m.InvalidateKey(m.t.Context(), "config/avanan/us")
			m.advance(50 * time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/avanan/us", with(m.avananValues(), values{"date_format": "zoneless"}))
			m.read("creds/avanan/us")
			leave(m)
			before := m.vendor.Handshakes()
			m.tick()
			require.Equal(t, before, m.vendor.Handshakes())
		})
	}
}

// If storage fails during renewal, the token is kept and renewed later.
func TestStorageFailureAtRenewalKeepsToken(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"date_format": "zoneless"}))
	token := m.read("creds/avanan/us")["token"]
	m.InvalidateKey(t.Context(), "config/avanan/us")
	m.advance(49 * time.Minute)
	m.storage.verb.Store("get")
	m.tick()
	m.storage.verb.Store("")
	require.Equal(t, token, m.read("creds/avanan/us")["token"])
	m.tick()
	require.NotEqual(t, token, m.read("creds/avanan/us")["token"])
}

// One call begins at most 100 handshakes. The next calls begin the rest.
func TestOneCallRenewsAtMostHundredTokens(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	const configs = renewalsAtOnce + 50
	for i := range configs {
		path := fmt.Sprintf("avanan/c%d", i)
		m.write("config/"+path, with(m.avananValues(), values{"date_format": "zoneless"}))
		m.read("creds/" + path)
	}
	m.advance(49 * time.Minute)
	for _, want := range []int{configs + renewalsAtOnce, 2 * configs, 2 * configs} {
		m.tick()
		require.Equal(t, want, m.vendor.Handshakes())
	}
}

// A JWT that was read only once is renewed only once, because after that nobody has read it for an hour.
func TestTokenReadOnceIsRenewedOnce(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"date_format": "zoneless"}))
	m.read("creds/avanan/us")
	for range 5 * 60 {
		m.advance(time.Minute)
		m.tick()
	}
	require.Equal(t, 2, m.vendor.Handshakes())
}

// The next renewal removes a config from memory that was deleted on another node.
func TestConfigDeletedOnOtherNodeIsForgotten(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	m.read("creds/avanan/us")
	require.NoError(t, m.storage.Delete(t.Context(), "config/avanan/us"))
	m.InvalidateKey(t.Context(), "config/avanan/us")
	require.NotEmpty(t, m.store("avanan").entries.renewable())
	m.tick()
	require.Empty(t, m.store("avanan").entries.renewable())
}

// A reader with an old config neither gets nor replaces the token of the new config.
func TestReaderWithOldConfigKeepsNewToken(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"date_format": "zoneless"}))
	before, err := m.requestFor("avanan/us").usable(t.Context())
	require.NoError(t, err)
	m.advance(55 * time.Minute)
	m.vendor.Change(func(b *sandbox.Behaviour) { b.AvananSecretKey = "rotated" })
	m.write("config/avanan/us", values{"secret_key": "rotated"})
	verified := m.read("creds/avanan/us")["token"]
	handshakes := m.vendor.Handshakes()
	old, err := before.token.Get(t.Context(), before.use)
	require.ErrorContains(t, err, "403")
	require.NotEqual(t, verified, old.Value.Reveal())
	require.Equal(t, verified, m.read("creds/avanan/us")["token"])
	require.Equal(t, handshakes+1, m.vendor.Handshakes(), "only the reader with the old config did a handshake")
}
