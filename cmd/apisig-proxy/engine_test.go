package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	engine "github.com/apisig/vault-plugin-apisig/backend"
	"github.com/apisig/vault-plugin-apisig/internal/proxy"
)

// A configuration takes a sign or batch path where the engine has one, and no other.
func TestConfigTakesTheSignPathsThatTheEngineHas(t *testing.T) {
	t.Parallel()
	mount, err := engine.Factory(t.Context(), logical.TestBackendConfig())
	require.NoError(t, err)
	for _, vendor := range []string{"avanan", "custom", "infinity", "pave"} {
		for _, path := range []string{"sign/" + vendor + "/x", "sign/" + vendor + "/x/batch"} {
			t.Run(path, func(t *testing.T) {
				t.Parallel()
				_, unsupported := mount.HandleRequest(t.Context(), &logical.Request{
					Operation: logical.UpdateOperation, Path: path, Storage: &logical.InmemStorage{},
				})
				const config = "listen: 127.0.0.1:1\nroutes: {/a: {sign: m/%s, allow: [GET /]}}"
				_, refused := proxy.Parse("f", fmt.Appendf(nil, config, path))
				if errors.Is(unsupported, logical.ErrUnsupportedPath) {
					require.ErrorContains(t, refused, strings.Split(path, "/")[1]+" has no ")
					return
				}
				require.NoError(t, refused)
			})
		}
	}
}
