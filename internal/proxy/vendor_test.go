package proxy

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A vendor that takes the beginning of a body and no more ends the call, and the body's room is given back.
func TestBodyThatTheVendorDoesNotTakeIs504(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		target string
		http2  bool
	}{
		"a body that streams":          {"/avanan/us/v1.0/event/query", false},
		"a body that was read":         {"/hashed/upload", false},
		"a body that streams, HTTP/2":  {"/avanan/us/v1.0/event/query", true},
		"a body that was read, HTTP/2": {"/hashed/upload", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan struct{})
			r := newTLSRig(t, row.http2, func(http.ResponseWriter, *http.Request) { <-ended })
			t.Cleanup(func() { close(ended) })
			r.stall, r.linger = 100*time.Millisecond, time.Millisecond
			response := r.do(t, http.MethodPost, row.target, strings.NewReader(strings.Repeat("x", 10<<20)))
			require.Equal(t, http.StatusGatewayTimeout, response.StatusCode)
			require.Equal(t, "vendor", problemOf(t, response).Side)
			eventually(t, func() bool { return r.bodies.take(defaultBodyMemory) }, "the whole budget")
		})
	}
}

// A vendor that sends the beginning of an answer and no more breaks it off.
func TestAnswerThatNeverComesBreaksOff(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.WriteString(w, "part")
		_ = http.NewResponseController(w).Flush()
		<-req.Context().Done()
	})
	r.stall = 10 * time.Millisecond
	response := r.get(t, "/avanan/us/v1.0/event/1")
	_, err := io.ReadAll(response.Body)
	require.Error(t, err)
	r.logs(t, "the connection broke during the answer", 1)
}

// hesitant is a body whose client takes ten minutes for each part, on the clock of synctest's bubble.
type hesitant struct{ io.Reader }

func (h hesitant) Read(p []byte) (int, error) {
	time.Sleep(10 * time.Minute)
	return h.Reader.Read(p)
}

// A vendor has its time for each part of a body, also if http.Transport sends it again. A client's time is not the
// vendor's, and what is sent after the answer has no limit. All that sleeps here does so on the clock of synctest's
// bubble: no real time passes.
func TestVendorsTimeForABody(t *testing.T) {
	t.Parallel()
	const stall, slow = 2 * time.Minute, time.Minute
	takes := func(body io.Reader) error { // slowly
		for part := make([]byte, 1); ; time.Sleep(slow) {
			if _, err := body.Read(part); err != nil {
				return err
			}
		}
	}
	answered := &http.Response{Body: http.NoBody}
	for name, row := range map[string]struct {
		body   io.Reader
		vendor func(request *http.Request) (*http.Response, error)
		want   error
		after  time.Duration
	}{
		"takes it slowly": {
			strings.NewReader("abcde"),
			func(request *http.Request) (*http.Response, error) {
				require.ErrorIs(t, takes(request.Body), io.EOF)
				return answered, request.Context().Err()
			}, nil, 5 * slow,
		},
		"the client is slow": {
			hesitant{strings.NewReader("ab")},
			func(request *http.Request) (*http.Response, error) {
				_, err := io.ReadAll(request.Body)
				return answered, errors.Join(err, request.Context().Err())
			}, nil, 20 * time.Minute,
		},
		"takes nothing": {
			strings.NewReader("ab"),
			func(request *http.Request) (*http.Response, error) {
				<-request.Context().Done()
				return nil, request.Context().Err()
			}, errVendorLate, stall,
		},
		"takes it, and does not answer": {
			strings.NewReader("ab"),
			func(request *http.Request) (*http.Response, error) {
				_ = takes(request.Body)
				<-request.Context().Done()
				return nil, errors.New("the connection was closed")
			}, errVendorLate, 2*slow + stall,
		},
		"a stale connection first": {
			strings.NewReader("ab"),
			func(request *http.Request) (*http.Response, error) {
				body, err := request.GetBody()
				require.NoError(t, err)
				require.ErrorIs(t, takes(body), io.EOF)
				return answered, request.Context().Err()
			}, nil, 5 * slow,
		},
		"answers first": {
			strings.NewReader("abcde"),
			func(request *http.Request) (*http.Response, error) {
				part := make([]byte, 1)
				_, err := request.Body.Read(part)
				require.NoError(t, err)
				go func() {
					time.Sleep(slow)
					_, _ = request.Body.Read(part)
					time.Sleep(10 * stall)
					if request.Context().Err() != nil {
						t.Error("the answered call was ended")
					}
				}()
				return answered, nil
			}, nil, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", row.body)
				request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("abcde")), nil }
				started := time.Now()
				response, err := send(roundTrip(row.vendor), request, stall) //nolint:bodyclose // it is empty
				require.Equal(t, row.after, time.Since(started))
				time.Sleep(time.Hour) // until nothing is left that could still end the call
				if row.want != nil {
					require.Equal(t, row.want, err)
					return
				}
				require.NoError(t, err)
				require.Equal(t, answered, response)
			})
		})
	}
}

// Connections to a vendor are kept, however many calls there are at once.
func TestConnectionsToVendorsAreKept(t *testing.T) {
	t.Parallel()
	const calls = 64
	var opened atomic.Int32
	var arrived sync.WaitGroup // a wave's calls are at the vendor at the same time
	vendor := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived.Done()
		arrived.Wait()
	}))
	vendor.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	vendor.Start()
	t.Cleanup(vendor.Close)
	next := NewTransport()
	t.Cleanup(next.CloseIdleConnections)
	for range 3 {
		var wave sync.WaitGroup
		arrived.Add(calls)
		for range calls {
			wave.Go(func() {
				request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, vendor.URL, http.NoBody)
				response, err := next.RoundTrip(request)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			})
		}
		wave.Wait()
	}
	require.EqualValues(t, calls, opened.Load())
}
