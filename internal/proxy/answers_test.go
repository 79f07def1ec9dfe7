package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

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

// After a 401 the call is signed once more, with what was rejected, and sent once more, if there is no body or it was read. A body
// that streams cannot be sent again: the client gets the 401, which is reported.
func TestOneRetryAfter401(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		method, target, body string
		second, want, calls  int
	}{
		"no body":              {http.MethodGet, "/avanan/us/v1.0/event/1", "", 200, 200, 2},
		"no body, creds":       {http.MethodGet, "/pave/v1/sessions", "", 200, 200, 2},
		"a second 401":         {http.MethodGet, "/avanan/us/v1.0/event/1", "", 401, 401, 2},
		"a body that was read": {http.MethodPost, "/hashed/upload", "body", 200, 200, 2},
		"a body that streams":  {http.MethodPost, "/avanan/us/v1.0/event/query", "body", 200, 401, 1},
	} {
		r := newRig(t, status(http.StatusUnauthorized, test.second))
		var first *signing.Signed
		r.stub.answer = func(route *Route, call signing.Call) (*signing.Signed, error) {
			signed, err := r.sign(route, call)
			if first == nil {
				first = signed
			} else if call.Rejected != first {
				t.Errorf("%s: what was rejected is not reported", name)
			}
			return signed, err
		}
		response := r.do(t, test.method, test.target, strings.NewReader(test.body))
		require.Equal(t, test.want, response.StatusCode, name)
		require.Len(t, r.stub.seen(), test.calls, name)
		require.Nil(t, r.stub.seen()[0].Rejected)
		require.Len(t, r.vendorGot(), test.calls, name)
		for _, got := range r.vendorGot() {
			require.Equal(t, test.body, got.body, name)
		}
		if test.calls == 1 {
			require.Equal(t, []*signing.Signed{first}, r.stub.rejected, name)
		} else {
			require.Empty(t, r.stub.rejected, name)
		}
	}
}

// A redirect is for the client, which it leads through the proxy if it stays below the vendor's address.
func TestLocationLeadsThroughTheProxy(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Location", req.Header.Get("X-Location"))
		w.WriteHeader(http.StatusFound)
	})
	for location, want := range map[string]string{
		"/v1.0/x?a=b#c": "/avanan/us/v1.0/x?a=b#c", "x": "/avanan/us/v1.0/event/x", "../x": "/avanan/us/v1.0/x", "?q=1": "/avanan/us/v1.0/event/1?q=1",
		r.vendor.URL + "/v1.0/a%2Fb": "/avanan/us/v1.0/a%2Fb", r.vendor.URL: "/avanan/us", strings.TrimPrefix(r.vendor.URL, "http:") + "/y": "/avanan/us/y",
		"https://elsewhere.example/v1.0/x": "https://elsewhere.example/v1.0/x", "//elsewhere.example/x": "http://elsewhere.example/x",
		strings.Replace(r.vendor.URL, "http:", "https:", 1) + "/x": strings.Replace(r.vendor.URL, "http:", "https:", 1) + "/x",
		"%zz": "%zz",
	} {
		response := r.get(t, "/avanan/us/v1.0/event/1", "X-Location: "+location+"\r\n")
		require.Equal(t, http.StatusFound, response.StatusCode)
		require.Equal(t, want, response.Header.Get("Location"), location)
	}
	require.Len(t, r.vendorGot(), 11, "no redirect is followed")
	r.stub.answer = func(*Route, signing.Call) (*signing.Signed, error) {
		return &signing.Signed{BaseURL: r.vendor.URL + "/api"}, nil
	}
	for location, want := range map[string]string{
		"/api/x": "/pave/x", "/apix": r.vendor.URL + "/apix", "/x": r.vendor.URL + "/x", r.vendor.URL + "/api/../x": r.vendor.URL + "/x",
	} {
		require.Equal(t, want, r.get(t, "/pave/v1/sessions", "X-Location: "+location+"\r\n").Header.Get("Location"), location)
	}
	signed := &signing.Signed{URL: "https://vendor.example/x?a=b&sig=s%2B&at=1", Query: map[string]string{"sig": "s+", "at": "1"}}
	to := wentTo(t, signed, "/x?a=b")
	for location, want := range map[string]string{
		"": "/x?a=b", "#f": "/x?a=b#f", signed.URL: "/x?a=b", "/y?sig=s%2B&c=d&at=1": "/y?c=d", "/y?s%69g=s": "/y",
		"https://elsewhere.example/?at=2": "https://elsewhere.example/?at=2", "/y?a=b;sig=another;c": "/y?a=b;c", "/y?at=2&n=%3Fat%3D2": "/y?n=%3Fat%3D2",
	} {
		require.Equal(t, want, to.location("", location), location)
	}
	to = wentTo(t, &signing.Signed{BaseURL: "http://vendor.example"}, "/x")
	require.Equal(t, "/y", to.location("", "http://vendor.example:80/y"))
	require.Equal(t, "http://vendor.example:443/y", to.location("", "http://vendor.example:443/y"))
	to = wentTo(t, &signing.Signed{BaseURL: "https://vendor.example"}, "/x")
	require.NotEqual(t, "//evil.example/", to.location("", "https://vendor.example//evil.example/"))
	require.Equal(t, "/y", to.location("", "https://vendor.example:443/y"))
	require.Equal(t, "/", to.location("", "https://vendor.example"))
}

