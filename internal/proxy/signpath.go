package proxy

import (
	"fmt"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// requestStringAlone reports whether the route's sign path takes no other parameter, and no comma in it.
func (r *Route) requestStringAlone() bool { return r.vendor == "avanan" }

// cannotSign says why a route's sign path cannot work; "" if it may, or for a creds path. A later engine may have more
// vendors: others than these pass.
func (r *Route) cannotSign() string {
	switch {
	case r.kind == signing.Creds:
		return ""
	case r.vendor == "infinity" || r.vendor == "pave":
		return fmt.Sprintf("%s has no sign path: write creds: <mount>/creds/%[1]s/<name>", r.vendor)
	case r.QueriesAsSent && r.requestStringAlone():
		return r.Path + " takes no commas, so the route cannot have queries: as-sent"
	default:
		return ""
	}
}
