package load

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// A thousand concurrent readers of a config that has no token yet cause one exchange: a handshake with Avanan, or a
// login at the Infinity Portal or of a declared API.
func TestColdReadersShareOneExchange(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Vendor.Change(func(b *sandbox.Behaviour) { b.Latency = time.Second })
	for _, vendor := range m.TokenVendors() { //nolint:paralleltest // a thousand readers are enough at once
		t.Run(vendor.Name, func(t *testing.T) {
			m := m.In(t)
			m.Write("config/"+vendor.Name+"/us", harness.With(vendor.Values, values{"verify": false}))
			readCold(t, m, "creds/"+vendor.Name+"/us")
			require.Equal(t, 1, vendor.Exchanges())
		})
	}
}

// readCold reads a path a thousand times at once, and requires that all get the same token.
func readCold(t *testing.T, m *harness.Mount, path string) {
	t.Helper()
	tokens := make(chan string, 1000)
	var readers sync.WaitGroup
	for range 1000 {
		readers.Go(func() {
			secret, err := m.Client.Logical().ReadWithContext(t.Context(), m.Path+"/"+path)
			if err != nil {
				t.Error(err)
				return
			}
			tokens <- harness.Token(secret)
		})
	}
	readers.Wait()
	close(tokens)
	distinct := map[string]int{}
	for token := range tokens {
		distinct[token]++
	}
	require.Len(t, distinct, 1)
}
