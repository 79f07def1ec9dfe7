package proxy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// Route is a prefix of paths, and how calls below it are signed.
type Route struct {
	// Prefix is what is taken off a path, without a slash at its end; "" for none.
	Prefix string
	// Path is the engine's path that signs.
	Path string
	// Send names the parameters that Path is sent.
	Send []string
	// Scopes is the value of the header scopes; "" to pass the client's.
	Scopes string
	// QueriesAsSent says that queries may have commas and ;, which are signed and sent as they are.
	QueriesAsSent bool
	// EncodedSlashes says that paths may have %2F, which allow matches as a part of its segment.
	EncodedSlashes bool

	kind   signing.Kind // of Path
	vendor string       // of Path
	allow  *allowList
}

// Name is the route's key in the configuration.
func (r *Route) Name() string { return cmp.Or(r.Prefix, "/") }

// sendsBody reports whether the route's sign path is sent bodies.
func (r *Route) sendsBody() bool { return slices.Contains(r.Send, signing.Body) }

// readsBody reports whether bodies are read before their calls are signed.
func (r *Route) readsBody() bool { return r.sendsBody() || slices.Contains(r.Send, signing.BodySHA256) }

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

// find returns the first route whose prefix a path has, up to the end of a segment, and what follows. The routes are
// sorted, the longest prefix first.
func find(routes []*Route, path string) (route *Route, rest string) {
	for _, route := range routes {
		if rest, found := strings.CutPrefix(path, route.Prefix); found && (rest == "" || rest[0] == '/') {
			return route, rest
		}
	}
	return nil, ""
}
