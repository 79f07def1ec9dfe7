package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// newTextRig is newRig with a route that has bodies signed as texts.
func newTextRig(t *testing.T, answer http.HandlerFunc) *rig {
	t.Helper()
	r := newRig(t, answer)
	config, err := Parse("f.yml", []byte("listen: 127.0.0.1:1\nroutes:\n"+defaultRoutes+`
  /texts:
    sign: apisig/sign/custom/texts
    send: [method, request_string, body, content_type]
    allow: [GET /orders, POST /orders]
`))
	require.NoError(t, err)
	r.Use(config, r.stub)
	return r
}

// A body is signed as a text, and sent as it came. Without a body, or a Content-Type, Vault is sent none.
func TestBodiesAreSignedAsTexts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", signing.MaxBody/2)
	streams := func(text string) io.Reader { return io.MultiReader(strings.NewReader(text)) } // without a length
	for name, row := range map[string]struct {
		body       io.Reader
		headers    []string
		sent, kind any
	}{
		"a body":                      {streams("a\x00b\r\n<&>é"), nil, "a\x00b\r\n<&>é", nil},
		"with a length":               {strings.NewReader("abc"), nil, "abc", nil},
		"with a type":                 {strings.NewReader("{}"), []string{"Content-Type", "a/json"}, "{}", "a/json"},
		"a type alone":                {nil, []string{"Content-Type", "a/b"}, nil, "a/b"},
		"the longest":                 {strings.NewReader(long), nil, long, nil},
		"the longest without length":  {streams(long), nil, long, nil},
		"nothing":                     {nil, nil, nil, nil},
		"an empty one without length": {streams(""), nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newTextRig(t, status(http.StatusUnauthorized, http.StatusOK))
			require.Equal(t, http.StatusOK, r.do(t, http.MethodPost, "/texts/orders?a=b", row.body, row.headers...).StatusCode)
			want := map[string]any{"method": "POST", "request_string": "/orders?a=b", "body": row.sent, "content_type": row.kind}
			for name, value := range want {
				if value == nil {
					delete(want, name)
				}
			}
			require.Len(t, r.stub.seen(), 2, "and once more after the 401")
			for _, call := range r.stub.seen() {
				require.Equal(t, want, call.Parameters)
			}
			require.Len(t, r.vendorGot(), 2)
			for _, got := range r.vendorGot() {
				text, _ := row.sent.(string)
				require.Equal(t, text, got.body)
				kind, _ := row.kind.(string)
				require.Equal(t, kind, got.Header.Get("Content-Type"))
				require.Equal(t, int64(len(text)), got.ContentLength)
			}
			eventually(t, func() bool { return r.bodies.take(defaultBodyMemory) }, "the whole budget")
		})
	}
}

