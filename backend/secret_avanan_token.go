package backend

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// secretAvananTokenType is stored in every lease, so it can never change.
const secretAvananTokenType = "avanan_token"

// What a lease says to its revocation, beside the type. Stored in leases, as the type is.
const (
	leaseConfig  = "config"   // name of the config
	leaseTokenID = "token_id" // tokenID of the JWT
)

// The margin is what a lease ends before its JWT does.
const (
	leaseMargin = time.Minute
	// Where less than marginFrom is left, the margin is a tenth of it.
	marginFrom = 10 * time.Minute
)

// leaseTTL is a lease's life for what is left of its JWT's: that less the margin, in whole seconds; 0 or below where
// nothing is left to lease. Vault would turn such a TTL into its default of 32 days (sdk/framework/lease.go,
// CalculateTTL), so nobody may pass it on.
func leaseTTL(left time.Duration) time.Duration {
	margin := leaseMargin
	if left < marginFrom {
		margin = left / 10
	}
	return (left - margin).Truncate(time.Second)
}

// tokenID tells JWTs apart without being one: 32 hex digits of its SHA-256.
func tokenID(jwt secret.Text) string {
	sum := sha256.Sum256([]byte(jwt.Reveal()))
	return hex.EncodeToString(sum[:16])
}

// secretAvananToken is the lease type of Avanan's JWTs. Without Renew it is not renewable.
func secretAvananToken(b *backend) *framework.Secret {
	return &framework.Secret{
		Type: secretAvananTokenType,
		Fields: map[string]*framework.FieldSchema{
			"token": {Type: framework.TypeString, Description: "The JWT."},
		},
		Revoke: b.secretAvananTokenRevoke,
	}
}

// secretAvananTokenRevoke makes the engine forget the JWT of a lease that is revoked before its time; one that ends by
// itself leaves the JWT to those who may need it while Avanan is down. Avanan has no way to revoke one: it stays valid
// there until it expires. This needs no config, storage or network, and never fails, since a lease that can't be revoked
// is retried for days and keeps its mount from being disabled.
func (b *backend) secretAvananTokenRevoke(_ context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	// Not ExpirationTime, which counts from the moment that it is asked.
	if req.Secret != nil && b.now().Before(req.Secret.IssueTime.Add(req.Secret.TTL)) {
		name, _ := req.Secret.InternalData[leaseConfig].(string)
		id, _ := req.Secret.InternalData[leaseTokenID].(string)
		b.tokens.forgetToken(name, id)
	}
	return nil, nil
}
