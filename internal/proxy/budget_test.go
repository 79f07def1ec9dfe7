package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// Sixty clients that each hold back the end of a body of 10 MiB take no more memory than the budget. Those that it has
// no room for are asked to try again. When the others end, there is room again.
func TestHeldBackBodiesStayWithinTheBudget(t *testing.T) { //nolint:paralleltest // it measures the process's memory
	const clients, fit, length = 60, 6, 10 << 20 // six are 60 MiB, of the 64 MiB that are the default
	r := newRig(t, func(_ http.ResponseWriter, req *http.Request) { _, _ = io.Copy(io.Discard, req.Body) })
	head := "POST /hashed/upload HTTP/1.1\r\nHost: " + r.address + "\r\nX-Unread: yes\r\n" +
		"Content-Length: " + strconv.Itoa(length) + "\r\n\r\n"
	sent := bytes.Repeat([]byte("x"), length-1)
	heap := func() uint64 {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	runtime.GC()
	before := heap()
	type outcome struct {
		client   net.Conn
		response *http.Response
		err      error
	}
	outcomes := make(chan outcome, clients)
	open, written := map[net.Conn]bool{}, make(chan net.Conn, clients)
	for range clients {
		client, err := net.Dial("tcp", r.address)
		require.NoError(t, err)
		t.Cleanup(func() { _ = client.Close() })
		require.NoError(t, client.SetDeadline(time.Now().Add(time.Minute)))
		open[client] = true
		go func() {
			_, _ = io.WriteString(client, head)
			if _, err := client.Write(sent); err == nil { // fails where the proxy refuses the body
				written <- client
			}
		}()
		go func() {
			response, err := http.ReadResponse(bufio.NewReader(client), nil) //nolint:bodyclose // below
			outcomes <- outcome{client, response, err}
		}()
	}
	for range clients - fit {
		got := <-outcomes
		require.NoError(t, got.err)
		require.NoError(t, got.response.Body.Close())
		require.Equal(t, http.StatusServiceUnavailable, got.response.StatusCode)
		require.Equal(t, "1", got.response.Header.Get("Retry-After"))
		delete(open, got.client)
	}
	for held := 0; held < fit; {
		if open[<-written] {
			held++
		}
	}
	taken := heap() - min(before, heap())
	t.Logf("heap: %d KiB before, %d KiB more", before>>10, taken>>10)
	require.Less(t, taken, uint64(defaultBodyMemory+8<<20))
	require.Empty(t, r.stub.seen())
	for client := range open {
		_, err := io.WriteString(client, "x")
		require.NoError(t, err)
	}
	for range fit {
		got := <-outcomes
		require.NoError(t, got.err)
		require.NoError(t, got.response.Body.Close())
		require.Equal(t, http.StatusOK, got.response.StatusCode)
	}
	eventually(t, func() bool { return r.bodies.take(defaultBodyMemory) }, "the whole budget")
}

// A body is read whole, with and without a length, and only if there is room for it.
func TestBodiesAreReadWithinTheBudget(t *testing.T) {
	t.Parallel()
	const limit = 11 << 20
	sizes := []int{0, 1, bufferSize - 1, bufferSize, bufferSize + 1, 3 * bufferSize, 5<<20 + 7, maxBuffered}
	for _, size := range sizes {
		content := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
		for name, length := range map[string]int64{"with a length": int64(size), "without": -1} {
			t.Run(fmt.Sprint(size, " bytes, ", name), func(t *testing.T) {
				t.Parallel()
				b := &budget{limit: limit}
				read, err := b.read(bytes.NewReader(content), length)
				require.NoError(t, err)
				require.GreaterOrEqual(t, b.used, int64(size), "what is in memory counts")
				require.EqualValues(t, size, read.length)
				for range 2 { // a call is sent again after a 401
					again, err := io.ReadAll(read.reader())
					require.NoError(t, err)
					require.True(t, bytes.Equal(content, again))
				}
				read.release()
				require.Zero(t, b.used)
			})
		}
	}
	long := strings.Repeat("x", maxBuffered+1)
	for name, test := range map[string]struct {
		in     io.Reader
		length int64
		limit  int64
		want   int
	}{
		"no room":                   {strings.NewReader("12345"), 5, 4, http.StatusServiceUnavailable},
		"no room, without a length": {strings.NewReader("12345"), -1, bufferSize - 1, http.StatusServiceUnavailable},
		"no more room":              {strings.NewReader(long), -1, 1 << 20, http.StatusServiceUnavailable},
		"announced too long":        {strings.NewReader(""), maxBuffered + 1, 1 << 40, http.StatusRequestEntityTooLarge},
		"too long":                  {strings.NewReader(long), -1, 1 << 40, http.StatusRequestEntityTooLarge},
		"shorter than its length":   {strings.NewReader("1234"), 5, limit, http.StatusBadRequest},
		"broken off": {
			iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(long))), -1, limit, http.StatusBadRequest,
		},
		"broken off, with a length": {
			io.MultiReader(strings.NewReader("123"), iotest.ErrReader(io.ErrUnexpectedEOF)), 5, limit, http.StatusBadRequest,
		},
		"broken off without a sound": {
			io.MultiReader(strings.NewReader("123"), iotest.ErrReader(io.ErrUnexpectedEOF)), -1, limit, http.StatusBadRequest,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &budget{limit: test.limit}
			_, err := b.read(test.in, test.length)
			failed, is := errors.AsType[*problem](err)
			require.True(t, is)
			require.Equal(t, test.want, failed.Status)
			require.Zero(t, b.used)
		})
	}
}