// What cannot be signed as a text is refused with a problem document that says why, and nothing is signed or sent.
func TestBodiesThatCannotBeSignedAreRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", signing.MaxBody+1)
	chunked := "Transfer-Encoding: chunked\r\n\r\n"
	const (
		large = http.StatusRequestEntityTooLarge
		wrong = http.StatusBadRequest
		typed = "Content-Length: 1\r\n\r\na"

		tooLong    = "the body is longer than 64 KiB, which is what this route can sign"
		notUTF8    = "the body is not UTF-8, so it cannot be signed as a text"
		unreadable = "the body of the request could not be read"
		cutOff     = "the body of the request broke off before its end"
		twoTypes   = "the call has more than one Content-Type"
	)
	for name, row := range map[string]struct {
		rest   string // of the request
		limit  func(*rig)
		status int
		detail string
	}{
		"too long":             {"Content-Length: 65537\r\n\r\n" + long, nil, large, tooLong},
		"announced too long":   {"Content-Length: 99999999\r\n\r\n", nil, large, tooLong},
		"chunks too long":      {chunked + "10001\r\n" + long + "\r\n0\r\n\r\n", nil, large, tooLong},
		"not UTF-8":            {"Content-Length: 2\r\n\r\na\xff", nil, wrong, notUTF8},
		"a surrogate":          {"Content-Length: 3\r\n\r\n\xed\xa0\x80", nil, wrong, notUTF8},
		"chunks not UTF-8":     {chunked + "1\r\n\xc3\r\n0\r\n\r\n", nil, wrong, notUTF8},
		"broken off":           {"Content-Length: 9\r\n\r\nbody", nil, wrong, cutOff},
		"broken off in chunks": {chunked + "4\r\nbo", nil, wrong, cutOff},
		"wrong chunks":         {chunked + "4\r\nbody\r\nnonsense\r\n", nil, wrong, unreadable},
		"two types":            {"Content-Type: a/b\r\nContent-Type: c/d\r\n" + typed, nil, wrong, twoTypes},
		"two spellings":        {"Content-Type: a/b\r\ncontent_type: c/d\r\n" + typed, nil, wrong, twoTypes},
		"slow": {
			"Content-Length: 9\r\n\r\nbody", func(r *rig) { r.whole = time.Millisecond }, http.StatusRequestTimeout,
			"the body of the request did not come in time",
		},
		"no memory": {
			"Content-Length: 9\r\n\r\nbody", func(r *rig) { r.bodies.allow(8) }, http.StatusServiceUnavailable,
			"the proxy reads too many bodies at this moment: try again",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newTextRig(t, nil)
			r.linger = time.Millisecond
			if row.limit != nil {
				row.limit(r)
			}
			connection, err := net.Dial("tcp", r.address)
			require.NoError(t, err)
			t.Cleanup(func() { _ = connection.Close() })
			require.NoError(t, connection.SetDeadline(time.Now().Add(30*time.Second)))
			_, err = io.WriteString(connection, "POST /texts/orders HTTP/1.1\r\nHost: "+r.address+"\r\n"+row.rest)
			require.NoError(t, err)
			if strings.HasPrefix(name, "broken off") {
				require.NoError(t, connection.(*net.TCPConn).CloseWrite())
			}
			response, err := http.ReadResponse(bufio.NewReader(connection), nil)
			require.NoError(t, err)
			t.Cleanup(func() { _ = response.Body.Close() })
			got := problemOf(t, reply{response})
			require.Equal(t, row.status, got.Status)
			require.Equal(t, row.detail, got.Detail)
			require.Empty(t, got.Side)
			require.Empty(t, r.stub.seen())
			require.Empty(t, r.vendorGot())
		})
	}
}

// The body of Vault's answer is sent in place of the client's, whether that is read or not, without the headers that
// are about the client's.
func TestBodyOfTheAnswerIsSent(t *testing.T) {
	t.Parallel()
	const target, streams = "/texts/orders", "/avanan/us/v1.0/event/query"
	for name, row := range map[string]struct {
		target, request string // what follows the Host
		answer          string
	}{
		"a body that is read": {target, "Content-Length: 4\r\n\r\nbody", "sig=x&a=é"},
		"a body that streams": {streams, "Content-Length: 4\r\n\r\nbody", "sig=x"},
		"a longer one":        {streams, "Content-Length: 99\r\n\r\n" + strings.Repeat("x", 99), "sig=x"},
		"chunks with trailers": {
			streams, "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 1\r\n\r\n", "sig=x",
		},
		"no body":           {target, "Content-Length: 0\r\n\r\n", "sig=x"},
		"an empty one":      {streams, "Content-Length: 4\r\n\r\nbody", ""},
		"an empty for none": {target, "Content-Length: 0\r\n\r\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newTextRig(t, nil)
			r.stub.answer = func(route *Route, call signing.Call) (*signing.Signed, error) {
				signed, err := r.sign(route, call)
				signed.Body, signed.Headers["Content-Type"] = &row.answer, "text/x-signed"
				return signed, err
			}
			response := r.raw(t, "POST "+row.target+" HTTP/1.1\r\nHost: "+r.address+
				"\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-MD5: x\r\nDigest: y\r\ncontent_type: z\r\n"+
				"X-Kept: yes\r\n"+row.request)
			if row.target == target { // two types cannot be signed
				require.Equal(t, http.StatusBadRequest, response.StatusCode)
				response = r.raw(t, "POST "+row.target+" HTTP/1.1\r\nHost: "+r.address+
					"\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nX-Kept: yes\r\n"+row.request)
			}
			require.Equal(t, http.StatusOK, response.StatusCode)
			require.Len(t, r.vendorGot(), 1)
			got := r.vendorGot()[0]
			require.Equal(t, row.answer, got.body)
			require.Equal(t, int64(len(row.answer)), got.ContentLength)
			require.Equal(t, []string{"text/x-signed"}, got.Header["Content-Type"])
			require.Equal(t, "yes", got.Header.Get("X-Kept"))
			for _, name := range []string{"Content-Encoding", "Content-Md5", "Digest", "Content_type", "Trailer"} {
				require.NotContains(t, got.Header, name)
			}
			require.Empty(t, got.trailer)
		})
	}
}

