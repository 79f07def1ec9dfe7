package load

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// A thousand concurrent readers of a config that has no JWT yet cause one handshake.
func TestColdReadersShareOneHandshake(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Write("config/avanan/us", harness.With(m.AvananValues(), values{"verify": false, "date_format": "zoneless"}))
	m.Vendor.Change(func(b *sandbox.Behaviour) { b.Latency = time.Second })
	tokens := make(chan string, 1000)
	var readers sync.WaitGroup
	for range 1000 {
		readers.Go(func() {
			secret, err := m.Client.Logical().ReadWithContext(t.Context(), m.Path+"/creds/avanan/us")
			if err != nil {
				t.Error(err)
				return
			}
			tokens <- secret.Data["token"].(string)
		})
	}
	readers.Wait()
	close(tokens)
	distinct := map[string]int{}
	for token := range tokens {
		distinct[token]++
	}
	require.Len(t, distinct, 1)
	require.Equal(t, 1, m.Vendor.Handshakes())
}
