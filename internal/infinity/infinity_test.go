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
	for _, pasted := range []string{
		"https://gateway.example", "https://gateway.example/", "https://gateway.example/auth/external", "https://gateway.example/auth/external/",
		"https://gateway.example//auth/external//",
	} {
		require.Equal(t, "https://gateway.example", infinity.TrimLoginPath(pasted), pasted)
	}
	require.Equal(t, "https://gateway.example/auth", infinity.TrimLoginPath("https://gateway.example/auth"))
	require.Equal(t, "https://gateway.example/xauth/external", infinity.TrimLoginPath("https://gateway.example/xauth/external"))
}

// The gateways of the regions, from the portal's pages and public clients.
func TestGatewayURL(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"ae", "au", "ca", "eu", "in", "uk", "us"}, infinity.Regions())
	for region, want := range map[string]string{
		"eu": "https://cloudinfra-gw.portal.checkpoint.com", "us": "https://cloudinfra-gw-us.portal.checkpoint.com",
		"ca": "https://cloudinfra-gw.ca.portal.checkpoint.com", "au": "https://cloudinfra-gw.ap.portal.checkpoint.com",
		"uk": "https://cloudinfra-gw.uk.portal.checkpoint.com", "in": "https://cloudinfra-gw.in.portal.checkpoint.com",
		"ae": "https://cloudinfra-gw.me.portal.checkpoint.com", "": "", "EU": "",
	} {
		require.Equal(t, want, infinity.GatewayURL(region))
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
