package backend

import (
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"
)

func TestGrowingClock(t *testing.T) {
	t.Parallel()
	at := func(after time.Duration) time.Time { return time.Unix(1767323045, 0).Add(after) }
	type call struct{ now, want time.Duration }
	const ms, us = time.Millisecond, time.Microsecond
	for name, test := range map[string]struct {
		unit  time.Duration
		calls []call
	}{
		"later calls have their own instant": {ms, []call{{0, 0}, {1500 * us, 1500 * us}, {2 * ms, 2 * ms}}},
		"the same millisecond":               {ms, []call{{100 * us, 100 * us}, {200 * us, ms}, {900 * us, 2 * ms}}},
		"the same microsecond":               {us, []call{{100, 100}, {200, us}, {900, 2 * us}, {3 * us, 3 * us}}},
		"another microsecond":                {us, []call{{100, 100}, {us, us}}},
		"a clock that was set back":          {ms, []call{{ms, ms}, {0, 2 * ms}, {500 * us, 3 * ms}}},
		"a second ahead":                     {ms, []call{{999 * ms, 999 * ms}, {0, 1000 * ms}}},
		"more than a second ahead":           {ms, []call{{1000 * ms, 1000 * ms}, {0, -1}, {ms, 1001 * ms}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var clocks growingClocks
			for _, call := range test.calls {
				got, err := clocks.next("x", at(call.now), test.unit)
				if call.want < 0 {
					require.ErrorContains(t, err, "this config's clock is more than a second ahead, because there was more than one "+
						"call in each 1ms")
					continue
				}
				require.NoError(t, err)
				require.Equal(t, at(call.want), got)
			}
			other, err := clocks.next("y", at(0), test.unit)
			require.NoError(t, err)
			require.Equal(t, at(0), other, "each config has a clock of its own")
			clocks.forget("x")
			again, err := clocks.next("x", at(0), test.unit)
			require.NoError(t, err)
			require.Equal(t, at(0), again, "a deleted config has no clock")
		})
	}
}

// Concurrent calls get different nonces, each greater than those of calls that were finished before it began, though
// the clock stands.
func TestCustomGrowingNonces(t *testing.T) {
	t.Parallel()
	for name, digits := range map[string]int{"kraken": len("1767323045123"), "bitfinex": len("1767323045123456")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			text, err := os.ReadFile("../schemes/" + name + ".yml")
			require.NoError(t, err)
			config := values{"scheme": string(text), "base_url": "https://api.example", "api_key": "key1"}
			header, target, secret := "bfx-nonce", "/v2/auth/r/wallets", values{"secret": "canary-secret"}
			if name == "kraken" {
				header, target, secret = "API-Nonce", "/0/private/Balance", values{"private_key": "Y2FuYXJ5LXNlY3JldA=="}
				config["nonce_unit"] = "ms"
			}
			call := values{"request_string": target}
			path := "config/custom/" + name
			m.write(path, with(config, secret))
			var mu sync.Mutex
			finished, nonces := 0, map[int]bool{}
			nonce := func() {
				mu.Lock()
				before := finished
				mu.Unlock()
				resp, _, fault := m.handle(logical.UpdateOperation, "sign/custom/"+name, call)
				if fault != "" {
					t.Error(fault)
					return
				}
				headers, _ := resp.Data["headers"].(map[string]string)
				got, err := strconv.Atoi(headers[header])
				expires := resp.Data["expires_at"]
				if err != nil || len(headers[header]) != digits || got <= before || expires != "2026-01-02T03:04:10Z" {
					t.Error(headers, before, expires)
				}
				mu.Lock()
				defer mu.Unlock()
				nonces[got] = true
				finished = max(finished, got)
			}
			var wait sync.WaitGroup
			for range 200 {
				wait.Go(nonce)
			}
			wait.Wait()
			require.Len(t, nonces, 200)
			// Neither a write nor another read of the config makes the clock go back.
			m.write(path, with(secret, values{"base_url": "https://api.example"}))
			nonce()
			m.InvalidateKey(t.Context(), path)
			nonce()
			m.write(path, with(config, with(secret, values{"api_key": "key2"})))
			nonce()
			require.Len(t, nonces, 203)
			m.advance(-2 * time.Second)
			_, status, fault := m.handle(logical.UpdateOperation, "sign/custom/"+name, call)
			require.Equal(t, 503, status)
			require.Contains(t, fault, "this config's clock is more than a second ahead")
			m.must(logical.DeleteOperation, path, nil)
			m.write(path, with(config, secret))
			signed := m.must(logical.UpdateOperation, "sign/custom/"+name, call)
			require.Equal(t, "1767323043123456"[:digits], signed["headers"].(map[string]string)[header])
			require.NotContains(t, m.logged(), "canary")
		})
	}
}

// Without growing: true, calls of one instant have the same time.
func TestCustomClockDoesNotGrowUnasked(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/ovh", m.customValues())
	given := values{"method": "GET", "request_string": "/1.0/me"}
	first := m.must(logical.UpdateOperation, "sign/custom/ovh", given)
	require.Equal(t, first, m.must(logical.UpdateOperation, "sign/custom/ovh", given))
}
