package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// stub signs in Vault's place. By default it answers as sign/avanan does, or as creds does on a creds route.
type stub struct {
	mu       sync.Mutex
	calls    []signing.Call
	rejected []*signing.Signed
	answer   func(route *Route, call signing.Call) (*signing.Signed, error)
	health   error
	waits    func(ctx context.Context) // before it answers; nil: not at all
}

func (s *stub) Health(context.Context) error { return s.health }

func (s *stub) Signer(route *Route) signing.Signer { return &stubSigner{s, route} }

func (s *stub) seen() []signing.Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]signing.Call(nil), s.calls...)
}

type stubSigner struct {
	stub  *stub
	route *Route
}

func (s *stubSigner) Sign(ctx context.Context, call signing.Call) (*signing.Signed, error) {
	if s.stub.waits != nil {
		s.stub.waits(ctx)
	}
	s.stub.mu.Lock()
	s.stub.calls = append(s.stub.calls, call)
	answer := s.stub.answer
	s.stub.mu.Unlock()
	return answer(s.route, call)
}

func (s *stubSigner) Reject(signed *signing.Signed) {
	s.stub.mu.Lock()
	defer s.stub.mu.Unlock()
	s.stub.rejected = append(s.stub.rejected, signed)
}

// received is a request as the vendor got it.
type received struct {
	*http.Request
	body    string
	trailer http.Header
}

// rig is a proxy between a client and a vendor.
type rig struct {
	*Proxy
	stub    *stub
	vendor  *httptest.Server
	address string // of the proxy
	listens net.Listener
	log     *syncBuffer

	mu       sync.Mutex
	received []received
}

type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

const defaultRoutes = `
  /avanan/us:
    sign: apisig/sign/avanan/us
    allow:
      - GET /v1.0/event/{id}
      - POST /v1.0/event/query
      - GET /v1.0/files/{path...}
  /pave:
    creds: apisig/creds/pave/main
    scopes: farm:customer
    allow: [GET /v1/sessions, POST /v1/sessions, "GET /v1/{$}"]
  /hashed:
    sign: apisig/sign/custom/hashed
    send: [method, request_string, body_sha256]
    allow: [POST /upload]
`

// newRig starts a proxy with defaultRoutes in front of a vendor. answer answers the vendor's calls; nil: with 200.
func newRig(t *testing.T, answer http.HandlerFunc) *rig {
	t.Helper()
	r := &rig{stub: &stub{}, log: &syncBuffer{}}
	r.vendor = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var body []byte
		if answer == nil || req.ContentLength < 1<<20 && req.Header.Get("X-Unread") == "" {
			body, _ = io.ReadAll(req.Body)
		}
		r.mu.Lock()
		r.received = append(r.received, received{req, string(body), req.Trailer})
		r.mu.Unlock()
		if answer != nil {
			answer(w, req)
		}
	}))
	t.Cleanup(r.vendor.Close)
	r.stub.answer = r.sign
	config, err := Parse("f.yml", []byte("listen: 127.0.0.1:1\nroutes:\n"+defaultRoutes))
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.address, r.listens = listener.Addr().String(), listener
	next := NewTransport()
	t.Cleanup(next.CloseIdleConnections)
	r.Proxy = New(Options{
		Next: next, Log: slog.New(slog.NewJSONHandler(r.log, nil)), Metrics: NewMetrics(), Now: time.Now,
	}, Listening{listener})
	r.Use(config, r.stub)
	server := &http.Server{Handler: r.Proxy, ReadHeaderTimeout: time.Minute, DisableGeneralOptionsHandler: true}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return r
}

// sign is what Vault returns: a signature for one call, or headers for all of them.
func (r *rig) sign(route *Route, call signing.Call) (*signing.Signed, error) {
	if route.kind == signing.Creds {
		return &signing.Signed{Headers: map[string]string{"API-Token": "token of vault", "x-av-req-id": "id of vault"}, BaseURL: r.vendor.URL}, nil
	}
	return &signing.Signed{
		Headers: map[string]string{"x-av-sig": "signature of vault", "x-av-token": "token of vault"},
		URL:     r.vendor.URL + fmt.Sprint(call.Parameters["request_string"]),
	}, nil
}