// The memory of a body that was not read to its end is used again, and nothing of that body is in the next.
func TestPartsAreUsedAgain(t *testing.T) {
	t.Parallel()
	b := &budget{limit: 4 * bufferSize}
	for range 100 {
		_, err := b.read(strings.NewReader(strings.Repeat("x", 5*bufferSize)), -1)
		require.Error(t, err)
		read, err := b.read(strings.NewReader("another"), -1)
		require.NoError(t, err)
		content, err := io.ReadAll(read.reader())
		require.NoError(t, err)
		require.Equal(t, "another", string(content))
		read.release()
	}
}

// However a request ends, the room of its body is given back.
func TestRoomOfABodyIsGivenBack(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		sent   string // of a body of nine bytes
		change func(r *rig, leave func())
		leaves bool // the client, after that
	}{
		"the client goes away while it sends": {sent: "part", leaves: true},
		"the client goes away while Vault signs": {sent: "the whole", change: func(r *rig, leave func()) {
			r.stub.waits = func(ctx context.Context) {
				leave()
				<-ctx.Done()
			}
		}},
		"a panic while Vault signs": {sent: "the whole", change: func(r *rig, _ func()) {
			r.stub.answer = func(*Route, signing.Call) (*signing.Signed, error) { panic("canary") }
		}},
		"a panic while the call is sent": {sent: "the whole", change: func(r *rig, _ func()) {
			r.Next = roundTrip(func(*http.Request) (*http.Response, error) { panic("canary") })
		}},
		"the answer breaks off": {sent: "the whole", change: func(r *rig, _ func()) {
			r.Next = roundTrip(func(request *http.Request) (*http.Response, error) {
				body := io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body, Request: request}, nil
			})
		}},
	} {
		for route, target := range map[string]string{"as a text": "/texts/orders", "to be hashed": "/hashed/upload"} {
			t.Run(name+", "+route, func(t *testing.T) {
				t.Parallel()
				r := newTextRig(t, nil)
				connection, err := net.Dial("tcp", r.address)
				require.NoError(t, err)
				t.Cleanup(func() { _ = connection.Close() })
				if row.change != nil {
					row.change(r, func() { _ = connection.Close() })
				}
				_, err = io.WriteString(connection,
					"POST "+target+" HTTP/1.1\r\nHost: "+r.address+"\r\nContent-Length: 9\r\n\r\n"+row.sent)
				require.NoError(t, err)
				taken := func() int64 {
					r.bodies.mu.Lock()
					defer r.bodies.mu.Unlock()
					return r.bodies.used
				}
				if row.leaves {
					eventually(t, func() bool { return taken() == 9 }, "the body is being read")
					require.NoError(t, connection.Close())
				}
				r.logs(t, `"msg":"request"`, 1)
				require.Zero(t, taken())
			})
		}
	}
}

