package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/client"
	"github.com/apisig/vault-plugin-apisig/internal/proxy"
)

// An answer of Vault's is read up to 1 MiB, and that of a batch up to what the engine answers, 8 MiB, and a little
// more. Longer ones are refused, also if they are errors.
func TestAnswersOfVaultAreBounded(t *testing.T) {
	t.Parallel()
	single := &proxy.Route{Path: "apisig/sign/avanan/us"}
	batch := &proxy.Route{Path: "apisig/sign/avanan/us/batch"}
	for name, test := range map[string]struct {
		route          *proxy.Route
		status, length int
		want           string
	}{
		"as long as may be":         {single, http.StatusOK, 1 << 20, ""},
		"too long":                  {single, http.StatusOK, 1<<20 + 1, "the answer of Vault is longer than 1 MiB"},
		"an error that is too long": {single, http.StatusBadRequest, 4 << 20, "the answer of Vault is longer than 1 MiB"},
		"a batch of the engine's":   {batch, http.StatusOK, 8<<20 + 4096, ""},
		"a batch that is too long":  {batch, http.StatusOK, 9<<20 + 1, "the answer of Vault is longer than 9 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signed := map[string]any{"headers": map[string]string{"a": ""}, "url": "https://vendor.example/"}
			data := signed
			if test.route == batch {
				data = map[string]any{"results": []any{signed}}
			}
			short, err := json.Marshal(map[string]any{"data": data})
			require.NoError(t, err)
			value := strings.Repeat("v", test.length-len(short))
			v := newVault(t, test.status, strings.Replace(string(short), `"a":""`, `"a":"`+value+`"`, 1))
			require.Len(t, v.body, test.length)
			made, err := connect(proxy.Vault{Address: v.URL}, nil)
			require.NoError(t, err)
			call := client.Call{Parameters: map[string]any{"request_string": "/"}}
			got, err := made.Signer(test.route, nil).Sign(t.Context(), call)
			if test.want != "" {
				require.EqualError(t, err, test.want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, value, got.Headers["a"])
		})
	}
}
