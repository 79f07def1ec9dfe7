package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

const gatewayRoutes = `

  /avanan/us:
    sign: apisig/sign/avanan/us
    allow: ["GET /v1.0/event/{id}", POST /v1.0/event/query]
  /orders:
    sign: apisig/sign/custom/orders
    send: [method, request_string]
    paths: encoded-slashes
    allow: ["GET /orders/{id}"]
  /pave:
    creds: apisig/creds/pave/main
    scopes: farm:customer
    allow: [GET /v1/sessions]
  /hashed:
    sign: apisig/sign/custom/hashed
    send: [method, request_string, body_sha256]
    allow: [GET /upload]
`

// newGateway starts a proxy that a kind of gateway can ask. Its address is where they do.
func newGateway(t *testing.T, gateway Gateway, routes string) *rig {
	t.Helper()
	r := newRig(t, nil)
	config, err := Parse("f.yml",
		[]byte("forward_auth: {listen: 127.0.0.1:1, gateway: "+string(gateway)+"}\nroutes:\n"+routes))
	require.NoError(t, err)
	r.Use(config, r.stub)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.address = listener.Addr().String()
	server := &http.Server{Handler: r.Gateways(), ReadHeaderTimeout: time.Minute, DisableGeneralOptionsHandler: true}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return r
}

// asks is what a gateway sends of a call below a route.
func (g Gateway) asks(route, method, uri string, more ...string) string {
	line := "GET " + route
	headers := "X-Forwarded-Method: " + method + "\r\nX-Forwarded-Uri: " + uri + "\r\n"
	switch g { //nolint:exhaustive // the other two send the same
	case envoy:
		line, headers = method+" "+route+uri, ""
	case nginx:
		headers = "X-Original-Method: " + method + "\r\nX-Original-URI: " + uri + "\r\n"
	}
	return line + " HTTP/1.1\r\nHost: auth\r\n" + headers + strings.Join(more, "") + "\r\n"
}

// Each gateway gets the headers of the call that it says it forwards, byte for byte. Nothing is sent to the vendor. A
// web page's call passes, because gateways pass on what a browser sends.
func TestGatewaysGetTheHeadersToAdd(t *testing.T) {
	t.Parallel()
	const page = "Origin: https://app.example\r\nSec-Fetch-Site: cross-site\r\nX-Forwarded-Host: app.example\r\n"
	for _, gateway := range gateways { //nolint:paralleltest // each row looks at the last call
		r := newGateway(t, gateway, gatewayRoutes)
		for name, row := range map[string]struct {
			route, method, uri string
			parameters         map[string]any
			headers            map[string]string
		}{
			"sign": {
				"/avanan/us", http.MethodGet, "/v1.0/event/a%7Eb?x=%2f&y=+",
				map[string]any{"request_string": "/v1.0/event/a%7Eb?x=%2f&y=+"},
				map[string]string{"x-av-sig": "signature of vault", "x-av-token": "token of vault"},
			},
			"POST": {
				"/avanan/us", http.MethodPost, "/v1.0/event/query",
				map[string]any{"request_string": "/v1.0/event/query"},
				map[string]string{"x-av-sig": "signature of vault"},
			},
			"the method is signed": {
				"/orders", http.MethodGet, "/orders/a%2Fb",
				map[string]any{"method": "GET", "request_string": "/orders/a%2Fb"},
				map[string]string{"x-av-sig": "signature of vault"},
			},
			"HEAD": {
				"/orders", http.MethodHead, "/orders/1",
				map[string]any{"method": "HEAD", "request_string": "/orders/1"},
				map[string]string{"x-av-sig": "signature of vault"},
			},
			"creds, and what the route fixes": {
				"/pave", http.MethodGet, "/v1/sessions",
				map[string]any{},
				map[string]string{"API-Token": "token of vault", "scopes": "farm:customer"},
			},
		} {
			t.Run(string(gateway)+", "+name, func(t *testing.T) {
				response := r.raw(t, gateway.asks(row.route, row.method, row.uri, page))
				require.Equal(t, http.StatusOK, response.StatusCode)
				require.Equal(t, "no-store", response.Header.Get("Cache-Control"))
				require.EqualValues(t, 0, max(0, response.ContentLength))
				for name, value := range row.headers {
					require.Equal(t, []string{value}, response.Header.Values(name))
				}
				calls := r.stub.seen()
				require.Equal(t, row.parameters, calls[len(calls)-1].Parameters)
			})
		}
		require.Empty(t, r.vendorGot())
		r.logs(t, `"route":"/pave","status":200`, 1)
		r.logs(t, `"method":"HEAD"`, 1)
		metrics := r.monitorOn(t, r.listens, "/metrics", r.listens.Addr().String()).Body.String()
		require.Contains(t, metrics, `apisig_proxy_requests_total{method="POST",route="/avanan/us",status="200"} 1`)
		require.Contains(t, metrics, `apisig_proxy_signing_seconds_count{route="/orders"} 2`)
	}
}