func (r *rig) vendorGot() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.received...)
}

// reply is an answer of the proxy's; the test closes its body.
type reply struct{ *http.Response }

// raw sends bytes to the proxy, and returns its answer.
func (r *rig) raw(t *testing.T, request string) reply {
	t.Helper()
	connection, err := net.Dial("tcp", r.address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	require.NoError(t, connection.SetDeadline(time.Now().Add(30*time.Second)))
	_, err = io.WriteString(connection, request)
	require.NoError(t, err)
	method, _, _ := strings.Cut(request, " ")
	response, err := http.ReadResponse(bufio.NewReader(connection), &http.Request{Method: method})
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	return reply{response}
}

// get is a request as curl sends it, with more headers, each ending in a line break.
func (r *rig) get(t *testing.T, target string, headers ...string) reply {
	t.Helper()
	return r.raw(t, "GET "+target+" HTTP/1.1\r\nHost: "+r.address+"\r\n"+strings.Join(headers, "")+"\r\n")
}

func (r *rig) do(t *testing.T, method, target string, body io.Reader, headers ...string) reply {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.address+target, body)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		request.Header[headers[i]] = append(request.Header[headers[i]], headers[i+1])
	}
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	return reply{response}
}

// monitor asks for a page of the metrics, which are served on the rig's own listener.
func (r *rig) monitor(t *testing.T, target string) *httptest.ResponseRecorder {
	t.Helper()
	return r.monitorOn(t, r.listens, target, r.address)
}

// monitorOn asks for a page of the metrics as they are served on a listener, with more headers.
func (r *rig) monitorOn(t *testing.T, on net.Listener, target, host string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
	request.Host = host
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	r.Monitor(on).ServeHTTP(recorder, request)
	return recorder
}

func problemOf(t *testing.T, response reply) problem {
	t.Helper()
	require.Equal(t, "application/problem+json", response.Header.Get("Content-Type"))
	var got problem
	require.NoError(t, json.NewDecoder(response.Body).Decode(&got))
	require.Equal(t, response.StatusCode, got.Status)
	require.Equal(t, http.StatusText(response.StatusCode), got.Title)
	return got
}

func eventually(t *testing.T, holds func() bool, what string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); <-time.After(5 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "waited for: %s", what)
	}
}

// What is signed, sent and compared is one string: the path and query as the client sent them, byte for byte.
func TestSignedAndSentAreTheBytesOfTheClient(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for i, target := range []string{
		"/v1.0/event/1", "/v1.0/event/1?b=2&a=1", "/v1.0/event/a%C3%bc", `/v1.0/event/a"b<c>|^` + "`{}", "/v1.0/event/%41?x=%7e&y=+&&z",
		"/v1.0/event/a:b@c!$&'()*+=~", "/v1.0/event/1?a=/../b&c=??d", "/v1.0/files/a/b/", "/v1.0/event/1?q='\"<>`{}|^",
	} {
		require.Equal(t, http.StatusOK, r.get(t, "/avanan/us"+target).StatusCode, target)
		got := r.vendorGot()[i]
		require.Equal(t, target, got.RequestURI)
		require.Equal(t, strings.TrimPrefix(r.vendor.URL, "http://"), got.Host)
		require.Equal(t, "signature of vault", got.Header.Get("x-av-sig"))
		require.Equal(t, map[string]any{"request_string": target}, r.stub.seen()[i].Parameters)
	}
	require.Equal(t, http.StatusOK, r.get(t, "/pave/v1/sessions?a=%2F").StatusCode)
	got := r.vendorGot()
	require.Equal(t, "/v1/sessions?a=%2F", got[len(got)-1].RequestURI)
	require.Empty(t, r.stub.seen()[len(got)-1].Parameters)
}

