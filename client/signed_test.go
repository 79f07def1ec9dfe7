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
	for want, secret := range map[time.Duration]*api.Secret{
		240 * time.Second: {Data: map[string]any{"ttl": json.Number("240")}},
		90 * time.Second:  {LeaseID: "lease", LeaseDuration: 100, Data: map[string]any{"ttl": json.Number("240")}},
		4 * time.Second:   {LeaseID: "lease", LeaseDuration: 8},
		0:                 {},
	} {
		require.Equal(t, want, lifeOf(secret))
	}
}
