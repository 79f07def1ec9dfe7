package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// dialer connects to vendors.
var dialer = &net.Dialer{Timeout: 10 * time.Second}

// NewTransport makes the transport to vendors. It passes bodies as they are, and waits for headers, not for bodies,
// with a limit.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true,
	}
}

var errVendorLate = failure(http.StatusGatewayTimeout, sideVendor, "the vendor did not answer in time", "timeout")

// send sends a call. If the vendor takes nothing of its body for too long, the call ends with errVendorLate:
// http.Transport limits how long a vendor takes to connect, and to answer once it has the body, but not to take it.
func send(next http.RoundTripper, request *http.Request, stall time.Duration) (*http.Response, error) {
	if request.Body == nil || request.Body == http.NoBody {
		return next.RoundTrip(request)
	}
	ctx, end := context.WithCancelCause(request.Context())
	var answered atomic.Bool
	timer := time.AfterFunc(stall, func() {
		if !answered.Load() { // else the body may still be sent, and has its time again
			end(errVendorLate)
		}
	})
	out := request.WithContext(ctx)
	out.Body = &sending{request.Body, timer, stall}
	if getBody := request.GetBody; getBody != nil { // for http.Transport, which tries again if a connection was stale
		out.GetBody = func() (io.ReadCloser, error) {
			body, err := getBody()
			return &sending{body, timer, stall}, err
		}
	}
	response, err := next.RoundTrip(out)
	answered.Store(true)
	timer.Stop()
	if err != nil && errors.Is(context.Cause(ctx), errVendorLate) {
		return nil, errVendorLate
	}
	return response, err
}

// sending is the body of a call. The vendor's time runs from one Read to the next, and after the last.
type sending struct {
	io.ReadCloser
	timer *time.Timer
	stall time.Duration
}

func (s *sending) Read(p []byte) (int, error) {
	s.timer.Stop() // this is the client's time
	defer s.timer.Reset(s.stall)
	return s.ReadCloser.Read(p)
}

// answer is the body of a vendor's answer. If nothing comes for too long, it breaks off.
type answer struct {
	io.ReadCloser
	stall time.Duration
	timer *time.Timer // nil before the first Read
	ends  func()      // is called at its end, when the trailers are there
}

func (a *answer) Read(p []byte) (int, error) {
	if a.timer == nil {
		a.timer = time.AfterFunc(a.stall, func() { _ = a.Close() })
	} else {
		a.timer.Reset(a.stall)
	}
	defer a.timer.Stop()
	n, err := a.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		a.ends()
	}
	return n, err
}
