// Package apis lists the APIs that the engine knows.
package apis

import (
	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/avanan"
	"github.com/apisig/vault-plugin-apisig/internal/infinity"
	"github.com/apisig/vault-plugin-apisig/internal/pave"
	"github.com/apisig/vault-plugin-apisig/internal/scheme"
)

// All are the APIs. A new one is a folder beside this one, and a line here; docs/adding-a-vendor.md walks through it.
func All() []*api.API {
	return []*api.API{
		avanan.API(),
		pave.API(),
		infinity.API(),
		scheme.API(),
	}
}