// What does not come from the gateway that is configured, once and as it sends it, decides nothing: 403, and nothing is
// signed.
func TestOnlyTheGatewaysOwnHeadersDecide(t *testing.T) {
	t.Parallel()
	const event, other = "/v1.0/event/1", "/v1.0/event/2"
	lines := func(header ...string) string { return strings.Join(header, "\r\n") + "\r\n" }
	request := func(line string, header ...string) string {
		return line + " HTTP/1.1\r\nHost: auth\r\n" + lines(header...) + "\r\n"
	}
	const at = "GET /avanan/us"
	for name, row := range map[string]struct {
		gateway       Gateway
		request, want string
	}{
		"nginx, no URI":       {nginx, request(at, "X-Original-Method: GET"), "x-original-uri is missing"},
		"nginx, an empty URI": {nginx, request(at, "X-Original-Method: GET", "X-Original-URI:"), "x-original-uri is missing"},
		"nginx, no method":    {nginx, request(at, "X-Original-URI: "+event), "x-original-method is missing"},
		"nginx, two URIs": {
			nginx, nginx.asks("/avanan/us", "GET", event, "x-original-uri: "+other+"\r\n"), "x-original-uri is repeated",
		},
		"nginx, the same URI twice": {
			nginx, nginx.asks("/avanan/us", "GET", event, "X-Original-URI: "+event+"\r\n"), "x-original-uri is repeated",
		},
		"nginx, one with underscores": {
			nginx, nginx.asks("/avanan/us", "GET", event, "X_Original_URI: "+other+"\r\n"), "x-original-uri is repeated",
		},
		"nginx, two methods": {
			nginx, nginx.asks("/avanan/us", "GET", event, "X-Original-Method: POST\r\n"), "x-original-method is repeated",
		},
		"nginx, two in one header": {nginx, nginx.asks("/avanan/us", "GET", event+", "+other), "contains a space"},
		"nginx, two methods in one header": {
			nginx, nginx.asks("/avanan/us", "GET, POST", event), "does not allow this method",
		},
		"nginx, what Traefik sends": {nginx, traefik.asks("/avanan/us", "GET", event), "is not one that nginx sends"},
		"nginx, a client's forwarded URI": {
			nginx, nginx.asks("/avanan/us", "GET", event, "x_forwarded_uri: "+event+"\r\n"),
			"x-forwarded-uri is not one that nginx sends",
		},
		"nginx, IIS's URL": {
			nginx, nginx.asks("/avanan/us", "GET", event, "X-Original-URL: "+event+"\r\n"), "x-original-url is not one",
		},
		"nginx, Symfony's URL": {
			nginx, nginx.asks("/avanan/us", "GET", event, "X-Rewrite-URL: "+event+"\r\n"), "x-rewrite-url is not one",
		},
		"nginx, another method": {
			nginx, nginx.asks("/avanan/us", "GET", event, "X-HTTP-Method-Override: DELETE\r\n"), "x-http-method-override is not",
		},
		"nginx, another method's other name": {
			nginx, nginx.asks("/avanan/us", "GET", event, "X-Method-Override: PUT\r\n"), "x-method-override is not one",
		},
		"nginx, a long name": {
			nginx, nginx.asks("/avanan/us", "GET", event, "X-Original-"+strings.Repeat("a", 50000)+": x\r\n"),
			"the header x-original-" + strings.Repeat("a", 21) + "… is not one",
		},
		"Traefik, what nginx sends": {traefik, nginx.asks("/avanan/us", "GET", event), "is not one that traefik sends"},
		"Traefik, a client's original URI": {
			traefik, traefik.asks("/avanan/us", "GET", event, "X-Original-URI: "+event+"\r\n"), "x-original-uri is not one",
		},
		"Traefik, no URI": {traefik, request(at, "X-Forwarded-Method: GET"), "x-forwarded-uri is missing"},
		"Traefik, two URIs": {
			traefik, traefik.asks("/avanan/us", "GET", event, "X-Forwarded-Uri: "+other+"\r\n"), "x-forwarded-uri is repeated",
		},
		"Caddy, what nginx sends": {caddy, nginx.asks("/avanan/us", "GET", event), "is not one that caddy sends"},
		"Caddy, underscores": {
			caddy, caddy.asks("/avanan/us", "GET", event, "X_Forwarded_Uri: "+other+"\r\n"), "x-forwarded-uri is repeated",
		},
		"Caddy, no method": {caddy, request(at, "X-Forwarded-Uri: "+event), "x-forwarded-method is missing"},
		"Envoy, a forwarded URI": {
			envoy, envoy.asks("/avanan/us", "GET", event, "X-Forwarded-Uri: "+other+"\r\n"), "x-forwarded-uri is not one",
		},
		"Envoy, an original path": {
			envoy, envoy.asks("/avanan/us", "GET", event, "X-Envoy-Original-Path: "+other+"\r\n"), "x-envoy-original-path is",
		},
		"Envoy, another route by dots": {envoy, envoy.asks("/avanan/us", "GET", "/../../pave/v1/sessions"), "segment"},
		"Envoy, the route alone":       {envoy, envoy.asks("/avanan/us", "GET", ""), "must begin with /"},
		"Envoy, no route":              {envoy, envoy.asks("/none", "GET", event), "no route has the path"},
		"no route":                     {nginx, nginx.asks("/none", "GET", event), "is not that of a route"},
		"below a route":                {nginx, nginx.asks("/avanan/us"+event, "GET", event), "is not that of a route"},
		"a slash behind the route":     {caddy, caddy.asks("/avanan/us/", "GET", event), "is not that of a route"},
		"an absolute address":          {nginx, nginx.asks("http://auth/avanan/us", "GET", event), "is not that of a route"},
		"an absolute URI":              {nginx, nginx.asks("/avanan/us", "GET", "http://v"+event), "no route has this path"},
		"another path":                 {nginx, nginx.asks("/avanan/us", "GET", "/v1.0/action"), "does not allow"},
		"the route's prefix":           {nginx, nginx.asks("/avanan/us", "GET", "/avanan/us"+event), "does not allow"},
		"another route in the URI":     {nginx, nginx.asks("/avanan/us", "GET", "/../../pave/v1/sessions"), "segment"},
		"another method":               {nginx, nginx.asks("/avanan/us", "DELETE", event), "does not allow"},
		"TRACE":                        {nginx, nginx.asks("/avanan/us", "TRACE", event), "CONNECT and TRACE"},
		"an upgrade":                   {caddy, caddy.asks("/avanan/us", "GET", event, "Upgrade: websocket\r\n"), "upgrades"},
		"a query that no server reads alike": {
			nginx, nginx.asks("/avanan/us", "GET", event+"?a=1;b"), "the query has ;",
		},
		"too long": {nginx, nginx.asks("/avanan/us", "GET", event+strings.Repeat("a", 9000)), "is longer than"},
		"a route that sends a body": {
			nginx, nginx.asks("/hashed", "GET", "/upload"), "gateways cannot ask for this route",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newGateway(t, row.gateway, gatewayRoutes)
			response := r.raw(t, row.request)
			require.Equal(t, http.StatusForbidden, response.StatusCode)
			require.Contains(t, problemOf(t, response).Detail, row.want)
			require.Empty(t, r.stub.seen())
			r.logs(t, `"status":403,"reason":`, 1)
		})
	}
}

