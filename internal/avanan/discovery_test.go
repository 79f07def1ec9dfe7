package avanan_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/avanan"
	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/upstreamtest"
)

// If both handshakes of auto fail, the error is the second one's, unless the first was a refusal and the second an
// outage.
func TestHandshakeDiscoveryReportsTheSecondFailure(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		first, second http.HandlerFunc
		want          int
	}{
		"500, then 503": {upstreamtest.Status(500), upstreamtest.Status(503), 503},
		"400, then 503": {upstreamtest.Status(400), upstreamtest.Status(503), 400},
		"400, then 403": {upstreamtest.Status(400), upstreamtest.Status(403), 403},
		"400, then 404": {upstreamtest.Status(400), upstreamtest.Status(404), 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := upstreamtest.New(t, test.first, test.second)
			server.Start()
			_, err := handshake(t, account(server.URL, avanan.Auto))
			var failure *exchange.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, test.want, failure.Status)
		})
	}
}
