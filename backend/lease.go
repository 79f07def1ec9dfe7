package backend

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// What a lease says beside its type. Leases outlive upgrades, so neither the names nor the values can change.
const (
	leaseConfig  = "config"   // name of the config
	leaseTokenID = "token_id" // tokenID of the token
)

// tokenID tells tokens apart without being one: the first 32 hex digits of the token's SHA-256.
func tokenID(token secret.Text) string {
	sum := sha256.Sum256([]byte(token.Reveal()))
	return hex.EncodeToString(sum[:16])
}

// leaseOf is what a lease of a config's token says, beside its type.
func leaseOf(l *api.Lease, config string, token secret.Text) map[string]any {
	if l.TokenID {
		return map[string]any{leaseConfig: config, leaseTokenID: tokenID(token)}
	}
	return map[string]any{leaseConfig: config}
}

// leaseType declares leases. Without Renew they are not renewable.
func leaseType(l *api.Lease) *framework.Secret {
	return &framework.Secret{
		Type: l.Type,
		Fields: map[string]*framework.FieldSchema{
			"token": {Type: framework.TypeString, Description: "The token."},
		},
		Revoke: revoke,
	}
}

// revoke ends a lease. It changes nothing for other readers: no vendor can revoke a token, and forgetting it would let
// one short-lived client cost everyone else a login or, in an outage, the living token. It needs no config, storage or
// network and never fails, because Vault retries a lease that cannot be revoked for days and does not disable its
// mount.
func revoke(context.Context, *logical.Request, *framework.FieldData) (*logical.Response, error) {
	return nil, nil
}
