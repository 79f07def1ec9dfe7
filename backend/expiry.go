package backend

import (
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/api"
)

// expiryNotice is how long before a secret ends operators are told.
const expiryNotice = 14 * 24 * time.Hour

// expiryWarning says that a secret ends soon, or has ended; "" if neither.
func expiryWarning(expires, now time.Time) string {
	field := api.SecretExpiresAt.Name
	switch left := expires.Sub(now); {
	case expires.IsZero(), left > expiryNotice:
		return ""
	case left > 0:
		return "the secret expires at " + api.RFC3339(expires) + "; write a new one before, together with its " + field
	default:
		return "the secret expired at " + api.RFC3339(expires) + "; write a new one, together with its " + field
	}
}