// A client cannot choose the route that is below the gateway's by the beginning of its URI.
func TestURIChoosesNoRoute(t *testing.T) {
	t.Parallel()
	r := newGateway(t, nginx, `
  /a: {sign: m/sign/custom/above, allow: ["GET /b/{id}"]}
  /a/b: {sign: m/sign/custom/below, allow: ["GET /{id}"]}
`)
	var paths []string
	r.stub.answer = func(route *Route, call signing.Call) (*signing.Signed, error) {
		paths = append(paths, route.Path)
		return r.sign(route, call)
	}
	require.Equal(t, http.StatusOK, r.raw(t, nginx.asks("/a", http.MethodGet, "/b/1")).StatusCode)
	require.Equal(t, http.StatusForbidden, r.raw(t, nginx.asks("/a", http.MethodGet, "/1")).StatusCode)
	require.Equal(t, http.StatusOK, r.raw(t, nginx.asks("/a/b", http.MethodGet, "/1")).StatusCode)
	require.Equal(t, []string{"m/sign/custom/above", "m/sign/custom/below"}, paths)
	require.Equal(t, "/b/1", r.stub.seen()[0].Parameters["request_string"])
}

// The query of the gateway's own request is not read: Caddy puts the client's there.
func TestQueryOfTheGatewaysRequestIsNotRead(t *testing.T) {
	t.Parallel()
	r := newGateway(t, caddy, gatewayRoutes)
	response := r.raw(t, caddy.asks("/avanan/us?x=/../pave", http.MethodGet, "/v1.0/event/1?a=b"))
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "/v1.0/event/1?a=b", r.stub.seen()[0].Parameters["request_string"])
}

