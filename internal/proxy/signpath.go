package proxy

import (
	"fmt"
	"strings"
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

// vendor is that of a route's path.
func (r *Route) vendor() string {
	parts := strings.Split(r.Path, "/")
	if r.batches() {
		return parts[len(parts)-3]
	}
	return parts[len(parts)-2]
}

// signPath is that of a route; one that can do everything where nothing is known of it.
func (r *Route) signPath() signPath {
	known, is := signPaths[r.vendor()]
	if !is {
		return signPath{batches: true}
	}
	return known
}

// cannotSign says why a route's sign path cannot work; "" if it may, or for a creds path.
func (r *Route) cannotSign() string {
	can := r.signPath()
	switch {
	case !r.Signs:
		return ""
	case can.none:
		return fmt.Sprintf("%s has no sign path: write creds: <mount>/creds/%[1]s/<name>", r.vendor())
	case r.batches() && !can.batches:
		return fmt.Sprintf("%s has no batch path: leave out /batch", r.vendor())
	case r.QueriesAsSent && can.requestStringAlone:
		return fmt.Sprintf("%s takes no commas, so the route cannot have queries: as-sent", r.Path)
	default:
		return ""
	}
}