// wentTo is where a call goes for which Vault answered so.
func wentTo(t *testing.T, signed *signing.Signed, requestString string) *upstream {
	t.Helper()
	path, query, _ := strings.Cut(requestString, "?")
	to, err := signed.Target(&url.URL{Opaque: path, RawQuery: query})
	require.NoError(t, err)
	return upstreamOf(&http.Request{URL: to}, requestString, signed.Query)
}

// An error says which side failed, and nothing else.
func TestProblemSaysWhichSideFailed(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for vault, want := range map[error]int{
		&signing.Failure{Reason: "canary"}: 502, &signing.Failure{Status: 400, Reason: "canary"}: 502, &signing.Failure{Status: 403, Reason: "canary"}: 502, &signing.Failure{Status: 404, Reason: "canary"}: 502,
		&signing.Failure{Status: 429, Reason: "canary"}: 503, &signing.Failure{Status: 500, Reason: "canary"}: 502, &signing.Failure{Status: 502, Reason: "canary"}: 502, &signing.Failure{Status: 503, Reason: "canary"}: 503,
		&signing.Failure{Status: 412, Reason: "canary"}: 503, errors.New("canary"): 502,
	} {
		r.stub.mu.Lock()
		r.stub.answer = func(*Route, signing.Call) (*signing.Signed, error) { return nil, vault }
		r.stub.mu.Unlock()
		response := r.get(t, "/avanan/us/v1.0/event/1")
		require.Equal(t, want, response.StatusCode, vault)
		require.Equal(t, map[bool]string{true: "1"}[want == 503], response.Header.Get("Retry-After"))
		got := problemOf(t, response)
		require.Equal(t, "vault", got.Side)
		require.NotContains(t, got.Detail, "canary")
		require.Contains(t, r.log.String(), "canary", "why is in the log")
	}
	require.Empty(t, r.vendorGot())
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	nonsense, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = nonsense.Close() })
	go func() {
		for {
			connection, err := nonsense.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(connection, "nonsense-canary\r\n\r\n")
			_ = connection.Close()
		}
	}()
	for _, address := range []string{"http://" + closed.Addr().String(), "http://" + nonsense.Addr().String(), strings.Replace(r.vendor.URL, "http:", "https:", 1), "http://name.invalid"} {
		r.stub.mu.Lock()
		r.stub.answer = func(*Route, signing.Call) (*signing.Signed, error) { return &signing.Signed{BaseURL: address}, nil }
		r.stub.mu.Unlock()
		response := r.get(t, "/pave/v1/sessions")
		require.Equal(t, http.StatusBadGateway, response.StatusCode, address)
		require.Equal(t, problem{Type: "about:blank", Title: "Bad Gateway", Status: 502, Side: "vendor", Detail: "the vendor did not answer"}, problemOf(t, response))
	}
	require.NotContains(t, r.log.String(), "nonsense-canary")
}

