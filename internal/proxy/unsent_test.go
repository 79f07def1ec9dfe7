package proxy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// There is a sample for each pattern, and for what each option admits. Each is a call that the route allows.
func TestSamplesAreAllowed(t *testing.T) {
	t.Parallel()
	config, err := Parse("f.yml", []byte(routesWithOptions))
	require.NoError(t, err)
	samples := map[string][]string{}
	for _, route := range config.Routes {
		for _, sample := range route.Samples() {
			samples[route.Name()] = append(samples[route.Name()], sample.String())
			path, _, _ := strings.Cut(sample.RequestString, "?")
			require.True(t, route.allow.match(sample.Method, path), sample)
		}
	}
	require.Equal(t, map[string][]string{
		"/camera":   {"GET /axis-cgi/com/ptz.cgi", "GET /axis-cgi/com/ptz.cgi?a=1,2;b=3"},
		"/projects": {"GET /v4/projects/0/issues", "GET /v4/admin", "GET /v4/projects/0%2F0/issues"},
		"/pave":     {"GET /v1/0", "GET /v1/0%2F0", "GET /v1/0?a=1,2;b=3"},
		"/strict":   {"GET /v1/0"},
	}, samples)
}
