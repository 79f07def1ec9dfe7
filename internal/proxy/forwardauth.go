package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// ForwardAuth is for gateways that ask for the headers of a call, and then forward the call themselves.
type ForwardAuth struct {
	// Listen is where the gateway asks.
	Listen Address
	// Gateway is the only one whose way of asking is understood.
	Gateway Gateway
}

// address is where a gateway asks; the zero Address for nowhere.
func (f *ForwardAuth) address() Address {
	if f == nil {
		return Address{}
	}
	return f.Listen
}

// Gateway is a kind of gateway: nginx, traefik, caddy or envoy.
type Gateway string

// The gateways. An nginx sends what its configuration says. What the others send is from Traefik's
// pkg/middlewares/auth/forward.go, Caddy's modules/caddyhttp/reverseproxy/forwardauth/caddyfile.go, and Envoy's
// source/extensions/filters/common/ext_authz/ext_authz_http_impl.cc and ext_authz.proto (path_prefix).
const (
	nginx   Gateway = "nginx"   // auth_request
	traefik Gateway = "traefik" // ForwardAuth
	caddy   Gateway = "caddy"   // forward_auth
	envoy   Gateway = "envoy"   // ext_authz, with an http_service
)

var gateways = []Gateway{nginx, traefik, caddy, envoy}

// headers are the names of the two headers that say what the gateway forwards, as PlainName has them. They are empty
// for Envoy, whose own request has the method and the path.
func (g Gateway) headers() (method, uri string) {
	switch g {
	case nginx:
		return "x-original-method", "x-original-uri"
	case traefik, caddy:
		return "x-forwarded-method", "x-forwarded-uri"
	default:
		return "", ""
	}
}

// call is the call that a gateway asks about: its route, and the request as the application would have sent it to
// apisig-proxy. The path of the gateway's own request names the route, and no header does, so that a client cannot
// choose it. (Caddy puts the client's query behind that path.)
func (g Gateway) call(asks *http.Request, routes []*Route) (*http.Request, *Route, *problem) {
	path, _, _ := strings.Cut(asks.RequestURI, "?")
	if g == "" {
		return asks, nil, refusal(http.StatusForbidden, "the configuration has no forward_auth any more")
	}
	if g == envoy {
		route, _ := find(routes, path)
		if route == nil {
			return asks, nil, refusal(http.StatusForbidden, "no route has the path of the gateway's request")
		}
		_, refused := g.told(asks.Header)
		return asks, route, refused
	}
	at := slices.IndexFunc(routes, func(route *Route) bool { return route.Name() == path })
	if at < 0 {
		return asks, nil, refusal(http.StatusForbidden, "the path of the gateway's request is not that of a route")
	}
	told, refused := g.told(asks.Header)
	if refused != nil {
		return asks, routes[at], refused
	}
	method, uri := g.headers()
	call := asks.WithContext(asks.Context())
	call.Method, call.RequestURI = told[method], routes[at].Prefix+told[uri]
	return call, routes[at], nil
}

// told are the values of the headers that say what the gateway forwards, each of which must be there once. A client's
// own must not decide: the gateway passes it on beside its own, or in place of none.
func (g Gateway) told(header http.Header) (map[string]string, *problem) {
	method, uri := g.headers()
	told := map[string]string{}
	for name, values := range header {
		switch plain := signing.PlainName(name); {
		case plain == method || plain == uri:
			if _, twice := told[plain]; twice || len(values) != 1 {
				return nil, refusal(http.StatusForbidden, "the header "+plain+" is repeated")
			}
			told[plain] = values[0]
		case otherwise(plain):
			return nil, refusal(http.StatusForbidden, fmt.Sprintf("the header %s is not one that %s sends",
				shortened(plain), g))
		}
	}
	for _, name := range []string{method, uri} {
		if name != "" && told[name] == "" {
			return nil, refusal(http.StatusForbidden, fmt.Sprintf("the header %s is missing: %s must send it", name, g))
		}
	}
	return told, nil
}

// otherwise reports whether a header says that the method or the path is another one. Other gateways send some of
// these; a server that gets one may do what it says, and here it cannot be dropped.
func otherwise(plain string) bool {
	switch plain {
	case "x-forwarded-method", "x-forwarded-uri", "x-method-override":
		return true
	}
	return slices.ContainsFunc([]string{"x-original-", "x-rewrite-", "x-http-method", "x-envoy-original-"},
		func(prefix string) bool { return strings.HasPrefix(plain, prefix) })
}

// NotForGateways says why no gateway can ask for a route; "" if one can. signed is what Vault returned for a call; nil:
// not known.
func (r *Route) NotForGateways(signed *signing.Signed) string {
	for _, name := range r.Send {
		if name != signing.Method && name != signing.RequestString {
			return "gateways cannot ask for this route: they ask without a body and its headers, and it sends " + name
		}
	}
	switch {
	case signed != nil && len(signed.Query) > 0:
		return "gateways cannot ask for this route: they add headers, and Vault appends a query"
	case signed != nil && signed.Body != nil:
		return "gateways cannot ask for this route: they add headers, and Vault changes the body"
	}
	return ""
}

// Warnings are what is wrong with the configuration, though the proxy starts with it.
func (c *Config) Warnings() (found []string) {
	for _, route := range c.Routes {
		if fault := route.NotForGateways(nil); fault != "" && c.ForwardAuth != nil {
			found = append(found, fmt.Sprintf("route %s: %s", route.Name(), fault))
		}
	}
	return found
}

// Gateways answers gateways: 200 with the headers to add to a call, else 403.
func (p *Proxy) Gateways() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, asks *http.Request) {
		using := p.current.Load()
		call, route, refused := using.gateway.call(asks, using.routes)
		e := &exchange{admitted: admitted{route: route}, proxy: p, signer: using.signers[route]}
		if refused == nil {
			e.admitted, refused = admit(call, nil, []*Route{route})
		}
		if refused != nil {
			e.failed = forbidden(refused)
		}
		p.serve(w, call, e, http.HandlerFunc(addHeaders))
	})
}

// forbidden is a problem with the only status that every gateway takes for a refusal. At others, nginx answers 500.
func forbidden(p *problem) *problem { return failure(http.StatusForbidden, p.Side, p.Detail, p.reason) }

// addHeaders answers a gateway with the headers to add to the call that it asks about.
func addHeaders(w http.ResponseWriter, call *http.Request) {
	e := exchangeOf(call.Context())
	signed, err := e.signUnsent(call)
	if err != nil {
		failed, is := errors.AsType[*problem](err)
		if !is {
			failed = refusal(http.StatusForbidden, "the gateway went away")
		}
		e.failed = forbidden(failed)
		e.failed.write(w)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if e.route.Scopes != "" {
		w.Header().Set(headerScopes, e.route.Scopes)
	}
	for name, value := range signed.Headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(http.StatusOK)
}

// signUnsent has a call signed that a gateway sends. Its errors are a *problem, or the context's.
func (e *exchange) signUnsent(call *http.Request) (*signing.Signed, error) {
	if fault := e.route.NotForGateways(nil); fault != "" {
		return nil, refusal(http.StatusForbidden, fault)
	}
	signed, err := Unsent{call.Method, e.requestString}.Sign(call.Context(), e.route, e)
	if err != nil {
		return nil, forAnotherCall(err)
	}
	if fault := e.route.NotForGateways(signed); fault != "" {
		return nil, refusal(http.StatusForbidden, fault)
	}
	return signed, nil
}