// A vendor that is slow to answer is 504.
func TestSlowVendorIs504(t *testing.T) {
	t.Parallel()
	let := make(chan struct{})
	r := newRig(t, func(http.ResponseWriter, *http.Request) { <-let })
	t.Cleanup(func() { close(let) })
	next := NewTransport()
	require.Positive(t, next.ResponseHeaderTimeout)
	next.ResponseHeaderTimeout = time.Millisecond
	r.reverse.Transport.(*transport).next = next
	response := r.get(t, "/avanan/us/v1.0/event/1")
	require.Equal(t, http.StatusGatewayTimeout, response.StatusCode)
	require.Equal(t, "vendor", problemOf(t, response).Side)
}

// No log line has a query, a header, a body, or what Vault returned.
func TestLogHasNoQueriesHeadersOrBodies(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Canary", "canary")
		_, _ = io.WriteString(w, "canary")
	})
	r.stub.answer = func(*Route, signing.Call) (*signing.Signed, error) {
		return &signing.Signed{Headers: map[string]string{"X-Canary": "canary"}, BaseURL: r.vendor.URL}, nil
	}
	require.Equal(t, 200, r.do(t, http.MethodPost, "/pave/v1/sessions?canary=canary", strings.NewReader("canary"), "X-Canary", "canary").StatusCode)
	require.Equal(t, 403, r.do(t, http.MethodPost, "/pave/v1/canary?canary", strings.NewReader("canary")).StatusCode)
	require.Equal(t, 400, r.get(t, "/pave/v1/sessions?canary;").StatusCode)
	eventually(t, func() bool { return strings.Count(r.log.String(), `"msg":"request"`) == 3 }, "three lines")
	require.NotContains(t, r.log.String(), "canary")
	for line := range strings.Lines(r.log.String()) {
		require.Regexp(t, `^\{"time":.*"method":"(GET|POST)","ms":\d+,"route":"/pave","status":\d+.*\}\n$`, line)
	}
}

// A warning of Vault's is logged once, and again after an answer without it.
func TestWarningsOfVaultAreLoggedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for i, warnings := range [][]string{{"stale"}, {"stale"}, nil, {"stale"}, {"stale", "other"}} {
		r.stub.mu.Lock()
		r.stub.answer = func(route *Route, call signing.Call) (*signing.Signed, error) {
			signed, err := r.sign(route, call)
			signed.Warnings = warnings
			return signed, err
		}
		r.stub.mu.Unlock()
		require.Equal(t, http.StatusOK, r.get(t, "/avanan/us/v1.0/event/1").StatusCode)
		require.Equal(t, []int{1, 1, 1, 2, 3}[i], strings.Count(r.log.String(), `"warning":"stale"`))
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

// A GiB up and a GiB down pass with flat memory.
func TestMemoryIsFlatWithAGiBBothWays(t *testing.T) { //nolint:paralleltest // it measures the process's memory
	if testing.Short() {
		t.Skip("moves two GiB")
	}
	const gib = 1 << 30
	var peak uint64
	measure := func() {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		peak = max(peak, stats.HeapAlloc)
	}
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		got, err := io.Copy(io.Discard, req.Body)
		if err != nil || got != gib {
			t.Errorf("%d bytes came: %v", got, err)
		}
		measure()
		_, _ = io.Copy(w, &generated{gib})
	})
	runtime.GC()
	measure()
	before := peak
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.address+"/avanan/us/v1.0/event/query", &generated{gib})
	require.NoError(t, err)
	request.Header.Set("X-Unread", "yes") // by the rig: the vendor above reads it
	response, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	defer response.Body.Close()
	var got int64
	for buffer := make([]byte, 1<<20); ; {
		n, err := response.Body.Read(buffer)
		got += int64(n)
		if got%(64<<20) < int64(n) {
			measure()
		}
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
	}
	require.Equal(t, int64(gib), got)
	t.Logf("heap: %d KiB before, at most %d KiB", before>>10, peak>>10)
	require.Less(t, peak, before+16<<20)
}

