package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// What is signed, sent and compared is one string: the path and query as the client sent them, byte for byte.
func TestSignedAndSentAreTheBytesOfTheClient(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]string{
		"plain":                 "/v1.0/event/1",
		"an order":              "/v1.0/event/1?b=2&a=1",
		"small escapes":         "/v1.0/event/a%C3%bc",
		"raw characters":        `/v1.0/event/a"b<c>|^` + "`{}",
		"needless escapes":      "/v1.0/event/%41?x=%7e&y=+&&z",
		"delimiters":            "/v1.0/event/a:b@c!$&'()*+=~",
		"dots in a query":       "/v1.0/event/1?a=/../b&c=??d",
		"a slash at the end":    "/v1.0/files/a/b/",
		"raw ones in the query": "/v1.0/event/1?q='\"<>`{}|^",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			require.Equal(t, http.StatusOK, r.get(t, "/avanan/us"+target).StatusCode)
			got := r.vendorGot()[0]
			require.Equal(t, target, got.RequestURI)
			require.Equal(t, strings.TrimPrefix(r.vendor.URL, "http://"), got.Host)
			require.Equal(t, "signature of vault", got.Header.Get("x-av-sig"))
			require.Equal(t, map[string]any{"request_string": target}, r.stub.seen()[0].Parameters)
		})
	}
	t.Run("creds", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		require.Equal(t, http.StatusOK, r.get(t, "/pave/v1/sessions?a=%2F").StatusCode)
		require.Equal(t, "/v1/sessions?a=%2F", r.vendorGot()[0].RequestURI)
		require.Empty(t, r.stub.seen()[0].Parameters)
	})
}

// send names what Vault is sent. A body that is hashed is read first, up to 10 MiB.
func TestSendNamesParameters(t *testing.T) {
	t.Parallel()
	streams := func(text string) io.Reader { return io.MultiReader(strings.NewReader(text)) } // without a length
	long := strings.Repeat("x", 10<<20)
	for name, row := range map[string]struct {
		body io.Reader
		sent string // "": too long
		sum  string // "": not looked at
	}{
		// echo -n abc | sha256sum
		"a body": {
			streams("abc"), "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		},
		"with a length": {
			strings.NewReader("abc"), "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		},
		"the longest":                   {strings.NewReader(long), long, ""},
		"the longest, without a length": {streams(long), long, ""},
		"too long":                      {strings.NewReader(long + "x"), "", ""},
		"too long, without a length":    {io.MultiReader(strings.NewReader(long), strings.NewReader("x")), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			response := r.do(t, http.MethodPost, "/hashed/upload?a=b", row.body)
			if row.sent == "" {
				require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
				require.Empty(t, problemOf(t, response).Side)
				require.Empty(t, r.stub.seen())
				require.Empty(t, r.vendorGot())
				return
			}
			require.Equal(t, http.StatusOK, response.StatusCode)
			got, parameters := r.vendorGot()[0], r.stub.seen()[0].Parameters
			require.Equal(t, row.sent, got.body)
			require.Equal(t, int64(len(row.sent)), got.ContentLength)
			if row.sum != "" {
				want := map[string]any{"method": "POST", "request_string": "/upload?a=b", "body_sha256": row.sum}
				require.Equal(t, want, parameters)
			}
		})
	}
	t.Run("no body", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		require.Equal(t, http.StatusOK, r.do(t, http.MethodPost, "/hashed/upload", nil).StatusCode)
		// echo -n | sha256sum
		const want = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
		require.Equal(t, want, r.stub.seen()[0].Parameters["body_sha256"])
	})
	t.Run("announced too long", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		announced := r.raw(t, "POST /hashed/upload HTTP/1.1\r\nHost: "+r.address+"\r\nContent-Length: 99999999\r\n\r\n")
		require.Equal(t, http.StatusRequestEntityTooLarge, announced.StatusCode, "without reading it")
		require.Empty(t, r.stub.seen())
		require.Empty(t, r.vendorGot())
	})
}