// Every method that a pattern allows passes, and GET allows HEAD.
func TestAllowedCallsPass(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "answer") })
	for _, host := range []string{r.address, "localhost:" + r.address[strings.LastIndex(r.address, ":")+1:], "LOCALHOST" + r.address[strings.LastIndex(r.address, ":"):]} {
		require.Equal(t, http.StatusOK, r.raw(t, "GET /avanan/us/v1.0/event/1 HTTP/1.1\r\nHost: "+host+"\r\n\r\n").StatusCode, host)
	}
	head := r.raw(t, "HEAD /avanan/us/v1.0/event/1 HTTP/1.1\r\nHost: "+r.address+"\r\n\r\n")
	require.Equal(t, http.StatusOK, head.StatusCode)
	require.Equal(t, int64(6), head.ContentLength)
	require.Equal(t, http.StatusOK, r.get(t, "/avanan/us/v1.0/event/1", "Sec-Fetch-Site: none\r\n").StatusCode)
	post := r.do(t, http.MethodPost, "/avanan/us/v1.0/event/query", strings.NewReader("body"))
	body, err := io.ReadAll(post.Body)
	require.NoError(t, err)
	require.Equal(t, "answer", string(body))
	require.Equal(t, http.StatusOK, r.get(t, "/pave/v1/").StatusCode)
	got := r.vendorGot()
	require.Equal(t, []string{"HEAD", "GET", "POST"}, []string{got[3].Method, got[4].Method, got[5].Method})
	require.Equal(t, "body", got[5].body)
}