// The second attempt has only the headers of the second answer. The config may have changed meanwhile: the first answer's headers may
// be for another vendor.
func TestRetryDropsRejectedHeaders(t *testing.T) {
	t.Parallel()
	r := newRig(t, status(http.StatusUnauthorized, http.StatusOK))
	r.stub.answer = func(_ *Route, call signing.Call) (*signing.Signed, error) {
		name := "x-first"
		if call.Rejected != nil {
			name = "x-second"
		}
		return &signing.Signed{Headers: map[string]string{name: "of vault"}, BaseURL: r.vendor.URL}, nil
	}
	require.Equal(t, http.StatusOK, r.do(t, http.MethodGet, "/pave/v1/sessions", nil, "X-Other", "kept").StatusCode)
	first, second := r.vendorGot()[0].Header, r.vendorGot()[1].Header
	require.Equal(t, "of vault", first.Get("x-first"))
	require.Empty(t, second.Values("x-first"))
	require.Equal(t, "of vault", second.Get("x-second"))
	require.Equal(t, "kept", second.Get("x-other"))
}

// A vendor may answer 401 before it has read the body. The call is sent again while the first is still being written.
func TestRetryWhileTheFirstCallIsBeingSent(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("x", 1<<20)
	var calls atomic.Int64
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		if calls.Add(1) == 1 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		got, err := io.ReadAll(req.Body)
		if err != nil || string(got) != body {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	require.Equal(t, http.StatusOK, r.do(t, http.MethodPost, "/hashed/upload", strings.NewReader(body)).StatusCode)
	require.EqualValues(t, 2, calls.Load())
}

// Each part of an answer reaches the client when the vendor sends it, and each part of a body reaches the vendor.
func TestBodiesStream(t *testing.T) {
	t.Parallel()
	step := make(chan string)
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("X-Unread") != "" {
			part := make([]byte, 5)
			_, _ = io.ReadFull(req.Body, part)
			step <- string(part)
			_, _ = io.Copy(io.Discard, req.Body)
		}
		w.Header().Set("Content-Length", "6") // what has no length is always flushed
		_, _ = io.WriteString(w, "one")
		_ = http.NewResponseController(w).Flush()
		<-step
		_, _ = io.WriteString(w, "two")
	})
	response := r.get(t, "/avanan/us/v1.0/event/1")
	part := make([]byte, 3)
	_, err := io.ReadFull(response.Body, part)
	require.NoError(t, err)
	require.Equal(t, "one", string(part))
	step <- "go on"
	rest, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "two", string(rest))

	body, writer := io.Pipe()
	done := make(chan *http.Response)
	go func() {
		request, _ := http.NewRequest(http.MethodPost, "http://"+r.address+"/avanan/us/v1.0/event/query", body) //nolint:noctx // ends with the body
		request.Header.Set("X-Unread", "yes")
		response, err := http.DefaultTransport.RoundTrip(request) //nolint:bodyclose // the test closes it
		if err != nil {
			t.Error(err)
		}
		done <- response
	}()
	_, err = io.WriteString(writer, "first")
	require.NoError(t, err)
	require.Equal(t, "first", <-step, "the vendor has the first part while the client still sends")
	require.NoError(t, writer.Close())
	last := <-done
	defer last.Body.Close()
	step <- "go on"
	rest, err = io.ReadAll(last.Body)
	require.NoError(t, err)
	require.Equal(t, "onetwo", string(rest))
}

