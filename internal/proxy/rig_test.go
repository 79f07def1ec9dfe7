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
	batched  func(calls int)           // of the signer that was made last
	waits    func(ctx context.Context) // before it answers; nil: not at all
}

func (s *stub) Health(context.Context) error { return s.health }

func (s *stub) Signer(route *Route, batched func(int)) signing.Signer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batched = batched
	return &stubSigner{s, route}
}

func (s *stub) seen() []signing.Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]signing.Call(nil), s.calls...)
}

// say has every call answered so.
func (s *stub) say(signed *signing.Signed, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = func(*Route, signing.Call) (*signing.Signed, error) { return signed, err }
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
	next.ExpectContinueTimeout = time.Minute // a vendor on a busy machine can take longer than a second
	t.Cleanup(next.CloseIdleConnections)
	r.Proxy = New(Options{
		Next: next, Log: slog.New(slog.NewJSONHandler(r.log, nil)), Metrics: NewMetrics(), Now: time.Now,
	}, listener)
	r.Use(config, r.stub)
	server := &http.Server{Handler: r.Proxy, ReadHeaderTimeout: time.Minute, DisableGeneralOptionsHandler: true}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return r
}

// newTLSRig starts a proxy with defaultRoutes in front of a vendor with TLS.
func newTLSRig(t *testing.T, http2 bool, answer http.HandlerFunc) *rig {
	t.Helper()
	r := newRig(t, nil)
	r.vendor = httptest.NewUnstartedServer(answer)
	r.vendor.EnableHTTP2 = http2
	r.vendor.StartTLS()
	t.Cleanup(r.vendor.Close)
	next := NewTransport()
	t.Cleanup(next.CloseIdleConnections)
	next.TLSClientConfig = r.vendor.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	r.Next = next
	return r
}

// sign is what Vault returns: a signature for one call, or headers for all of them.
func (r *rig) sign(route *Route, call signing.Call) (*signing.Signed, error) {
	if route.kind == signing.Creds {
		headers := map[string]string{"API-Token": "token of vault", "x-av-req-id": "id of vault"}
		return &signing.Signed{Headers: headers, BaseURL: r.vendor.URL}, nil
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

// logs waits until lines of the log have a text so many times.
func (r *rig) logs(t *testing.T, text string, times int) {
	t.Helper()
	eventually(t, func() bool { return strings.Count(r.log.String(), text) == times }, text)
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
func (r *rig) monitorOn(
	t *testing.T, on net.Listener, target, host string, headers ...string,
) *httptest.ResponseRecorder {
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

// status answers with statuses in turn, the last one from there on.
func status(statuses ...int) http.HandlerFunc {
	var mu sync.Mutex
	calls := 0
	return func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		calls++
		now := statuses[min(calls, len(statuses))-1]
		mu.Unlock()
		w.WriteHeader(now)
	}
}

// generated is a body of a length that is never in memory as a whole.
type generated struct{ left int64 }

func (g *generated) Read(p []byte) (int, error) {
	if g.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), g.left)
	g.left -= n
	return int(n), nil
}

// roundTrip is an http.RoundTripper in the vendors' place.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }
