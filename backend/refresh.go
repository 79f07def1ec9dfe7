package backend

import (
	"time"

	"github.com/hashicorp/vault/sdk/framework"
)

// refresh are the fields of an answer without a lease by which Vault Agent and the Secrets Operator read again, ttl seconds after now.
func refresh(now time.Time, ttl int) map[string]any {
	return map[string]any{"ttl": ttl, "rotation_period": ttl, "last_vault_rotation": now.UTC().Format(time.RFC3339Nano)}
}

// refreshFields declare what refresh adds to an answer. ttl says in words what the seconds are.
func refreshFields(ttl string) map[string]*framework.FieldSchema {
	return map[string]*framework.FieldSchema{
		"ttl": {
			Type: framework.TypeInt, Required: true,
			Description: "Seconds after which to read again, " + ttl + ". Vault Agent and the Secrets Operator refresh by it.",
		},
		"rotation_period": {
			Type: framework.TypeInt, Required: true,
			Description: "The same as ttl. Vault Agent and the Secrets Operator need it to refresh without a lease.",
		},
		"last_vault_rotation": {
			Type: framework.TypeString, Required: true,
			Description: "When the headers were signed, RFC 3339 with nanoseconds, for the Secrets Operator.",
		},
	}
}
