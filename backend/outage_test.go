package backend

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/avanan"
)

// Two hundred readers that try again every second through ten minutes of outage cause a handful of handshakes and then
// one every eight seconds, whether they have nothing or a JWT that dies amid it. The first that reads eight seconds after
// the vendor is back has a new one.
func TestOutageOfTenMinutes(t *testing.T) {
	t.Parallel()
	for name, life := range map[string]time.Duration{"nothing to serve": 0, "a JWT for five minutes": 5 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var clock, handshakes atomic.Int64
			var up atomic.Bool
			now := func() time.Time { return began.Add(time.Duration(clock.Load())) }
			cache := newTokenCache(now, func(context.Context, string, avanan.Account, avanan.DateFormat) (avanan.Token, error) {
				handshakes.Add(1)
				if up.Load() {
					return avanan.Token{JWT: "new", AskedAt: now(), ExpiresAt: now().Add(time.Hour)}, nil
				}
				return avanan.Token{}, &avanan.Error{Kind: avanan.Unavailable, Host: "vendor", Reason: "it is out of order"}
			})
			t.Cleanup(cache.close)
			config := given(10*time.Minute, 10*time.Second)
			if life > 0 {
				cache.adopt("us", config, avanan.Token{JWT: "old", AskedAt: began, ExpiresAt: began.Add(life)})
			}
			for second := range 600 {
				var readers sync.WaitGroup
				for range 200 {
					readers.Go(func() {
						token, err := cache.token(t.Context(), "us", config)
						lives := leaseTTL(life-time.Duration(second)*time.Second) > 0
						if err == nil || (token.JWT != "") != lives {
							t.Errorf("after %d s: %v", second, err)
						}
					})
				}
				readers.Wait()
				clock.Add(int64(time.Second))
			}
			t.Log("handshakes:", handshakes.Load())
			require.LessOrEqual(t, handshakes.Load(), int64(6+3+74))
			require.Greater(t, handshakes.Load(), int64(70))

			up.Store(true)
			for seconds := 0; ; seconds++ {
				if token, err := cache.token(t.Context(), "us", config); err == nil {
					require.Equal(t, "new", token.JWT.Reveal())
					break
				}
				require.Less(t, seconds, 8)
				clock.Add(int64(time.Second))
			}
		})
	}
}