// An answer of Vault's that is for another call is 502, and nothing is sent.
func TestAnswerForAnotherCallIs502(t *testing.T) {
	t.Parallel()
	const call = "/v1.0/event/1?a=b"
	type query = map[string]string
	for name, row := range map[string]struct {
		url, base string // a url that begins with / is below the vendor's address
		query     query
	}{
		"another path":                 {"/v1.0/event/2?a=b", "", nil},
		"no query":                     {"/v1.0/event/1", "", nil},
		"a longer query":               {call + "&c=d", "", nil},
		"another case":                 {"/v1.0/event/1?a=B", "", nil},
		"another spelling":             {"/v1.0/event/%31?a=b", "", nil},
		"in a query's value":           {"/x?y=" + call, "", nil},
		"in a query":                   {"/x?" + call, "", nil},
		"in a fragment":                {"#" + call, "", nil},
		"no address":                   {":" + call, "", nil},
		"no HTTP":                      {"ftp://x" + call, "", nil},
		"a user":                       {"http://u@x" + call, "", nil},
		"nothing":                      {"", "", nil},
		"a url beside its base":        {call, "http://other.example", nil},
		"a base that is none":          {"", "nonsense", nil},
		"a base with a query":          {"", "http://vendor.example?x", nil},
		"fewer than were appended":     {call + "&c=d", "", query{"c": "d", "e": "f"}},
		"another value than appended":  {call + "&c=d", "", query{"c": "e"}},
		"appended, and not there":      {call, "", query{"c": "d"}},
		"more than were appended":      {call + "&c=d&e=f", "", query{"c": "d"}},
		"appended as another query":    {call + "?c=d", "", query{"c": "d"}},
		"appended twice":               {call + "&c=d&c=d", "", query{"c": "d"}},
		"appended, for another path":   {"/v1.0/event/2?a=b&c=d", "", query{"c": "d"}},
		"appended, and an empty one":   {call + "&c=d&", "", query{"c": "d"}},
		"appended to a query's value":  {"/x?y=" + call + "&c=d", "", query{"c": "d"}},
		"appended before what is sent": {"/v1.0/event/1?c=d&a=b", "", query{"c": "d"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			signed := &signing.Signed{URL: row.url, BaseURL: row.base, Query: row.query}
			switch {
			case strings.HasPrefix(row.url, "/"), strings.HasPrefix(row.url, "#"):
				signed.URL = r.vendor.URL + row.url
			case strings.HasPrefix(row.url, ":"):
				signed.URL = row.url[1:]
			}
			r.stub.say(signed, nil)
			response := r.get(t, "/avanan/us"+call)
			require.Equal(t, http.StatusBadGateway, response.StatusCode)
			require.Equal(t, "vault", problemOf(t, response).Side)
			require.Empty(t, r.vendorGot())
		})
	}
}

// Parameters that Vault appended are sent after the client's, as Vault spells them.
func TestAppendedParametersAreSent(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stub.say(&signing.Signed{
		URL:     r.vendor.URL + "/base/v1.0/event/1?a=b&sig=x%2F+y&n=1",
		BaseURL: r.vendor.URL + "/base/",
		Query:   map[string]string{"sig": "x/ y", "n": "1"},
	}, nil)
	require.Equal(t, http.StatusOK, r.get(t, "/avanan/us/v1.0/event/1?a=b").StatusCode)
	require.Equal(t, "/base/v1.0/event/1?a=b&sig=x%2F+y&n=1", r.vendorGot()[0].RequestURI)
}

// Where an answer has no url, the call goes below its base_url.
func TestCredsCallsGoBelowTheBaseURL(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stub.answer = func(*Route, signing.Call) (*signing.Signed, error) {
		headers := map[string]string{"Authorization": "Bearer vault"}
		return &signing.Signed{Headers: headers, BaseURL: r.vendor.URL + "/app/hec-api/"}, nil
	}
	require.Equal(t, http.StatusOK, r.get(t, "/pave/v1/sessions?x=y", "Authorization: Bearer client\r\n").StatusCode)
	require.Equal(t, "/app/hec-api/v1/sessions?x=y", r.vendorGot()[0].RequestURI)
	require.Equal(t, []string{"Bearer vault"}, r.vendorGot()[0].Header["Authorization"])
}

// After a 401 the call is signed once more, with what was rejected, and sent once more, if there is no body or it was
// read. A body that streams cannot be sent again: the client gets the 401, which is reported.
func TestOneRetryAfter401(t *testing.T) {
	t.Parallel()
	const get, post = http.MethodGet, http.MethodPost
	for name, row := range map[string]struct {
		method, target, body string
		second, want, calls  int
	}{
		"no body":              {get, "/avanan/us/v1.0/event/1", "", 200, 200, 2},
		"no body, creds":       {get, "/pave/v1/sessions", "", 200, 200, 2},
		"a second 401":         {get, "/avanan/us/v1.0/event/1", "", 401, 401, 2},
		"a body that was read": {post, "/hashed/upload", "body", 200, 200, 2},
		"a body that streams":  {post, "/avanan/us/v1.0/event/query", "body", 200, 401, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, status(http.StatusUnauthorized, row.second))
			var first *signing.Signed
			r.stub.answer = func(route *Route, call signing.Call) (*signing.Signed, error) {
				signed, err := r.sign(route, call)
				if first == nil {
					first = signed
				} else if call.Rejected != first {
					t.Error("what was rejected is not reported")
				}
				return signed, err
			}
			response := r.do(t, row.method, row.target, strings.NewReader(row.body))
			require.Equal(t, row.want, response.StatusCode)
			require.Len(t, r.stub.seen(), row.calls)
			require.Nil(t, r.stub.seen()[0].Rejected)
			require.Len(t, r.vendorGot(), row.calls)
			for _, got := range r.vendorGot() {
				require.Equal(t, row.body, got.body)
			}
			r.logs(t, `"msg":"request"`, 1)
			if row.calls == 1 {
				require.Equal(t, []*signing.Signed{first}, r.stub.rejected)
				require.NotContains(t, r.log.String(), "retried")
				return
			}
			require.Empty(t, r.stub.rejected)
			require.Contains(t, r.log.String(), `"retried":true`)
		})
	}
}