// Once the vendor has the whole body and has begun to answer, the proxy frees the body's memory, and its part of the
// budget, even if the client takes the answer slowly. A vendor that answers early still gets the rest of the body.
func TestMemoryOfABodyIsFreeDuringTheAnswer(t *testing.T) {
	t.Parallel()
	const length = 10 << 20
	for name, row := range map[string]struct {
		http2    bool
		rejected int64  // how many calls get 401, before their body is read
		instead  string // what Vault has the call carry in place of the body
	}{
		"HTTP/1.1":                   {},
		"HTTP/2":                     {http2: true},
		"HTTP/1.1, after a 401":      {rejected: 1},
		"HTTP/2, after a 401":        {http2: true, rejected: 1},
		"401 twice":                  {rejected: 2},
		"a body of Vault's":          {instead: "a=b"},
		"a body of Vault's, and 401": {instead: "a=b", rejected: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			reads, ends := make(chan struct{}), make(chan struct{})
			read := sync.OnceFunc(func() { close(reads) })
			r := newTLSRig(t, row.http2, func(w http.ResponseWriter, request *http.Request) {
				call := calls.Add(1)
				if call <= row.rejected {
					w.WriteHeader(http.StatusUnauthorized)
				}
				if call == 1 && row.rejected > 0 {
					return
				}
				connection := http.NewResponseController(w)
				if !row.http2 {
					_ = connection.EnableFullDuplex()
				}
				_ = connection.Flush()
				<-reads
				got, _ := io.Copy(io.Discard, request.Body)
				_, _ = fmt.Fprintln(w, got)
				_ = connection.Flush()
				<-ends
			})
			t.Cleanup(func() { read(); close(ends) })
			if row.instead != "" {
				r.stub.answer = func(route *Route, call signing.Call) (*signing.Signed, error) {
					signed, err := r.sign(route, call)
					signed.Body = &row.instead
					return signed, err
				}
			}
			next, parts := r.Next, make(chan weak.Pointer[byte], 2)
			r.Next = roundTrip(func(request *http.Request) (*http.Response, error) {
				parts <- weak.Make(&exchangeOf(request.Context()).body.parts[0][0])
				return next.RoundTrip(request)
			})
			taken := func() int64 {
				r.bodies.mu.Lock()
				defer r.bodies.mu.Unlock()
				return r.bodies.used
			}
			response := r.do(t, http.MethodPost, "/hashed/upload", bytes.NewReader(make([]byte, length)))
			sent := len(row.instead)
			if row.instead == "" {
				sent = length
				require.EqualValues(t, length, taken(), "the vendor reads the body later")
			}
			read()
			got, err := bufio.NewReader(response.Body).ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, strconv.Itoa(sent)+"\n", got)
			eventually(t, func() bool { return taken() == 0 }, "the room is free")
			part := <-parts
			eventually(t, func() bool {
				runtime.GC()
				return part.Value() == nil
			}, "the memory is free")
		})
	}
}

// A smaller budget of a new configuration holds for new bodies.
func TestReloadChangesTheBudget(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	config, err := Parse("f.yml", []byte("listen: 127.0.0.1:1\nbody_memory: 10MiB\nroutes:\n"+defaultRoutes))
	require.NoError(t, err)
	require.True(t, r.bodies.take(11<<20))
	r.Use(config, r.stub)
	upload := func() int { return r.do(t, http.MethodPost, "/hashed/upload", strings.NewReader("body")).StatusCode }
	require.Equal(t, http.StatusServiceUnavailable, upload())
	(&body{budget: r.bodies, taken: 11 << 20}).release()
	require.Equal(t, http.StatusOK, upload())
}