// Each of these tries to leave the allow list, or to reach the proxy from a web page. None reaches the vendor, and none is signed.
func TestTricksDoNotReachTheVendor(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	const event = "/avanan/us/v1.0/event/"
	tricks := map[string]int{ // request lines
		"GET " + event: 403, "GET /avanan/us/v1.0/event": 403, "GET " + event + "1/": 403, "GET " + event + "1/2": 403, "GET /avanan/us/v1.0/events/1": 403,
		"GET /avanan/us": 403, "GET /avanan/us/": 403, "GET /avanan/us?/v1.0/event/1": 403, "GET /avanan/usv1.0/event/1": 404, "GET /avanan/us%2Fv1.0/event/1": 404,
		"GET /": 404, "GET /v1.0/event/1": 404, "GET /AVANAN/us/v1.0/event/1": 404, "GET //avanan/us/v1.0/event/1": 404, "GET /x/../avanan/us/v1.0/event/1": 404,
		"DELETE " + event + "1": 403, "PUT " + event + "1": 403, "POST " + event + "1": 403, "OPTIONS " + event + "1": 403, "PATCH " + event + "query": 403,
		"get " + event + "1": 403, "GET2 " + event + "1": 403, "PROPFIND " + event + "1": 403, "HEAD /avanan/us/v1.0/action": 403,
		"CONNECT " + event + "1": 403, "TRACE " + event + "1": 403, "CONNECT vendor.example:443": 403, "OPTIONS *": 403,
		"GET http://vendor.example/avanan/us/v1.0/event/1": 403, "GET http://" + r.address + event + "1": 403, "GET https://" + r.address + event + "1": 403,
		"GET " + event + "../action": 403, "GET " + event + "..": 403, "GET " + event + "%2e%2e/action": 403, "GET " + event + "%2E%2e": 403, "GET " + event + "1%2e": 403,
		"GET " + event + "a%2F..%2F..%2Faction": 403, "GET " + event + "a%2faction": 403, "GET " + event + "a%5C..%5Caction": 403, `GET ` + event + `..\action`: 403,
		"GET " + event + "%252e%252e": 403, "GET " + event + "%25": 403, "GET " + event + "..;/action": 403, "GET " + event + "1;a=b": 403, "GET " + event + "%u002e": 400,
		"GET /avanan/us//v1.0/event/1": 403, "GET /avanan/us/v1.0//event/1": 403, "GET " + event + "1//": 403, "GET /avanan/us/./v1.0/event/1": 403,
		"GET " + event + "a%00b": 403, "GET " + event + "a%0d%0aHost:x": 403, "GET " + event + "a%7f": 403, "GET " + event + "%c0%ae%c0%ae": 403, "GET " + event + "%ff": 403,
		"GET " + event + "1#/../x": 403, "GET " + event + "a,b": 403, "GET " + event + "%zz": 400, "GET " + event + "1%": 400,
		"GET " + event + "1?": 400, "GET " + event + "1?a;b": 400, "GET " + event + "1?a=1;c=2": 400, "GET " + event + "1?a=%": 400, "GET " + event + "1?a=%z1": 400,
		"GET " + event + "1?a=%1z": 400, "GET " + event + "1?%u0041": 400, "GET " + event + "1?a=b,c": 400, "GET " + event + "1?a#b": 400, `GET ` + event + `1?a\b`: 400,
		"GET " + event + "ü": 403, "GET " + event + "1?ü": 400, "GET " + event + strings.Repeat("a", 9000): 400, "GET " + event + "1?" + strings.Repeat("a", 9000): 400,
		"GET /avanan/us/v1.0/files/../event": 403, "GET /avanan/us/v1.0/files/a/%2e%2e/b": 403, "GET /avanan/us/v1.0/files//a": 403, "GET /avanan/us/v1.0/files": 403,
		"GET /pave/v1/callbacks": 403, "GET /pave/v1/sessions/": 403, "DELETE /pave/v1/sessions": 403, "GET /pave/v1": 403, "GET /pave/../pave/v1/callbacks": 403,
	}
	for line, want := range tricks {
		response := r.raw(t, line+" HTTP/1.1\r\nHost: "+r.address+"\r\n\r\n")
		require.Equal(t, want, response.StatusCode, line)
	}
	headers := map[string]int{ // of an allowed call
		"Origin: https://evil.example\r\n": 403, "Origin: null\r\n": 403, "Sec-Fetch-Site: cross-site\r\n": 403, "Sec-Fetch-Site: same-origin\r\n": 403,
		"Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n": 403,
		"Connection: Upgrade\r\nUpgrade: websocket\r\n":          403, "Upgrade: h2c\r\n": 403, "Connection: keep-alive, UPGRADE\r\n": 403,
		"Host: evil.example\r\n": 400, // a second one
	}
	for lines, want := range headers {
		require.Equal(t, want, r.get(t, event+"1", lines).StatusCode, lines)
	}
	for _, host := range []string{
		"evil.example", "evil.example:8410", "localhost", "127.0.0.1", "localhost:1", "127.0.0.2" + r.address[strings.LastIndex(r.address, ":"):],
		r.address + ".", "localhost." + r.address[strings.LastIndex(r.address, ":"):], "", "[::1]" + r.address[strings.LastIndex(r.address, ":"):],
	} {
		require.Equal(t, http.StatusForbidden, r.raw(t, "GET "+event+"1 HTTP/1.1\r\nHost: "+host+"\r\n\r\n").StatusCode, host)
	}
	require.Equal(t, http.StatusForbidden, r.raw(t, "GET "+event+"1 HTTP/1.0\r\n\r\n").StatusCode)
	require.GreaterOrEqual(t, len(tricks)+len(headers), 40)
	require.Empty(t, r.vendorGot())
	require.Empty(t, r.stub.seen())
	require.Equal(t, http.StatusOK, r.get(t, event+"1").StatusCode, "the rig works")
}

// A refusal is a problem document that says why, and does not repeat what was sent.
func TestRefusalIsAProblemDocument(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	got := problemOf(t, r.get(t, "/avanan/us/v1.0/canary?canary"))
	require.Equal(t, problem{Type: "about:blank", Title: "Forbidden", Status: 403, Detail: "the route does not allow this method and path"}, got)
	require.NotContains(t, r.log.String(), "canary")
}

