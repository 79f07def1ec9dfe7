package client

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"
)

// Headers are used until their ttl, or until ten seconds before their lease ends, or half of a short lease.
func TestLifeOfHeaders(t *testing.T) {
	t.Parallel()
	number := json.Number("240")
	for name, row := range map[string]struct {
		secret api.Secret
		want   time.Duration
	}{
		"a ttl": {api.Secret{Data: map[string]any{"ttl": number}}, 240 * time.Second},
		"a lease": {
			api.Secret{LeaseID: "lease", LeaseDuration: 100, Data: map[string]any{"ttl": number}},
			90 * time.Second,
		},
		"a short lease": {api.Secret{LeaseID: "lease", LeaseDuration: 8}, 4 * time.Second},
		"neither":       {api.Secret{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, row.want, lifeOf(&row.secret))
		})
	}
}
