package client_test

import (
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/client"
)

// A reason is one line, also where Vault lists its errors a line each.
func TestExplainIsOneLine(t *testing.T) {
	t.Parallel()
	const both = "permission denied; invalid token"
	for name, row := range map[string]struct {
		errors []string
		want   string
	}{
		"the engine's": {[]string{"method is required; this takes method"}, "method is required; this takes method"},
		"one":          {[]string{"1 error occurred:\n\t* permission denied\n\n"}, "permission denied"},
		"two":          {[]string{"2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"}, both},
		"two apart":    {[]string{"permission denied", "invalid token"}, both},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failed := client.Explain(&api.ResponseError{StatusCode: 403, Errors: row.errors})
			require.Equal(t, row.want, failed.Reason)
		})
	}
}