// What the matcher and the vendor may read in different ways is refused before it is matched, and so are these methods.
func TestRefusalsComeBeforeMatching(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for line, want := range map[string]string{
		"GET /avanan/us/v1.0/event/a%2Fb": "%2F, %5C, %25, %2E or ;", "GET /avanan/us/v1.0/event/a%2fb": "%2F, %5C, %25, %2E or ;",
		"GET /avanan/us/v1.0/event/a%5Cb": "%2F, %5C, %25, %2E or ;", "GET /avanan/us/v1.0/event/a%25b": "%2F, %5C, %25, %2E or ;",
		"GET /avanan/us/v1.0/event/a%2eb": "%2F, %5C, %25, %2E or ;", "GET /avanan/us/v1.0/event/a;b": "%2F, %5C, %25, %2E or ;",
		"CONNECT /avanan/us/v1.0/event/1": "CONNECT and TRACE are refused", "TRACE /avanan/us/v1.0/event/1": "CONNECT and TRACE are refused",
	} {
		require.Contains(t, problemOf(t, r.raw(t, line+" HTTP/1.1\r\nHost: "+r.address+"\r\n\r\n")).Detail, want, line)
	}
}

// These headers pass on no route, in any case, with _ for -, or as a trailer. Others do.
func TestHeadersThatNeverPass(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	never := []string{
		"Authorization", "Proxy-Authorization", "Cookie", "X-Vault-Token", "X-Vault-Namespace", "X-Vault-Anything", "x-av-sig", "x-av-token", "x-av-req-id", "X-Av-New",
		"API-Key", "API-Token", "api-anything", "X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override", "X-Original-URL", "X-Original-Host", "X-Rewrite-URL",
		"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Anything", "X-Real-IP",
	}
	pass := []string{"Accept", "Content-Type", "User-Agent", "X-Request-Id", "Apikey", "Xav-Sig", "X-Api-Key", "If-None-Match", "Idempotency-Key"}
	for _, route := range []string{"/avanan/us/v1.0/event/query", "/pave/v1/sessions"} {
		for _, spell := range []func(string) string{
			func(s string) string { return s }, strings.ToUpper, strings.ToLower, func(s string) string { return strings.ReplaceAll(s, "-", "_") },
			func(s string) string { return strings.Replace(strings.ToUpper(s), "-", "_", 1) },
		} {
			request := "POST " + route + " HTTP/1.1\r\nHost: " + r.address + "\r\nTransfer-Encoding: chunked\r\n"
			trailers, announced := "", []string{}
			for _, name := range append(append([]string{}, never...), pass...) {
				request += spell(name) + ": canary\r\n"
				announced = append(announced, spell(name))
				trailers += spell(name) + ": canary\r\n"
			}
			// Authorization and the like may not be trailers for net/http: it answers 400 to those.
			announced = append(announced, "X-Checksum")
			announced = announced[3:]
			_, trailers, _ = strings.Cut(trailers, spell(never[2])+": canary\r\n")
			trailers += "X-Checksum: sum\r\nX-Unannounced: canary\r\n"
			request += "Trailer: " + strings.Join(announced, ", ") + "\r\n\r\n4\r\nbody\r\n0\r\n" + trailers + "\r\n"
			require.Equal(t, http.StatusOK, r.raw(t, request).StatusCode, request)
			got := r.vendorGot()
			last := got[len(got)-1]
			require.Equal(t, "body", last.body)
			for _, header := range []http.Header{last.Header, last.trailer} {
				for _, name := range never {
					require.NotContains(t, header.Values(spell(name)), "canary", spell(name))
				}
			}
			require.Equal(t, "sum", last.trailer.Get("X-Checksum"))
			require.Empty(t, last.trailer.Get("X-Unannounced"))
			for _, name := range pass {
				require.Equal(t, []string{"canary"}, last.Header[http.CanonicalHeaderKey(spell(name))], name)
			}
		}
	}
	for _, name := range never {
		require.True(t, neverPassed(signing.PlainName(name)), name)
	}
}