// A client that goes away ends the call to the vendor, and one that waits for Vault.
func TestClientThatGoesAwayEndsTheCall(t *testing.T) {
	t.Parallel()
	arrived, ended := make(chan struct{}), make(chan struct{})
	r := newRig(t, func(_ http.ResponseWriter, req *http.Request) {
		close(arrived)
		<-req.Context().Done()
		close(ended)
	})
	connection, err := net.Dial("tcp", r.address)
	require.NoError(t, err)
	_, err = io.WriteString(connection, "GET /avanan/us/v1.0/event/1 HTTP/1.1\r\nHost: "+r.address+"\r\n\r\n")
	require.NoError(t, err)
	<-arrived
	require.NoError(t, connection.Close())
	<-ended
	eventually(t, func() bool { return strings.Contains(r.log.String(), `"status":499,"reason":"the client went away"`) }, "a line in the log")
	require.NotContains(t, r.log.String(), "vendor did not answer")

	asked, left := make(chan struct{}), make(chan struct{})
	r.stub.waits = func(ctx context.Context) {
		close(asked)
		<-ctx.Done()
		close(left)
	}
	connection, err = net.Dial("tcp", r.address)
	require.NoError(t, err)
	_, err = io.WriteString(connection, "GET /avanan/us/v1.0/event/1 HTTP/1.1\r\nHost: "+r.address+"\r\n\r\n")
	require.NoError(t, err)
	<-asked
	require.NoError(t, connection.Close())
	<-left
	eventually(t, func() bool { return strings.Count(r.log.String(), "the client went away") == 2 }, "another line in the log")
	require.Len(t, r.vendorGot(), 1)
}

// A vendor that breaks off in the middle of an answer is a broken answer for the client, not a short one.
func TestBrokenAnswerIsNotAShortOne(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "part")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	response := r.get(t, "/avanan/us/v1.0/event/1")
	_, err := io.ReadAll(response.Body)
	require.Error(t, err)
	eventually(t, func() bool { return strings.Contains(r.log.String(), "the connection broke during the answer") }, "a line in the log")
}

// A client that expects 100 gets it when the vendor gives it, and a refusal without sending its body.
func TestExpect100Continue(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for target, want := range map[string][]string{
		"/avanan/us/v1.0/event/query": {"HTTP/1.1 100 Continue", "HTTP/1.1 200 OK"}, "/avanan/us/v1.0/action": {"HTTP/1.1 403 Forbidden"},
		"/hashed/upload": {"HTTP/1.1 100 Continue", "HTTP/1.1 200 OK"},
	} {
		connection, err := net.Dial("tcp", r.address)
		require.NoError(t, err)
		t.Cleanup(func() { _ = connection.Close() })
		_, err = io.WriteString(connection, "POST "+target+" HTTP/1.1\r\nHost: "+r.address+"\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
		require.NoError(t, err)
		reader := bufio.NewReader(connection)
		for i, status := range want {
			line, err := reader.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, status, strings.TrimSpace(line), target)
			if i == 0 && len(want) > 1 {
				line, err = reader.ReadString('\n')
				require.NoError(t, err)
				require.Empty(t, strings.TrimSpace(line))
				_, err = io.WriteString(connection, "body")
				require.NoError(t, err)
			}
		}
	}
	for _, got := range r.vendorGot() {
		require.Equal(t, "body", got.body)
	}
	require.Len(t, r.vendorGot(), 2)
}

// A vendor that answers a call without its body, which the client holds back, is answered without it.
func TestExpectedRefusalNeedsNoBody(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	refused := r.raw(t, "POST /avanan/us/v1.0/event/query HTTP/1.1\r\nHost: "+r.address+
		"\r\nContent-Length: 4\r\nX-Unread: yes\r\nExpect: 100-continue\r\n\r\n")
	require.Equal(t, http.StatusForbidden, refused.StatusCode)
	require.Equal(t, "100-continue", r.vendorGot()[0].Header.Get("Expect"))
}

// Trailers of the vendor reach the client.
func TestTrailersOfTheVendorPass(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", "sum")
	})
	response := r.do(t, http.MethodGet, "/avanan/us/v1.0/event/1", nil)
	_, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "sum", response.Trailer.Get("X-Sum"))
}

