package harness

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// recorder keeps what is written to it.
type recorder struct {
	mu      sync.Mutex
	content bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.content.Write(p)
}

func (r *recorder) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.content.Bytes())
}

// recording is a transport that records the bodies of answers.
type recording struct {
	into *recorder
	http.RoundTripper
}

func (r recording) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.RoundTripper.RoundTrip(req)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(resp.Body, r.into), resp.Body}
	}
	return resp, err
}