// A client cannot have Vault's headers dropped by naming them in Connection, nor add its own beside them.
func TestVaultsHeadersReplaceTheClients(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stub.answer = func(route *Route, call signing.Call) (*signing.Signed, error) {
		signed, _ := r.sign(route, call)
		signed.Headers = map[string]string{"X-Sign": "vault", "Accept": "vault"}
		return signed, nil
	}
	require.Equal(t, http.StatusOK, r.get(t, "/avanan/us/v1.0/event/1",
		"Connection: X-Sign, Accept\r\nX-Sign: client\r\nX_Sign: client\r\nx-SIGN: client\r\nAccept: client\r\n").StatusCode)
	got := r.vendorGot()[0].Header
	require.Equal(t, []string{"vault"}, got["X-Sign"])
	require.Equal(t, []string{"vault"}, got["Accept"])
	require.Empty(t, got["X_sign"])
	require.Empty(t, got["X-Forwarded-For"])
}

// scopes passes, unless the route fixes it.
func TestScopesPassUnlessTheRouteFixesThem(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	require.Equal(t, http.StatusOK, r.get(t, "/avanan/us/v1.0/event/1", "scopes: farm:mine\r\n").StatusCode)
	require.Equal(t, http.StatusOK, r.get(t, "/pave/v1/sessions", "scopes: farm:other\r\nSCOPES: farm:other\r\n").StatusCode)
	require.Equal(t, http.StatusOK, r.get(t, "/pave/v1/sessions").StatusCode)
	got := r.vendorGot()
	require.Equal(t, []string{"farm:mine"}, got[0].Header["Scopes"])
	require.Equal(t, []string{"farm:customer"}, got[1].Header["Scopes"])
	require.Equal(t, []string{"farm:customer"}, got[2].Header["Scopes"])
}

