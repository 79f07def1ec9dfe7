// Package upstreamtest is a vendor's server for tests: it answers as a test says, and keeps what it was sent.
package upstreamtest

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Canary is what Status sends in a header and in the body. No error, log line or metric may contain it.
const Canary = "canary-of-the-vendor"

// Server answers each call with the next handler, and repeats the last one.
type Server struct {
	*httptest.Server
	mu    sync.Mutex
	calls []http.Header
}

// New makes a server, which the test starts, with or without TLS. It is closed when the test ends.
func New(t *testing.T, answers ...http.HandlerFunc) *Server {
	t.Helper()
	s := &Server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.calls = append(s.calls, r.Header.Clone())
		answer := answers[min(len(s.calls), len(answers))-1]
		s.mu.Unlock()
		answer(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(s.Close)
	return s
}

// Headers are those of the calls so far.
func (s *Server) Headers() []http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// Status answers with a status, with headers (name, value, name, value, …), and with Canary.
func Status(code int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Vendor", Canary)
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, Canary)
	}
}

// Body answers with a text.
func Body(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}
