package backend

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"
)

// A lease's TTL is at least a second, in whole seconds, and the lease ends before its JWT. If that is impossible, the
// read fails. This holds for JWTs that live from a second to a day, for clocks that differ by up to an hour, and for
// clocks that jump.
func TestLeaseEndsBeforeTokenWithAnyClock(t *testing.T) {
	t.Parallel()
	lives := []time.Duration{
		time.Second, 2 * time.Second, 3 * time.Second, 10 * time.Second, time.Minute, 9*time.Minute + 59*time.Second,
		10 * time.Minute, time.Hour, 24 * time.Hour,
	}
	offsets := []time.Duration{-time.Hour, -90 * time.Second, -time.Second, 0, time.Second, 90 * time.Second, time.Hour}
	for _, life := range lives {
		for _, offset := range offsets {
			t.Run(fmt.Sprintf("%s, %s off", life, offset), func(t *testing.T) {
				t.Parallel()
				for _, jump := range append(offsets, life/2, life-time.Second, life, life+time.Second, 24*time.Hour) {
					m := newMount(t)
					issued := m.mountIssuing(life, offset)
					m.leaseWithin(life)
					first := *issued
					m.advance(jump)
					m.leaseWithin(life)
					if jump > 0 && *issued == first {
						m.leaseWithin(life - jump) // the first JWT is still in use, and the time has passed
					}
				}
			})
		}
	}
}

// mountIssuing writes a config for a vendor whose clock differs by offset. It returns the number of JWTs issued so far.
func (m *mount) mountIssuing(life, offset time.Duration) *int {
	issued := 0
	encode := base64.RawURLEncoding.EncodeToString
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		issued++
		now := m.time().Add(offset)
		_, _ = fmt.Fprintf(w, "%s.%s.sig", encode([]byte(`{"alg":"RS256"}`)),
			encode(fmt.Appendf(nil, `{"iat":%d,"exp":%d,"jti":"%d"}`, now.Unix(), now.Add(life).Unix(), issued)))
	}))
	m.t.Cleanup(vendor.Close)
	m.write("config/avanan/us", values{
		"app_id":      "app",
		"secret_key":  "key",
		"base_url":    vendor.URL,
		"verify":      false,
		"date_format": "zoneless",
		"min_ttl":     0,
	})
	return &issued
}

// leaseWithin reads a JWT. If it gets one, it checks that the lease is shorter than most.
func (m *mount) leaseWithin(most time.Duration) {
	m.t.Helper()
	resp, status, text := m.handle(logical.ReadOperation, "creds/avanan/us", nil)
	if status != http.StatusOK {
		require.Equal(m.t, http.StatusBadGateway, status, text)
		return
	}
	require.GreaterOrEqual(m.t, resp.Secret.TTL, time.Second)
	require.Zero(m.t, resp.Secret.TTL%time.Second)
	require.Less(m.t, resp.Secret.TTL, most)
}
