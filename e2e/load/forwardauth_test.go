package load

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// benchGateway is an nginx that asks before it forwards: apisig-proxy, which has each call signed by itself or together
// with others, or a server that answers 200, for calls that the client has signed.
const benchGateway = `
daemon off;
master_process off;
pid nginx.pid;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path       proxy;
    fastcgi_temp_path     fastcgi;
    uwsgi_temp_path       uwsgi;
    scgi_temp_path        scgi;
    keepalive_requests    10000000;
    map $request_uri $below { ~^/v1/(alone|together|bare)(?<rest>/.*)$ $rest; }
    upstream vendor { server VENDOR; keepalive 64; }
    upstream apisig { server APISIG; keepalive 64; }
    upstream plain  { server PLAIN;  keepalive 64; }
    server {
        listen GATEWAY;
        proxy_http_version 1.1;
        auth_request_set $app_id $upstream_http_x_av_app_id;
        auth_request_set $date   $upstream_http_x_av_date;
        auth_request_set $req_id $upstream_http_x_av_req_id;
        auth_request_set $sig    $upstream_http_x_av_sig;
        auth_request_set $token  $upstream_http_x_av_token;
        location /v1/alone/    { auth_request /ask-alone;    proxy_pass http://vendor$below; SIGNED }
        location /v1/together/ { auth_request /ask-together; proxy_pass http://vendor$below; SIGNED }
        location /v1/bare/     { auth_request /ask-plain;    proxy_pass http://vendor$below; BARE }
        location = /ask-alone    { internal; proxy_pass http://apisig/alone;    ASK }
        location = /ask-together { internal; proxy_pass http://apisig/together; ASK }
        location = /ask-plain    { internal; proxy_pass http://plain/;          ASK }
    }
}
`

const benchAsks = `proxy_pass_request_headers off; proxy_pass_request_body off; proxy_set_header Content-Length "";
proxy_set_header Connection ""; proxy_set_header X-Original-Method $request_method;
proxy_set_header X-Original-URI $below;`

const benchSigned = `proxy_set_header Connection ""; proxy_set_header x-av-app-id $app_id;
proxy_set_header x-av-date $date; proxy_set_header x-av-req-id $req_id; proxy_set_header x-av-sig $sig;
proxy_set_header x-av-token $token;`

// TestForwardAuthBench compares a call through nginx that asks apisig-proxy with one through nginx that asks a server
// that answers 200. make bench runs it in full, by BENCH=full. It fails if a request does, never for a figure.
func TestForwardAuthBench(t *testing.T) {
	t.Parallel()
	binary := harness.Gateway(t, "nginx")
	size := sizeOfBench()
	server := harness.StartQuiet(t)
	m := server.MountApisig(t)
	m.Write("config/avanan/us", m.AvananValues())
	p := harness.NewProxy(t, m, `
forward_auth: {listen: 127.0.0.1:8411, gateway: nginx}
vault: {token_file: /run/apisig-agent/token}
routes:
  /alone: {sign: apisig/sign/avanan/us, allow: ["GET /v1.0/event/{id}"]}
  /together: {sign: apisig/sign/avanan/us/batch, allow: ["GET /v1.0/event/{id}"]}
metrics: 127.0.0.1:9410
`)
	p.SetToken(t, server.Client.Token())
	p.Start(t)
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(plain.Close)
	address, err := harness.FreeAddress()
	require.NoError(t, err)
	directory := t.TempDir()
	config := filepath.Join(directory, "nginx.conf")
	require.NoError(t, os.WriteFile(config, []byte(strings.NewReplacer(
		"VENDOR", strings.TrimPrefix(m.URL, "http://"),
		"APISIG", p.Gateways,
		"PLAIN", strings.TrimPrefix(plain.URL, "http://"),
		"GATEWAY", address,
		"SIGNED", benchSigned,
		"BARE", `proxy_set_header Connection "";`,
		"ASK", benchAsks,
	).Replace(benchGateway)), 0o600))
	run := harness.Command(binary, "-p", directory, "-c", config, "-e", filepath.Join(directory, "error.log"))
	harness.Background(t, run, filepath.Join(directory, "log"))
	harness.Eventually(t, func() bool {
		connection, err := net.Dial("tcp", address)
		return err == nil && connection.Close() == nil
	}, "nginx listens")

	gateway := &harness.Server{Address: "http://" + address, Client: server.Client}
	measure := func(server *harness.Server, r request) float64 {
		got, err := runLoad(server, 16, func(int, int) request { return r }, until(size.slice))
		require.NoError(t, err)
		return p50(got)
	}
	call := func(by string) request { return request{method: http.MethodGet, path: by + "/v1.0/event/1"} }
	sign := request{method: http.MethodPut, path: "apisig/sign/avanan/us", body: `{"request_string":"/v1.0/event/1"}`}
	var bares, alone, together []float64
	for round := range size.rounds + 1 {
		bare := measureSigned(m, gateway, call("bare"), size)
		parts := bare + measure(server, sign)
		askedAlone, askedTogether := measure(gateway, call("alone")), measure(gateway, call("together"))
		if round > 0 { // the first warms up
			bares = append(bares, bare)
			alone, together = append(alone, askedAlone/parts), append(together, askedTogether/parts)
		}
	}
	fmt.Printf("\nforward auth by nginx, 16 connections, p50, medians of ratios within %d rounds\n", size.rounds)
	fmt.Printf("nginx that asks a server that answers 200: %.2f ms\n", median(bares))
	fmt.Printf("calls signed by apisig-proxy, together, of that and one sign/avanan (goal: at most 1.25): %.2f\n",
		median(together))
	fmt.Printf("the same, each call signed by itself: %.2f\n", median(alone))
}