// send names what Vault is sent. A body that is hashed is read first, up to 10 MiB.
func TestSendNamesParameters(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	require.Equal(t, http.StatusOK, r.do(t, http.MethodPost, "/hashed/upload?a=b", io.MultiReader(strings.NewReader("abc"))).StatusCode)
	require.Equal(t, map[string]any{
		// echo -n abc | sha256sum
		"method": "POST", "request_string": "/upload?a=b", "body_sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	}, r.stub.seen()[0].Parameters)
	require.Equal(t, "abc", r.vendorGot()[0].body)
	require.Equal(t, int64(3), r.vendorGot()[0].ContentLength)

	require.Equal(t, http.StatusOK, r.do(t, http.MethodPost, "/hashed/upload", nil).StatusCode)
	require.Equal(t, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", r.stub.seen()[1].Parameters["body_sha256"])

	long := strings.Repeat("x", 10<<20)
	require.Equal(t, http.StatusOK, r.do(t, http.MethodPost, "/hashed/upload", strings.NewReader(long)).StatusCode)
	require.Equal(t, http.StatusOK, r.do(t, http.MethodPost, "/hashed/upload", io.MultiReader(strings.NewReader(long))).StatusCode)
	require.Equal(t, long, r.vendorGot()[3].body)
	for _, body := range []io.Reader{strings.NewReader(long + "x"), io.MultiReader(strings.NewReader(long), strings.NewReader("x"))} {
		response := r.do(t, http.MethodPost, "/hashed/upload", body)
		require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
		require.Empty(t, problemOf(t, response).Side)
	}
	announced := r.raw(t, "POST /hashed/upload HTTP/1.1\r\nHost: "+r.address+"\r\nContent-Length: 99999999\r\n\r\n")
	require.Equal(t, http.StatusRequestEntityTooLarge, announced.StatusCode, "without reading it")
	require.Len(t, r.stub.seen(), 4)
	require.Len(t, r.vendorGot(), 4)
}

// An answer of Vault's that is for another call is 502, and nothing is sent.
func TestAnswerForAnotherCallIs502(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for _, signed := range []signing.Signed{
		{URL: r.vendor.URL + "/v1.0/event/2?a=b"},
		{URL: r.vendor.URL + "/v1.0/event/1"},
		{URL: r.vendor.URL + "/v1.0/event/1?a=b&c=d"},
		{URL: r.vendor.URL + "/v1.0/event/1?a=B"},
		{URL: r.vendor.URL + "/v1.0/event/%31?a=b"},
		{URL: r.vendor.URL + "/x?y=/v1.0/event/1?a=b"},
		{URL: r.vendor.URL + "/x?/v1.0/event/1?a=b"},
		{URL: r.vendor.URL + "/v1.0/event/1?a=b&c=d", Query: map[string]string{"c": "d", "e": "f"}},
		{URL: r.vendor.URL + "#/v1.0/event/1?a=b"},
		{URL: "/v1.0/event/1?a=b"},
		{URL: "ftp://x/v1.0/event/1?a=b"},
		{URL: "http://u@x/v1.0/event/1?a=b"},
		{},
		{URL: r.vendor.URL + "//v1.0/event/1?a=b"[1:], BaseURL: "http://other.example"},
		{BaseURL: "nonsense"},
		{BaseURL: r.vendor.URL + "?x"},
		{URL: r.vendor.URL + "/v1.0/event/1?a=b&c=d", Query: map[string]string{"c": "e"}},
		{URL: r.vendor.URL + "/v1.0/event/1?a=b", Query: map[string]string{"c": "d"}},
		{URL: r.vendor.URL + "/v1.0/event/1?a=b&c=d&e=f", Query: map[string]string{"c": "d"}},
		{URL: r.vendor.URL + "/v1.0/event/1?a=b?c=d", Query: map[string]string{"c": "d"}},
		{URL: r.vendor.URL + "/v1.0/event/1?a=b&c=d&c=d", Query: map[string]string{"c": "d"}},
		{URL: r.vendor.URL + "/v1.0/event/2?a=b&c=d", Query: map[string]string{"c": "d"}},
	} {
		r.stub.mu.Lock()
		r.stub.answer = func(*Route, signing.Call) (*signing.Signed, error) { return &signed, nil }
		r.stub.mu.Unlock()
		response := r.get(t, "/avanan/us/v1.0/event/1?a=b")
		require.Equal(t, http.StatusBadGateway, response.StatusCode, "%+v", signed)
		require.Equal(t, "vault", problemOf(t, response).Side)
	}
	require.Empty(t, r.vendorGot())
	r.stub.answer = func(*Route, signing.Call) (*signing.Signed, error) {
		return &signing.Signed{
			URL: r.vendor.URL + "/base/v1.0/event/1?a=b&sig=x%2F+y&n=1", BaseURL: r.vendor.URL + "/base/", Query: map[string]string{"sig": "x/ y", "n": "1"},
		}, nil
	}
	require.Equal(t, http.StatusOK, r.get(t, "/avanan/us/v1.0/event/1?a=b").StatusCode)
	require.Equal(t, "/base/v1.0/event/1?a=b&sig=x%2F+y&n=1", r.vendorGot()[0].RequestURI)
}

// Where an answer has no url, the call goes below its base_url.
func TestCredsCallsGoBelowTheBaseURL(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stub.answer = func(*Route, signing.Call) (*signing.Signed, error) {
		return &signing.Signed{Headers: map[string]string{"Authorization": "Bearer vault"}, BaseURL: r.vendor.URL + "/app/hec-api/"}, nil
	}
	require.Equal(t, http.StatusOK, r.get(t, "/pave/v1/sessions?x=y", "Authorization: Bearer client\r\n").StatusCode)
	require.Equal(t, "/app/hec-api/v1/sessions?x=y", r.vendorGot()[0].RequestURI)
	require.Equal(t, []string{"Bearer vault"}, r.vendorGot()[0].Header["Authorization"])
}
