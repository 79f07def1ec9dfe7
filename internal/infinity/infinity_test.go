package infinity_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/infinity"
)

// People paste a key's "Authentication URL" as it is shown.
func TestTrimLoginPath(t *testing.T) {
	t.Parallel()
	const gateway = "https://gateway.example"
	for name, test := range map[string]struct{ pasted, want string }{
		"the host":                 {gateway, gateway},
		"with a slash":             {gateway + "/", gateway},
		"the login":                {gateway + "/auth/external", gateway},
		"the login, with a slash":  {gateway + "/auth/external/", gateway},
		"the login, with slashes":  {gateway + "//auth/external//", gateway},
		"the beginning of a login": {gateway + "/auth", gateway + "/auth"},
		"another path":             {gateway + "/xauth/external", gateway + "/xauth/external"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, infinity.TrimLoginPath(test.pasted))
		})
	}
}

// The gateways of the regions, from the portal's pages and public clients.
func TestGatewayURL(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"ae", "au", "ca", "eu", "in", "uk", "us"}, infinity.Regions())
	for region, want := range map[string]string{
		"eu": "https://cloudinfra-gw.portal.checkpoint.com",
		"us": "https://cloudinfra-gw-us.portal.checkpoint.com",
		"ca": "https://cloudinfra-gw.ca.portal.checkpoint.com",
		"au": "https://cloudinfra-gw.ap.portal.checkpoint.com",
		"uk": "https://cloudinfra-gw.uk.portal.checkpoint.com",
		"in": "https://cloudinfra-gw.in.portal.checkpoint.com",
		"ae": "https://cloudinfra-gw.me.portal.checkpoint.com",
		"":   "",
		"EU": "",
	} {
		t.Run(region, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, infinity.GatewayURL(region))
		})
	}
}

// A call to the API carries the token, and an id of its own.
func ExampleHeaders() {
	headers := infinity.Headers("token", "b2d5b0a4-5f38-4c5e-9d4e-0a7e3e6f7c11")
	fmt.Println(headers["Authorization"])
	fmt.Println(headers["x-av-req-id"])
	fmt.Println(infinity.GatewayURL("us") + infinity.APIPath + "/v1.0/scopes")
	// Output:
	// Bearer token
	// b2d5b0a4-5f38-4c5e-9d4e-0a7e3e6f7c11
	// https://cloudinfra-gw-us.portal.checkpoint.com/app/hec-api/v1.0/scopes
}
