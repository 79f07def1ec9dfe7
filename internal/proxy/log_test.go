package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Lines are written together a moment later, and a warning at once, after those that it follows.
func TestLogWritesWarningsAtOnce(t *testing.T) {
	t.Parallel()
	out := &syncBuffer{}
	made := NewLog(out)
	log := slog.New(made)
	log.Info("first")
	require.Eventually(t, func() bool { return strings.Contains(out.String(), `"msg":"first"`) }, 10*time.Second, time.Millisecond)
	log.Info("second")
	log.Warn("third")
	require.Regexp(t, `(?s)"first".*\n.*"second".*\n.*"third".*\n$`, out.String())
	log.Info("fourth")
	made.Flush()
	require.Contains(t, out.String(), "fourth")
}

// A full disk costs the lines of that time, and no later ones. Lines do not wait for the delay if there are many.
func TestLogGoesOnAfterAFailedWrite(t *testing.T) {
	t.Parallel()
	var failing failingOnce
	log := slog.New(NewLog(&failing))
	log.Warn(strings.Repeat("lost", logBuffer))
	log.Info(strings.Repeat("kept", logBuffer))
	require.NotContains(t, failing.String(), "lost")
	require.Contains(t, failing.String(), "kept")
}

// failingOnce fails in its first write.
type failingOnce struct {
	syncBuffer
	failed bool
}

func (f *failingOnce) Write(p []byte) (int, error) {
	if !f.failed {
		f.failed = true
		return 0, errors.New("no space left on device")
	}
	return f.syncBuffer.Write(p)
}

// A method of a client's that is as long as its headers may be is cut in the log, and is no series of its own in the metrics.
func TestLongMethodIsCutInTheLog(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	method := strings.Repeat("M", 60000)
	require.Equal(t, http.StatusForbidden, r.raw(t, method+" /pave/v1/sessions HTTP/1.1\r\nHost: "+r.address+"\r\n\r\n").StatusCode)
	eventually(t, func() bool { return strings.Contains(r.log.String(), `"status":403`) }, "a line in the log")
	require.Contains(t, r.log.String(), `"method":"`+strings.Repeat("M", 32)+`…","ms"`)
	require.NotContains(t, r.monitor(t, "/metrics").Body.String(), "MM")
	require.Equal(t, "CONNECT-AND-SOME-MORE-THIRTY-TWO", shortened("CONNECT-AND-SOME-MORE-THIRTY-TWO"))
}

// roundTrip is an http.RoundTripper in the vendors' place.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// ending is a body that does something at its end.
type ending struct {
	io.Reader
	end func() error
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if err != nil {
		err = e.end()
	}
	return n, err
}

func (*ending) Close() error { return nil }

// The log says how a request ended. A client that goes away after it has the whole answer is not said to have left without it.
func TestLogSaysHowARequestEnded(t *testing.T) {
	t.Parallel()
	answering := func(end func() error) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusCreated, Header: http.Header{}, Body: &ending{strings.NewReader("part"), end}, ContentLength: -1}, nil
	}
	broken := errors.New("canary")
	for name, test := range map[string]struct {
		vendor func(leave func()) (*http.Response, error)
		want   string
		aborts bool
	}{
		"answered": {func(func()) (*http.Response, error) { return answering(func() error { return io.EOF }) }, `"INFO" 201`, false},
		"answered, then gone": {func(leave func()) (*http.Response, error) {
			return answering(func() error { leave(); return io.EOF })
		}, `"INFO" 201`, false},
		"gone before the answer": {func(leave func()) (*http.Response, error) { leave(); return nil, broken }, `"INFO" 499,"reason":"the client went away"`, false},
		"gone during the answer": {func(leave func()) (*http.Response, error) {
			return answering(func() error { leave(); return broken })
		}, `"INFO" 499,"reason":"the client went away"`, true},
		"broken answer": {func(func()) (*http.Response, error) {
			return answering(func() error { return broken })
		}, `"WARN" 201,"reason":"the connection broke during the answer"`, true},
		"no answer": {
			func(func()) (*http.Response, error) { return nil, broken },
			`"WARN" 502,"reason":"the connection broke, or the server does not speak HTTP","side":"vendor"`, false,
		},
		"a panic":               {func(func()) (*http.Response, error) { panic("canary") }, `"ERROR" 0,"reason":"internal error"`, true},
		"a panic with an error": {func(func()) (*http.Response, error) { panic(broken) }, `"ERROR" 0,"reason":"internal error"`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.hosts = nil
			ctx, leave := context.WithCancel(context.WithValue(t.Context(), http.ServerContextKey, &http.Server{ReadHeaderTimeout: time.Minute}))
			defer leave()
			r.reverse.Transport.(*transport).next = roundTrip(func(request *http.Request) (*http.Response, error) {
				response, err := test.vendor(leave)
				if response != nil {
					response.Request = request
				}
				return response, err
			})
			request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/avanan/us/v1.0/event/1", http.NoBody)
			aborted := func() (aborted any) {
				defer func() { aborted = recover() }()
				r.ServeHTTP(httptest.NewRecorder(), request)
				return nil
			}()
			if test.aborts {
				require.Equal(t, http.ErrAbortHandler, aborted, "the connection is closed, and nothing printed")
			} else {
				require.Nil(t, aborted)
			}
			line := regexp.MustCompile(`^\{"time":"[^"]*","level":("[A-Z]+"),"msg":"request","method":"GET","ms":\d+,"route":"/avanan/us","status":(.*)\}\n$`)
			require.Equal(t, test.want, line.ReplaceAllString(r.log.String(), "$1 $2"))
		})
	}
}