// Whatever goes wrong behind the proxy, a gateway gets 403, and the answer and the log say what it was.
func TestGatewaysGet403WhereVaultDoesNotSign(t *testing.T) {
	t.Parallel()
	const event = "/v1.0/event/1"
	signed := func(url string, query map[string]string) *signing.Signed {
		return &signing.Signed{Headers: map[string]string{"X-Sig": "secret"}, URL: url, Query: query}
	}
	for name, row := range map[string]struct {
		signed             *signing.Signed
		err                error
		side, detail, logs string
	}{
		"Vault is sealed": {
			nil, &signing.Failure{Status: 503, Reason: "sealed"}, "vault", "Vault did not sign the call", "sealed",
		},
		"Vault denies": {
			nil, &signing.Failure{Status: 403, Reason: "denied"}, "vault", "Vault did not sign the call", "denied",
		},
		"the engine refuses the call": {
			nil, &signing.Failure{Status: 400, Reason: "request_string is odd"}, "", "Vault refused the call", "is odd",
		},
		"the answer is for another call": {
			signed("https://vendor.example/v1.0/event/2", nil), nil, "vault", "Vault's answer is for another call",
			"does not end in",
		},
		"Vault appends a query": {
			signed("https://vendor.example"+event+"?sig=1", map[string]string{"sig": "1"}), nil, "",
			"gateways cannot ask for this route: they add headers, and Vault appends a query", "appends a query",
		},
		"Vault changes the body": {
			&signing.Signed{Headers: map[string]string{"X-Sig": "secret"}, URL: "https://v.example" + event, Body: new(string)},
			nil, "", "gateways cannot ask for this route: they add headers, and Vault changes the body", "changes the body",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newGateway(t, nginx, gatewayRoutes)
			r.stub.say(row.signed, row.err)
			response := r.raw(t, nginx.asks("/avanan/us", http.MethodGet, event))
			require.Equal(t, http.StatusForbidden, response.StatusCode)
			require.Empty(t, response.Header.Values("X-Sig"))
			got := problemOf(t, response)
			require.Equal(t, row.side, got.Side)
			require.Contains(t, got.Detail, row.detail)
			r.logs(t, row.logs, 1)
		})
	}
}

// A gateway's listener is on loopback or a socket, and the configuration says which gateway it is.
func TestForwardAuthIsRead(t *testing.T) {
	t.Parallel()
	const listens = "forward_auth: {listen: 127.0.0.1:8411, gateway: caddy}\nroutes:\n"
	config, err := Parse("f.yml", []byte(listens+gatewayRoutes))
	require.NoError(t, err)
	require.Equal(t, &ForwardAuth{Address{TCP: netip.MustParseAddrPort("127.0.0.1:8411")}, caddy}, config.ForwardAuth)
	require.Zero(t, config.Listen)
	const warning = "route /hashed: gateways cannot ask for this route: " +
		"they ask without a body and its headers, and it sends body_sha256"
	require.Equal(t, []string{warning}, config.Warnings())
	config, err = Parse("f.yml", []byte(oneRoute+
		"forward_auth: {listen: unix:///run/a.sock, socket_mode: \"0660\", gateway: envoy}"))
	require.NoError(t, err)
	require.Equal(t, Address{Socket: "/run/a.sock", Mode: 0o660}, config.ForwardAuth.Listen)
	require.Empty(t, config.Warnings())
	config, err = Parse("f.yml", []byte(whole))
	require.NoError(t, err)
	require.Nil(t, config.ForwardAuth)
	require.Empty(t, config.Warnings(), "without a gateway every route may send a body")
}

