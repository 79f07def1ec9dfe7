package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

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
	canary := strings.NewReader("canary")
	passes := r.do(t, http.MethodPost, "/pave/v1/sessions?canary=canary", canary, "X-Canary", "canary")
	require.Equal(t, 200, passes.StatusCode)
	require.Equal(t, 403, r.do(t, http.MethodPost, "/pave/v1/canary?canary", strings.NewReader("canary")).StatusCode)
	require.Equal(t, 400, r.get(t, "/pave/v1/sessions?canary;").StatusCode)
	r.logs(t, `"msg":"request"`, 3)
	require.NotContains(t, r.log.String(), "canary")
	for line := range strings.Lines(r.log.String()) {
		require.Regexp(t, `^\{"time":.*"method":"(GET|POST)","ms":\d+,"route":"/pave","status":\d+.*\}\n$`, line)
	}
}

// A method of a client's that is as long as its headers may be is cut in the log, and is no series of its own in the
// metrics.
func TestLongMethodIsCutInTheLog(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	method := strings.Repeat("M", 60000)
	response := r.raw(t, method+" /pave/v1/sessions HTTP/1.1\r\nHost: "+r.address+"\r\n\r\n")
	require.Equal(t, http.StatusForbidden, response.StatusCode)
	r.logs(t, `"status":403`, 1)
	require.Contains(t, r.log.String(), `"method":"`+strings.Repeat("M", 32)+`…","ms"`)
	require.NotContains(t, r.monitor(t, "/metrics").Body.String(), "MM")
	require.Equal(t, "CONNECT-AND-SOME-MORE-THIRTY-TWO", shortened("CONNECT-AND-SOME-MORE-THIRTY-TWO"))
}

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

// The log says how a request ended. A client that goes away after it has the whole answer is not said to have left
// without it.
func TestLogSaysHowARequestEnded(t *testing.T) {
	t.Parallel()
	answering := func(end func() error) (*http.Response, error) {
		body := &ending{strings.NewReader("part"), end}
		return &http.Response{StatusCode: http.StatusCreated, Header: http.Header{}, Body: body, ContentLength: -1}, nil
	}
	broken := errors.New("canary")
	for name, test := range map[string]struct {
		vendor func(leave func()) (*http.Response, error)
		want   string
		aborts bool
	}{
		"answered": {
			func(func()) (*http.Response, error) { return answering(func() error { return io.EOF }) }, `"INFO" 201`, false,
		},
		"answered, then gone": {func(leave func()) (*http.Response, error) {
			return answering(func() error { leave(); return io.EOF })
		}, `"INFO" 201`, false},
		"gone before the answer": {
			func(leave func()) (*http.Response, error) { leave(); return nil, broken },
			`"INFO" 499,"reason":"the client went away"`, false,
		},
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
		"a panic": {
			func(func()) (*http.Response, error) { panic("canary") }, `"ERROR" 0,"reason":"internal error"`, true,
		},
		"a panic with an error": {
			func(func()) (*http.Response, error) { panic(broken) }, `"ERROR" 0,"reason":"internal error"`, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.hosts = nil
			served := context.WithValue(t.Context(), http.ServerContextKey, &http.Server{ReadHeaderTimeout: time.Minute})
			ctx, leave := context.WithCancel(served)
			defer leave()
			r.Next = roundTrip(func(request *http.Request) (*http.Response, error) {
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
			line := regexp.MustCompile(`^\{"time":"[^"]*","level":("[A-Z]+"),"msg":"request","method":"GET","ms":\d+,` +
				`"route":"/avanan/us","status":(.*)\}\n$`)
			require.Equal(t, test.want, line.ReplaceAllString(r.log.String(), "$1 $2"))
		})
	}
}
