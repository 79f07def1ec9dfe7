package proxy

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// deadlines is a ResponseWriter that records the deadlines of its connection.
type deadlines struct {
	http.ResponseWriter
	read, write []time.Time
}

func (d *deadlines) SetReadDeadline(until time.Time) error {
	d.read = append(d.read, until)
	return nil
}

func (d *deadlines) SetWriteDeadline(until time.Time) error {
	d.write = append(d.write, until)
	return nil
}

func (*deadlines) WriteHeader(int)             {}
func (*deadlines) Write(p []byte) (int, error) { return len(p), nil }

// Each read and each write has the whole time again. A body that is read before the call is signed has an end, too.
// After the body there is no deadline, and after the request the body sets none: the connection may have another
// request by then.
func TestDeadlinesMoveWithProgress(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	now, at := start, func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	connection := &deadlines{}
	client := &peer{
		connection: http.NewResponseController(connection),
		now:        func() time.Time { return now },
		patience:   patience{send: 2 * time.Minute, take: 2 * time.Minute, linger: time.Second},
	}
	body := func(text string) *incoming {
		connection.read = nil
		return &incoming{ReadCloser: io.NopCloser(iotest.OneByteReader(strings.NewReader(text))), peer: client}
	}
	part := make([]byte, 8)
	streamed := body("abc")
	for minute := 1; minute <= 2; minute++ {
		now = at(minute)
		_, err := streamed.Read(part)
		require.NoError(t, err)
	}
	streamed.within(time.Minute)
	_, err := streamed.Read(part)
	require.NoError(t, err)
	_, err = streamed.Read(part)
	require.ErrorIs(t, err, io.EOF)
	streamed.within(time.Minute)
	_, _ = streamed.Read(part)
	require.Equal(t, []time.Time{at(3), at(4), at(3), at(3), at(3), {}}, connection.read)

	left := body("abc")
	_, err = left.Read(part)
	require.NoError(t, err)
	left.leave()
	_, _ = left.Read(part)
	require.Equal(t, []time.Time{at(4)}, connection.read)

	rest := body("abc")
	answer := &statusRecorder{ResponseWriter: connection, client: client, body: rest, exchange: &exchange{}}
	answer.WriteHeader(http.StatusEarlyHints)
	require.Empty(t, connection.read)
	connection.write = nil
	now = at(3)
	answer.WriteHeader(http.StatusOK)
	require.Equal(t, []time.Time{at(3).Add(time.Second)}, connection.read, "what nobody needs any more may take a second")
	now = at(9)
	_, err = answer.Write(part)
	require.NoError(t, err)
	require.Equal(t, []time.Time{at(5), at(11)}, connection.write)
}

// A client is late only while the proxy waits for it: not before anybody reads, nor while the vendor takes what came.
func TestClientIsLateOnlyWhileItIsWaitedFor(t *testing.T) {
	t.Parallel()
	now := time.Now()
	client := &peer{
		connection: http.NewResponseController(&deadlines{}),
		now:        func() time.Time { return now },
		patience:   patience{send: time.Minute},
	}
	reader := io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(os.ErrDeadlineExceeded))
	body := &incoming{ReadCloser: io.NopCloser(reader), peer: client}
	late := func() bool {
		now = now.Add(2 * time.Minute)
		return body.late()
	}
	require.False(t, late(), "nobody has read")
	_, err := body.Read(make([]byte, 8))
	require.NoError(t, err)
	require.False(t, late(), "nobody reads on")
	_, err = body.Read(make([]byte, 8))
	require.Equal(t, errLate, err)
	require.True(t, late())
	require.False(t, (*incoming)(nil).late())
}

// What reads a body after its request has ended sets no deadline: the connection may have another request by then.
func TestBodyOfAnEndedRequestSetsNoDeadline(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	connection := &deadlines{}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("abc"))
	var kept io.Reader
	r.serve(connection, request, &exchange{proxy: r.Proxy},
		http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) { kept = request.Body }))
	_, err := kept.Read(make([]byte, 8))
	require.NoError(t, err)
	require.Empty(t, connection.read)
}

// A client that sends the beginning of a body and no more gets 408, whether the body streams or is read first. One
// whose request is refused gets the refusal.
func TestBodiesThatNeverComeEnd(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		target string
		limit  func(*rig)
		want   int
	}{
		"streaming": {
			"/avanan/us/v1.0/event/query", func(r *rig) { r.send = time.Millisecond }, http.StatusRequestTimeout,
		},
		"read first": {
			"/hashed/upload", func(r *rig) { r.whole = time.Millisecond },
			http.StatusRequestTimeout,
		},
		"read first, and stuck": {"/hashed/upload", func(r *rig) { r.send = time.Millisecond }, http.StatusRequestTimeout},
		"refused":               {"/avanan/us/v1.0/action", func(r *rig) { r.send = time.Millisecond }, http.StatusForbidden},
		"not signed": {"/pave/v1/sessions", func(r *rig) {
			r.send = time.Millisecond
			r.stub.answer = func(*Route, signing.Call) (*signing.Signed, error) { return nil, errors.New("no") }
		}, http.StatusBadGateway},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.linger = time.Millisecond
			test.limit(r)
			response := r.raw(t, "POST "+test.target+" HTTP/1.1\r\nHost: "+r.address+"\r\nContent-Length: 9\r\n\r\nbody")
			require.Equal(t, test.want, response.StatusCode)
			if test.want == http.StatusRequestTimeout {
				require.Equal(t, "the body of the request did not come in time", problemOf(t, response).Detail)
				r.logs(t, `"status":408,"reason":"the body`, 1)
			}
			for _, got := range r.vendorGot() {
				require.NotEqual(t, int64(len(got.body)), got.ContentLength, "the vendor got no whole body")
			}
		})
	}
}

// A body that breaks off is the client's fault, and not the vendor's.
func TestBodyThatBreaksOffIs400(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		target string
		signed int
	}{
		"streaming":  {"/avanan/us/v1.0/event/query", 1},
		"read first": {"/hashed/upload", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			response := r.raw(t, "POST "+row.target+" HTTP/1.1\r\nHost: "+r.address+
				"\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\nnonsense\r\n")
			require.Equal(t, http.StatusBadRequest, response.StatusCode)
			require.Empty(t, problemOf(t, response).Side)
			require.Len(t, r.stub.seen(), row.signed, "a body that was not read whole is not signed")
		})
	}
}

// A client that takes nothing of an answer ends the call.
func TestAnswerThatNobodyTakesEnds(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(w, &generated{1 << 40})
		<-req.Context().Done()
		close(ended)
	})
	r.take = time.Millisecond
	connection, err := net.Dial("tcp", r.address)
	require.NoError(t, err)
	defer connection.Close()
	_, err = io.WriteString(connection, "GET /avanan/us/v1.0/event/1 HTTP/1.1\r\nHost: "+r.address+"\r\n\r\n")
	require.NoError(t, err)
	<-ended
}

// Without a configuration of these limits in the tests' way, a stream may rest for two minutes, and a body that is read
// for 30 seconds.
func TestTimeLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	require.Equal(t, patience{
		send: 2 * time.Minute, take: 2 * time.Minute, linger: time.Second, whole: 30 * time.Second, stall: 2 * time.Minute,
	}, r.patience)
}