func TestMistakesOfForwardAuth(t *testing.T) {
	t.Parallel()
	const nested = "  /a/b: {creds: m/creds/pave/x, allow: [GET /]}\nforward_auth:\n  listen: 127.0.0.1:1\n  gateway: "
	const root = "  /: {creds: m/creds/pave/x, allow: [GET /]}\nforward_auth:\n  listen: 127.0.0.1:1\n  gateway: envoy"
	refuses(t, []mistaken{
		{"a text", oneRoute + "forward_auth: nginx", "7: forward_auth must be a mapping"},
		{"no gateway", oneRoute + "forward_auth: {listen: 127.0.0.1:1}", "7: forward_auth must have listen and gateway"},
		{"no listen", oneRoute + "forward_auth:\n  gateway: nginx", "8: forward_auth must have listen and gateway"},
		{
			"another gateway", oneRoute + "forward_auth:\n  listen: 127.0.0.1:1\n  gateway: haproxy",
			"9: gateway must be nginx, traefik, caddy or envoy",
		},
		{"an unknown key", oneRoute + "forward_auth:\n  x: y", `8: unknown key "x" in forward_auth`},
		{
			"any address", oneRoute + "forward_auth:\n  gateway: caddy\n  listen: 0.0.0.0:8411",
			"9: listen must be a loopback address with a port",
		},
		{
			"a mode without a socket", oneRoute + "forward_auth:\n  gateway: caddy\n  listen: 127.0.0.1:1\n  socket_mode: 0600",
			"10: socket_mode is for a unix socket",
		},
		{
			"the address of listen", oneRoute + "forward_auth:\n  gateway: caddy\n  listen: 127.0.0.1:8410",
			"8: listen and forward_auth must listen on different addresses",
		},
		{
			"the socket of listen", strings.Replace(oneRoute, "127.0.0.1:8410", "unix:///run/x", 1) +
				"forward_auth:\n  gateway: caddy\n  listen: unix:///run/x\n  socket_mode: \"0660\"",
			"8: listen and forward_auth must listen on different addresses",
		},
		{
			"Envoy, a route below another", oneRoute + nested + "envoy",
			"9: with envoy, no route can be below another, as /a/b is below /a: a client could choose which",
		},
		{"Envoy, a route below the root", oneRoute + root, "9: with envoy, no route can be below another, as /a is below /"},
		{"a mode and no listen", "socket_mode: 0600\nforward_auth: {}\nroutes: {}", "1: socket_mode is for a unix socket"},
	})
	_, err := Parse("f.yml", []byte(oneRoute+nested+"nginx"))
	require.NoError(t, err, "nginx asks at the path of one route")
}

// Gateways are answered without a listener for applications, and by the gateway of the configuration that is in use.
func TestProgramAnswersGateways(t *testing.T) {
	t.Parallel()
	rig := newRig(t, nil)
	const listens = "forward_auth: {listen: 127.0.0.1:1, gateway: "
	const routes = "}\nroutes:\n  /a: {sign: m/sign/custom/x, send: [request_string, body_sha256], allow: [GET /x]}\n" +
		"  /b: {sign: m/sign/avanan/us, allow: [GET /v1.0/a]}\n"
	parse := func(text string) func() (*Config, error) {
		return func() (*Config, error) { return Parse("f.yml", []byte(text)) }
	}
	r := startProgram(t, rig.stub, listens+"nginx"+routes)
	asks := func(gateway Gateway) int {
		rig.address = r.gateways
		return rig.raw(t, gateway.asks("/b", http.MethodGet, "/v1.0/a")).StatusCode
	}
	const cannot = "route /a: gateways cannot ask for this route"
	require.Equal(t, 200, asks(nginx))
	require.Equal(t, 403, asks(caddy))
	require.Equal(t, 1, strings.Count(r.log.String(), cannot))
	require.Contains(t, r.log.String(), `"gateway":"nginx"`)
	for i, row := range []struct {
		text                   string
		nginx, caddy, restarts int // statuses, and how often a restart was said to be needed
	}{
		{listens + "caddy" + routes, 403, 200, 0},
		{"forward_auth: {listen: 127.0.0.1:2, gateway: nginx" + routes, 200, 403, 1},
		{"listen: 127.0.0.1:9" + strings.TrimPrefix(routes, "}"), 403, 403, 2},
	} {
		r.config <- parse(row.text)
		r.signals <- syscall.SIGHUP
		eventually(t, func() bool { return strings.Count(r.log.String(), "was reloaded") == i+1 }, "the reload")
		require.Equal(t, row.nginx, asks(nginx))
		require.Equal(t, row.caddy, asks(caddy))
		require.Equal(t, row.restarts, strings.Count(r.log.String(), "change only with a restart"))
	}
	require.Equal(t, 3, strings.Count(r.log.String(), cannot))
	eventually(t, func() bool {
		return strings.Count(r.log.String(), "the configuration has no forward_auth any more") == 2
	}, "both were told why")
}