// The second attempt has only the headers of the second answer. The config may have changed meanwhile: the first
// answer's headers may be for another vendor.
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

// A vendor that is slow to answer is 504.
func TestSlowVendorIs504(t *testing.T) {
	t.Parallel()
	let := make(chan struct{})
	r := newRig(t, func(http.ResponseWriter, *http.Request) { <-let })
	t.Cleanup(func() { close(let) })
	next := NewTransport()
	require.Positive(t, next.ResponseHeaderTimeout)
	next.ResponseHeaderTimeout = time.Millisecond
	r.Next = next
	response := r.get(t, "/avanan/us/v1.0/event/1")
	require.Equal(t, http.StatusGatewayTimeout, response.StatusCode)
	require.Equal(t, "vendor", problemOf(t, response).Side)
}

// A vendor that cannot be reached is 502, whether the body of the call streams or was read.
func TestVendorThatCannotBeReachedIs502(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]string{
		"a body that streams":  "/avanan/us/v1.0/event/query",
		"a body that was read": "/hashed/upload",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.vendor.Close()
			response := r.do(t, http.MethodPost, target, strings.NewReader("body"))
			require.Equal(t, http.StatusBadGateway, response.StatusCode)
			require.Equal(t, "vendor", problemOf(t, response).Side)
			r.logs(t, `"status":502,"reason":"could not connect","side":"vendor"`, 1)
		})
	}
}

// A vendor that switches protocols is 502, and its connection is closed.
func TestVendorThatSwitchesProtocolsIs502(t *testing.T) {
	t.Parallel()
	closed := make(chan error, 1)
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			defer connection.Close()
			_, err = io.WriteString(connection, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
		}
		if err == nil {
			_, err = connection.Read(make([]byte, 1))
		}
		closed <- err
	})
	response := r.get(t, "/avanan/us/v1.0/event/1")
	require.Equal(t, http.StatusBadGateway, response.StatusCode)
	require.Equal(t, "vendor", problemOf(t, response).Side)
	select {
	case err := <-closed:
		require.ErrorIs(t, err, io.EOF)
	case <-time.After(30 * time.Second):
		require.Fail(t, "the connection is still open")
	}
	r.logs(t, "the vendor switched protocols", 1)
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
		target := "http://" + r.address + "/avanan/us/v1.0/event/query"
		request, _ := http.NewRequest(http.MethodPost, target, body) //nolint:noctx // ends with the body
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
	r.logs(t, `"status":499,"reason":"the client went away"`, 1)
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
	r.logs(t, "the client went away", 2)
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
	r.logs(t, "the connection broke during the answer", 1)
}

// A client that expects 100 gets it when the vendor gives it, and a refusal without sending its body.
func TestExpect100Continue(t *testing.T) {
	t.Parallel()
	passes := []string{"HTTP/1.1 100 Continue", "HTTP/1.1 200 OK"}
	for name, row := range map[string]struct {
		target string
		want   []string // status lines
	}{
		"streaming":  {"/avanan/us/v1.0/event/query", passes},
		"read first": {"/hashed/upload", passes},
		"refused":    {"/avanan/us/v1.0/action", []string{"HTTP/1.1 403 Forbidden"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			connection, err := net.Dial("tcp", r.address)
			require.NoError(t, err)
			t.Cleanup(func() { _ = connection.Close() })
			_, err = io.WriteString(connection, "POST "+row.target+" HTTP/1.1\r\nHost: "+r.address+
				"\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
			require.NoError(t, err)
			reader := bufio.NewReader(connection)
			for i, status := range row.want {
				line, err := reader.ReadString('\n')
				require.NoError(t, err)
				require.Equal(t, status, strings.TrimSpace(line))
				if i == 0 && len(row.want) > 1 {
					line, err = reader.ReadString('\n')
					require.NoError(t, err)
					require.Empty(t, strings.TrimSpace(line))
					_, err = io.WriteString(connection, "body")
					require.NoError(t, err)
				}
			}
			require.Len(t, r.vendorGot(), len(row.want)-1)
			for _, got := range r.vendorGot() {
				require.Equal(t, "body", got.body)
			}
		})
	}
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
	r.Next = next
	r.stub.answer = func(_ *Route, call signing.Call) (*signing.Signed, error) {
		to := vendor.URL + "/base" + fmt.Sprint(call.Parameters["request_string"])
		return &signing.Signed{Headers: map[string]string{"x-av-sig": "sig"}, URL: to}, nil
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
			target := "http://" + r.address + "/avanan/us" + want
			request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
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