// Compressed answers pass as they are, and the vendor is asked only for what the client asks for.
func TestBodiesAreNotDecompressed(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "not really gzip")
	})
	response := r.get(t, "/avanan/us/v1.0/event/1")
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "not really gzip", string(body))
	require.Equal(t, "gzip", response.Header.Get("Content-Encoding"))
	require.Empty(t, r.vendorGot()[0].Header["Accept-Encoding"])
	require.Empty(t, r.vendorGot()[0].Header["User-Agent"])
}

// A vendor that changes protocol unasked is refused.
func TestVendorCannotSwitchProtocols(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		w.WriteHeader(http.StatusSwitchingProtocols)
	})
	response := r.get(t, "/avanan/us/v1.0/event/1")
	require.Equal(t, http.StatusBadGateway, response.StatusCode)
	require.Equal(t, "vendor", problemOf(t, response).Side)
}

// Over HTTP/2 too, the vendor gets the bytes of the client.
func TestBytesOfTheClientPassOverHTTP2(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	got := make(chan string, 1)
	vendor := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		got <- fmt.Sprint(req.Proto, " ", req.Host, " ", req.RequestURI, " ", req.Header.Get("x-av-sig"))
	}))
	vendor.EnableHTTP2 = true
	vendor.StartTLS()
	t.Cleanup(vendor.Close)
	next := NewTransport()
	next.TLSClientConfig = vendor.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	t.Cleanup(next.CloseIdleConnections)
	r.reverse.Transport.(*transport).next = next
	r.stub.answer = func(_ *Route, call signing.Call) (*signing.Signed, error) {
		return &signing.Signed{Headers: map[string]string{"x-av-sig": "sig"}, URL: vendor.URL + "/base" + fmt.Sprint(call.Parameters["request_string"])}, nil
	}
	const target = `/v1.0/event/%41"{}?a=%7e&&b`
	require.Equal(t, http.StatusOK, r.get(t, "/avanan/us"+target).StatusCode)
	require.Equal(t, "HTTP/2.0 "+strings.TrimPrefix(vendor.URL, "https://")+" /base"+target+" sig", <-got)
}

// A thousand requests at once all get their own answer.
func TestThousandConcurrentRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) { _, _ = io.WriteString(w, req.URL.Path) })
	next := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(next.CloseIdleConnections)
	var calls sync.WaitGroup
	for i := range 1000 {
		calls.Go(func() {
			want := fmt.Sprint("/v1.0/event/", i)
			request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.address+"/avanan/us"+want, http.NoBody)
			response, err := next.RoundTrip(request)
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			if got, err := io.ReadAll(response.Body); err != nil || string(got) != want {
				t.Errorf("%q %v", got, err)
			}
		})
	}
	calls.Wait()
}

// On a unix socket any Host passes: no web page can reach one.
func TestUnixSocketTakesAnyHost(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.hosts = nil
	recorder := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/avanan/us/v1.0/event/1", http.NoBody)
	request.Host = "anything"
	r.ServeHTTP(recorder, request)
	require.Equal(t, http.StatusOK, recorder.Code)
}

// The metrics show routes, methods, statuses and times.
func TestMetricsShowRoutesMethodsAndStatuses(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.get(t, "/avanan/us/v1.0/event/1?canary")
	r.get(t, "/canary")
	r.raw(t, "CANARY /pave/v1/sessions HTTP/1.1\r\nHost: "+r.address+"\r\n\r\n")
	r.stub.mu.Lock()
	r.stub.answer = func(*Route, signing.Call) (*signing.Signed, error) { return nil, &signing.Failure{Status: 403, Reason: "denied"} }
	r.stub.mu.Unlock()
	r.get(t, "/pave/v1/sessions")
	scrape := func() string {
		return r.monitor(t, "/metrics").Body.String()
	}
	eventually(t, func() bool { return strings.Count(scrape(), "apisig_proxy_requests_total{") == 4 }, "four series")
	for _, line := range []string{
		`apisig_proxy_requests_total{method="GET",route="/avanan/us",status="200"} 1`, `apisig_proxy_requests_total{method="GET",route="",status="404"} 1`,
		`apisig_proxy_requests_total{method="other",route="/pave",status="403"} 1`, `apisig_proxy_requests_total{method="GET",route="/pave",status="502"} 1`,
		`apisig_proxy_signing_failures_total{route="/pave"} 1`, `apisig_proxy_signing_seconds_count{route="/avanan/us"} 1`,
		`apisig_proxy_upstream_seconds_count{route="/avanan/us"} 1`,
	} {
		require.Contains(t, scrape(), line)
	}
	require.NotContains(t, strings.ToLower(scrape()), "canary")
}