// The test call of a route whose bodies are signed has one, where its method has bodies.
func TestReadyHasABodySigned(t *testing.T) {
	t.Parallel()
	for allow, want := range map[string]map[string]any{
		"POST /a": {"request_string": "/a", "body": "{}", "content_type": "application/json"},
		"GET /a":  {"request_string": "/a"},
	} {
		t.Run(allow, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			config, err := Parse("f.yml", []byte("listen: 127.0.0.1:1\nroutes:\n  /texts: {sign: m/sign/custom/x, "+
				"send: [request_string, body, content_type], allow: ["+allow+"]}"))
			require.NoError(t, err)
			r.Use(config, r.stub)
			require.Equal(t, http.StatusOK, r.monitor(t, "/readyz").Code)
			require.Equal(t, []signing.Call{{Parameters: want}}, r.stub.seen())
		})
	}
}

// A trailer is no Content-Type: the header of that name may be signed.
func TestContentTypeIsNoTrailer(t *testing.T) {
	t.Parallel()
	r := newTextRig(t, nil)
	response := r.raw(t, "POST /avanan/us/v1.0/event/query HTTP/1.1\r\nHost: "+r.address+
		"\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Content-Type\r\n\r\n4\r\nbody\r\n0\r\n"+
		"X-Sum: 1\r\nContent-Type: text/other\r\n\r\n")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, http.Header{"X-Sum": {"1"}}, r.vendorGot()[0].trailer)
}

// After a 401 the call is sent with the body of the second answer, if the client's could be sent again.
func TestRetrySendsTheBodyOfTheSecondAnswer(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		target string
		body   io.Reader
		want   []string
	}{
		"no body":              {"/texts/orders", nil, []string{"1", "2"}},
		"a body that was read": {"/texts/orders", strings.NewReader("body"), []string{"1", "2"}},
		"a body that streams":  {"/avanan/us/v1.0/event/query", strings.NewReader("body"), []string{"1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newTextRig(t, status(http.StatusUnauthorized, http.StatusOK))
			var calls atomic.Int32
			r.stub.answer = func(route *Route, call signing.Call) (*signing.Signed, error) {
				signed, err := r.sign(route, call)
				body := strconv.Itoa(int(calls.Add(1)))
				signed.Body = &body
				return signed, err
			}
			r.do(t, http.MethodPost, row.target, row.body)
			var sent []string
			for _, got := range r.vendorGot() {
				sent = append(sent, got.body)
			}
			require.Equal(t, row.want, sent)
		})
	}
}

