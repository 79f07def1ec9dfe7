package avanan_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/avanan"
	"github.com/apisig/vault-plugin-apisig/internal/exchange"
)

// If both handshakes of auto fail, the error is the second one's, unless the first was a refusal and the second an outage.
func TestHandshakeDiscoveryReportsTheSecondFailure(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		first, second http.HandlerFunc
		want          int
	}{
		"500, then 503": {status(500), status(503), 503},
		"400, then 503": {status(400), status(503), 400},
		"400, then 403": {status(400), status(403), 403},
		"400, then 404": {status(400), status(404), 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newUpstream(t, test.first, test.second)
			server.Start()
			_, err := handshake(t, account(server.URL, avanan.Auto))
			var failure *exchange.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, test.want, failure.Status)
		})
	}
}