// No web page can read the metrics. On loopback, a request must name the address that the listener has; elsewhere, the proxy's names are
// not known.
func TestMetricsAreNotForWebPages(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	port := r.address[strings.LastIndex(r.address, ":"):]
	everywhere, err := net.Listen("tcp", ":0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = everywhere.Close() })
	for name, test := range map[string]struct {
		on      net.Listener
		host    string
		headers []string
		want    int
	}{
		"its address":                {r.listens, r.address, nil, http.StatusOK},
		"localhost":                  {r.listens, "localhost" + port, nil, http.StatusOK},
		"a name of somebody's":       {r.listens, "evil.example" + port, nil, http.StatusForbidden},
		"another port":               {r.listens, "127.0.0.1:1", nil, http.StatusForbidden},
		"a page":                     {r.listens, r.address, []string{"Origin", "https://evil.example"}, http.StatusForbidden},
		"a page of the same site":    {r.listens, r.address, []string{"Sec-Fetch-Site", "same-site"}, http.StatusForbidden},
		"typed into a browser":       {r.listens, r.address, []string{"Sec-Fetch-Site", "none"}, http.StatusOK},
		"everywhere, by a name":      {everywhere, "proxy.example:9410", nil, http.StatusOK},
		"everywhere, a page":         {everywhere, "proxy.example:9410", []string{"Origin", "null"}, http.StatusForbidden},
		"everywhere, a page's image": {everywhere, "proxy.example:9410", []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
	} {
		for _, target := range []string{"/metrics", "/healthz", "/readyz"} {
			require.Equal(t, test.want, r.monitorOn(t, test.on, target, test.host, test.headers...).Code, "%s %s", name, target)
		}
	}
}

// Ready means that Vault answers and signs for every route. Many probes are one, for five seconds.
func TestReadyMeansThatVaultSigns(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	now := time.Now()
	var mu sync.Mutex
	r.Now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	ready := func() (int, string) {
		recorder := r.monitor(t, "/readyz")
		return recorder.Code, recorder.Body.String()
	}
	code, text := ready()
	require.Equal(t, 200, code, text)
	seen := r.stub.seen()
	require.Len(t, seen, 3)
	require.Contains(t, seen, signing.Call{Parameters: map[string]any{"request_string": "/v1.0/event/0"}})
	require.Contains(t, seen, signing.Call{Parameters: map[string]any{
		// printf '' | sha256sum
		"method": "POST", "request_string": "/upload", "body_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	}})
	require.Empty(t, r.vendorGot())
	r.stub.health = errors.New("canary")
	code, _ = ready()
	require.Equal(t, 200, code, "the answer is kept for a while")
	later := func() {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(readyFor)
	}
	later()
	code, text = ready()
	require.Equal(t, 503, code)
	require.Equal(t, "Vault does not answer, or is sealed\n", text)
	r.stub.health = nil
	r.stub.mu.Lock()
	r.stub.answer = func(*Route, signing.Call) (*signing.Signed, error) { return nil, &signing.Failure{Status: 403, Reason: "canary"} }
	r.stub.mu.Unlock()
	later()
	code, text = ready()
	require.Equal(t, 503, code)
	require.Regexp(t, "^Vault does not sign for the route /", text)
	require.NotContains(t, text, "canary")
	require.Equal(t, 200, r.monitor(t, "/healthz").Code)
}
