package load

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// Vault's periodic call, every minute, renews a token that is in use and soon stops being shared. No reader has to wait
// for it. A token that lives for six minutes, the shortest that is renewed ahead, is due after three.
func TestTokenIsRenewedWithoutReaders(t *testing.T) {
	t.Parallel()
	if os.Getenv("SOAK") == "" {
		t.Skip("make soak runs it: it takes four minutes")
	}
	m := harness.NewMount(t)
	// A second more, because exp has whole seconds.
	m.Vendor.Change(func(b *sandbox.Behaviour) { b.TokenLife = 6*time.Minute + time.Second })
	m.Write("config/avanan/us", m.AvananValues())
	old := m.Read("creds/avanan/us").Data["token"]
	read := time.Now()
	handshakes := m.Vendor.Handshakes()
	for m.Vendor.Handshakes() == handshakes {
		require.Less(t, time.Since(read), 5*time.Minute, "renewed by now")
		<-time.After(time.Second)
	}
	require.Greater(t, time.Since(read), 179*time.Second)
	harness.Eventually(t, func() bool { return m.Read("creds/avanan/us").Data["token"] != old }, "the new token")
}
