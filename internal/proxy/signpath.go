package proxy

import (
	"fmt"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// signPath is what the engine's sign path of a vendor can do.
type signPath struct {
	none               bool // there is no such path
	batches            bool // there is one for batches
	requestStringAlone bool // it takes no other parameter, and no comma in it
}

// signPaths are those of the engine's vendors. A later engine may have more vendors: others pass.
var signPaths = map[string]signPath{
	"avanan":   {batches: true, requestStringAlone: true},
	"custom":   {},
	"infinity": {none: true},
	"pave":     {none: true},
}

// signPath is that of a route; one that can do everything where nothing is known of it.
func (r *Route) signPath() signPath {
	if known, is := signPaths[r.vendor]; is {
		return known
	}
	return signPath{batches: true}
}

// cannotSign says why a route's sign path cannot work; "" if it may, or for a creds path.
func (r *Route) cannotSign() string {
	can := r.signPath()
	switch {
	case r.kind == signing.Creds:
		return ""
	case can.none:
		return fmt.Sprintf("%s has no sign path: write creds: <mount>/creds/%[1]s/<name>", r.vendor)
	case r.kind == signing.Batch && !can.batches:
		return r.vendor + " has no batch path: leave out /batch"
	case r.QueriesAsSent && can.requestStringAlone:
		return r.Path + " takes no commas, so the route cannot have queries: as-sent"
	default:
		return ""
	}
}