// The room for a text is taken before it comes, and given back.
func TestTextsAreReadWithinTheBudget(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		length, limit int64
		status        int // 0: it is read
	}{
		"with a length":               {3, 3, 0},
		"no room":                     {3, 2, http.StatusServiceUnavailable},
		"without a length":            {-1, signing.MaxBody, 0},
		"no room, without a length":   {-1, signing.MaxBody - 1, http.StatusServiceUnavailable},
		"shorter than its length":     {4, 4, http.StatusBadRequest},
		"announced longer than texts": {signing.MaxBody + 1, 1 << 30, http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &budget{limit: row.limit}
			read, text, err := b.readText(strings.NewReader("abc"), row.length)
			if row.status > 0 {
				failed, is := errors.AsType[*problem](err)
				require.True(t, is)
				require.Equal(t, row.status, failed.Status)
				require.Zero(t, b.used)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "abc", text)
			require.Equal(t, row.limit, b.used)
			read.release()
			require.Zero(t, b.used)
		})
	}
}

// A thousand clients that each hold back the end of a body take no more memory than the budget and 64 MiB, and no other
// call waits for them, with a body or without. Nothing of theirs is signed before it is whole.
func TestThousandSlowClients(t *testing.T) { //nolint:paralleltest // it measures the process's memory
	const clients, length = 1000, signing.MaxBody
	r := newTextRig(t, func(_ http.ResponseWriter, req *http.Request) { _, _ = io.Copy(io.Discard, req.Body) })
	heap := func() uint64 {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	r.whole = 5 * time.Minute // it is about memory
	runtime.GC()
	before := heap()
	head := "POST /texts/orders HTTP/1.1\r\nHost: " + r.address + "\r\nX-Unread: yes\r\nContent-Length: " +
		strconv.Itoa(length) + "\r\n\r\n"
	sent := bytes.Repeat([]byte("x"), length-1)
	var open []net.Conn
	var writing sync.WaitGroup
	for range clients {
		client, err := net.Dial("tcp", r.address)
		require.NoError(t, err)
		t.Cleanup(func() { _ = client.Close() })
		require.NoError(t, client.SetDeadline(time.Now().Add(5*time.Minute)))
		open = append(open, client)
		writing.Go(func() {
			if _, err := io.WriteString(client, head); err != nil {
				t.Error(err)
			}
			if _, err := client.Write(sent); err != nil {
				t.Error(err)
			}
		})
	}
	writing.Wait()
	eventually(t, func() bool {
		r.bodies.mu.Lock()
		defer r.bodies.mu.Unlock()
		return r.bodies.used == clients*length
	}, "all bodies are being read")
	taken := heap() - min(before, heap())
	t.Logf("heap: %d KiB before, %d KiB more", before>>10, taken>>10)
	require.Less(t, taken, uint64(defaultBodyMemory+64<<20))

	for i := range 20 {
		body := strings.Repeat("y", 4<<10)
		require.Equal(t, http.StatusOK, r.do(t, http.MethodPost, "/texts/orders", strings.NewReader(body)).StatusCode)
		require.Equal(t, http.StatusOK, r.do(t, http.MethodGet, "/pave/v1/sessions", nil).StatusCode)
		require.Len(t, r.stub.seen(), 2*(i+1), "none of the slow clients' calls is signed")
	}
	r.bodies.allow(clients * length)
	refused := r.do(t, http.MethodPost, "/texts/orders", strings.NewReader("y"))
	require.Equal(t, http.StatusServiceUnavailable, refused.StatusCode)
	require.Equal(t, "1", refused.Header.Get("Retry-After"))
	r.bodies.allow(defaultBodyMemory)

	for _, client := range open {
		_, err := io.WriteString(client, "x")
		require.NoError(t, err)
	}
	for _, client := range open {
		response, err := http.ReadResponse(bufio.NewReader(client), nil)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode)
	}
	eventually(t, func() bool { return r.bodies.take(defaultBodyMemory) }, "the whole budget")
}
