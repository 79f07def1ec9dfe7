// Package exchange does one careful HTTP exchange with a vendor.
//
// An exchange is a request and its answer: a login, or a call that tries credentials. It is careful with what it sends
// and with what comes back:
//
//   - It ends when its context does, retries included. Network errors, 429 and 5xx are tried again, twice at most,
//     after a pause or after what Retry-After asks for, if that leaves time.
//   - It follows no redirect: the credentials are for this host.
//   - It speaks TLS 1.2 or later, trusts the system's roots and those of [Request.CACert], and uses the proxy that the
//     environment names.
//   - It makes each attempt anew, so that a retry is not taken for a replay.
//   - It reads a limited part of an answer.
//   - Its errors say what happened and quote nothing that the vendor sent, nor any text of a lower layer, which might,
//     or might have the URL: a query can have secrets in it.
//   - On loopback they do not say why there was no answer, so that a port that is closed, one that is silent and one
//     without TLS are the same to someone who can choose the address.
//   - Where someone can choose more than the address, [Request.Guarded], it does not go to what listens beside it.
//
// It knows no vendor. What an answer with status 200 means is for the caller to say.
package exchange

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	// maxAnswer is how much of an answer is read, its headers and its body each, in bytes, if the request says no more.
	maxAnswer  = 64 << 10
	maxRetries = 2
	firstPause = 250 * time.Millisecond
)

// Client does exchanges. It keeps nothing from one to the next.
type Client struct {
	// Now is the clock that times exchanges. Required.
	Now func() time.Time
	// Pause is the pause before the first retry; it doubles before the second. The zero value is 250 ms.
	Pause time.Duration
	// LoopbackLogins reports whether guarded requests may go to loopback, if their URL names it.
	LoopbackLogins bool
	// remote makes loopback count as any other address. Only tests set it: their servers are on loopback.
	remote bool
	// own lists the addresses of this machine, and resolver resolves names; nil for the system's. Only tests set them.
	own      func() ([]net.Addr, error)
	resolver *net.Resolver
}

// Request is what an exchange sends, and what it takes for an answer.
type Request struct {
	// Make makes one attempt, which is sent at an instant. All attempts go to one host. The error ends the exchange.
	Make func(at time.Time) (Attempt, error)
	// CACert is PEM: certificates to trust beside the system's roots; "" for none.
	CACert string
	// NoRetry lists statuses that are not worth another attempt although others of their kind are.
	NoRetry []int
	// Any2xx reports whether every status of 2xx is an answer, not 200 alone.
	Any2xx bool
	// Probe says that only the status matters: every 2xx is an answer, its body is dropped unread, and nothing is tried
	// again.
	Probe bool
	// MaxBody is how many bytes the body of an answer may have; 0 for 64 KiB.
	MaxBody int
	// Guarded reports whether the exchange must not go to addresses of this machine, or to those that are nobody's in
	// particular: see Client.CheckAddress.
	Guarded bool
}

// Attempt is one request. Nothing in it is printed.
type Attempt struct {
	Method string
	// URL is https, or http on loopback.
	URL    string
	Header http.Header
	// Body is nil for none.
	Body []byte
}

// Answer is an answer with status 200 or, if the request wants that, one of 2xx.
type Answer struct {
	Timing
	// Status is the HTTP status.
	Status int
	// Host is the host and port that answered.
	Host string
	// Header has the headers, at most 64 KiB.
	Header http.Header
	// Body is the whole body; nil for a probe.
	Body []byte
	// ContentType is the media type, if it is one of a few that may be quoted; else "other" or "unknown".
	ContentType string
}

// Timing is when an exchange took place.
type Timing struct {
	// Asked is when the last attempt was sent, and Answered when its headers had arrived, by this machine's clock.
	Asked, Answered time.Time
	// Date is the vendor's own clock, from the answer's Date header; zero where that is missing, malformed, or the answer
	// comes from a cache (it has an Age).
	Date time.Time
}

// Duration is how long the vendor took to answer the last attempt.
func (t Timing) Duration() time.Duration { return t.Answered.Sub(t.Asked) }

// maxOffset is how far a clock may be off to be believed: a day is more than any clock is wrong by, except an unset
// one.
const maxOffset = 24 * time.Hour

// Offset is by how much the vendor's clock is ahead of this machine's, in whole seconds: the Date of the answer against
// the middle of asking and answer. known is false if there is no Date, or one that is more than a day off.
func (t Timing) Offset() (offset time.Duration, known bool) {
	if t.Date.IsZero() {
		return 0, false
	}
	// A Date has whole seconds, so the vendor's clock was half a second further on average.
	date := t.Date.Add(time.Second / 2)
	offset = date.Sub(t.Asked.Add(t.Duration() / 2)).Round(time.Second)
	return offset, offset.Abs() <= maxOffset
}

// Nonsense is the error of an answer that is not what the caller asked for; the reason must quote nothing of it.
func (a Answer) Nonsense(reason string) *Error {
	return &Error{
		Timing: a.Timing, Kind: Nonsense, Status: a.Status, Host: a.Host,
		Reason: fmt.Sprintf("%s (content type %s)", reason, a.ContentType),
	}
}

// Refused is the error of an answer that says that the vendor rejects the credentials.
func (a Answer) Refused() *Error {
	return &Error{Timing: a.Timing, Kind: Refused, Status: a.Status, Host: a.Host, Reason: rejected}
}

// Do sends a request and returns the answer. The context must have a deadline.
//
// A vendor that gives none returns an *Error. Any other error is a fault on this side: an unusable URL or CACert, or an
// attempt that could not be made.
func (c Client) Do(ctx context.Context, request Request) (Answer, error) {
	// The body is set by prepare: retryablehttp would send one that it knows again.
	sent, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, "", nil)
	if err != nil {
		return Answer{}, errNotSent
	}
	e := &exchange{client: c, request: request}
	if err := e.prepare(sent.Request); err != nil {
		return Answer{}, err
	}
	if fault := c.CheckAddress(sent.URL.String()); fault != "" && request.Guarded {
		return Answer{}, e.unreachable("its address " + fault)
	}
	transport, err := newTransport(request.CACert, e.dialer(sent.Request))
	if err != nil {
		return Answer{}, err
	}
	defer transport.CloseIdleConnections()
	client := retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		RetryMax:     maxRetries,
		CheckRetry:   e.checkRetry,
		Backoff:      e.pause,
		PrepareRetry: e.prepare,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	response, err := client.Do(sent)
	if response != nil {
		defer response.Body.Close()
	}
	switch {
	case e.fault != nil:
		return Answer{}, e.fault
	case e.failure != nil:
		return Answer{}, e.failure
	case err != nil:
		return Answer{}, errNotSent // not with err, which has the URL
	}
	return e.answer, nil
}

// The errors of what cannot be sent.
var (
	errNotSent = errors.New("the request could not be sent")
	errURL     = errors.New("the URL cannot be used")
)

// newTransport makes the connection of one exchange. The next comes much later, so it is not kept.
func newTransport(caCert string, dialer *net.Dialer) (*http.Transport, error) {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if caCert != "" {
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		if !roots.AppendCertsFromPEM([]byte(caCert)) {
			return nil, errors.New("ca_cert contains no certificate")
		}
		tlsConfig.RootCAs = roots
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        tlsConfig,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxAnswer,
	}, nil
}

// exchange is the state of one exchange; each attempt overwrites what the one before it left.
type exchange struct {
	client  Client
	request Request
	host    string

	// loopback says that an attempt was made to reach a loopback address. A dial can outlive its attempt.
	loopback atomic.Bool
	attempts int // so far
	timing   Timing
	answer   Answer
	failure  *Error // nil after an attempt that succeeded
	fault    error  // why an attempt could not be made
}

// dialer looks at the addresses that it dials: only after names are resolved are they known. It notes whether one is
// loopback and, if the exchange is guarded, refuses some. The address of a proxy does not count.
func (e *exchange) dialer(sent *http.Request) *net.Dialer {
	if proxy, err := http.ProxyFromEnvironment(sent); proxy != nil || err != nil {
		return &net.Dialer{}
	}
	named := namesLoopback(sent.URL.Hostname())
	return &net.Dialer{Resolver: e.client.resolver, Control: func(_, address string, _ syscall.RawConn) error {
		dialed, err := netip.ParseAddrPort(address)
		if e.request.Guarded {
			if fault := e.client.refuses(dialed.Addr(), named); fault != "" {
				return &refusedAddressError{fault}
			}
		}
		// An unspecified address, 0.0.0.0 or ::, reaches loopback too.
		if addr := dialed.Addr(); err == nil && (addr.IsLoopback() || addr.IsUnspecified()) && !e.client.remote {
			e.loopback.Store(true)
		}
		return nil
	}}
}

// prepare makes an attempt of what is sent.
func (e *exchange) prepare(sent *http.Request) error {
	e.timing = Timing{Asked: e.client.Now()}
	made, err := e.request.Make(e.timing.Asked)
	if err != nil {
		e.fault = err
		return err
	}
	attempt, err := http.NewRequestWithContext(sent.Context(), made.Method, made.URL, bytes.NewReader(made.Body))
	if err != nil || attempt.URL.Host == "" || (e.host != "" && attempt.URL.Host != e.host) {
		e.fault = errURL // not with err, which has the URL
		return errURL
	}
	e.host = attempt.URL.Host
	if made.Header != nil {
		attempt.Header = made.Header
	}
	*sent = *attempt
	return nil
}

// checkRetry is called after each attempt. It reads the answer too, so that one that breaks off is tried again.
func (e *exchange) checkRetry(ctx context.Context, response *http.Response, err error) (bool, error) {
	e.attempts++
	e.timing.Answered = e.client.Now()
	if err == nil {
		e.timing.Date = dateOf(response)
	}
	if err == nil && e.accepts(response.StatusCode) {
		if err = e.read(response); err == nil {
			return false, nil
		}
	}
	if err != nil {
		reason, again := explain(err)
		_, refused := errors.AsType[*refusedAddressError](err)
		if e.loopback.Load() && !refused && !errors.Is(err, context.Canceled) {
			reason, again = noCause, true
		}
		e.failure = e.unreachable(reason)
		return again && !e.request.Probe && e.timeFor(ctx), nil
	}
	e.failure = e.judge(response)
	return e.retries(response.StatusCode) && e.timeFor(ctx), nil
}

// accepts says which statuses are an answer.
func (e *exchange) accepts(status int) bool {
	any2xx := e.request.Probe || e.request.Any2xx
	return status == http.StatusOK || (any2xx && status >= http.StatusOK && status < http.StatusMultipleChoices)
}

// unreachable is the error of an exchange without an answer.
func (e *exchange) unreachable(reason string) *Error {
	return &Error{Timing: e.timing, Kind: Unavailable, Host: e.host, Reason: reason}
}

// read takes the body from an answer. Its error is the network's.
func (e *exchange) read(response *http.Response) error {
	e.answer = Answer{
		Timing: e.timing, Status: response.StatusCode, Host: e.host, Header: response.Header,
		ContentType: contentType(response),
	}
	e.failure = nil
	if e.request.Probe {
		return nil
	}
	limit := cmp.Or(e.request.MaxBody, maxAnswer)
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(limit)+1))
	if err != nil {
		return err
	}
	e.answer.Body = body
	if len(body) > limit {
		e.failure = e.answer.Nonsense(fmt.Sprintf("the body has more than %d KiB", limit>>10))
	}
	return nil
}

// judge makes an error of an answer whose status is not 200.
func (e *exchange) judge(response *http.Response) *Error {
	failure := &Error{
		Timing:     e.timing,
		Status:     response.StatusCode,
		Host:       e.host,
		RetryAfter: retryAfter(response, e.timing.Answered),
	}
	switch status := response.StatusCode; {
	case status == http.StatusBadRequest, status == http.StatusUnauthorized, status == http.StatusForbidden:
		failure.Kind, failure.Reason = Refused, rejected
	case status == http.StatusTooManyRequests:
		failure.Kind, failure.Reason = Limited, "too many requests"
	case status >= http.StatusInternalServerError:
		failure.Kind, failure.Reason = Unavailable, "server error"
	case status >= http.StatusMultipleChoices && status < http.StatusBadRequest:
		failure.Kind, failure.Reason = Nonsense, "a redirect, which is not followed"
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		failure.Kind, failure.Reason = Nonsense, "unexpected status; check the address and the path"
	default:
		failure.Kind, failure.Reason = Nonsense, "unexpected status"
	}
	return failure
}

// retries says which statuses are worth another attempt.
func (e *exchange) retries(status int) bool {
	if e.request.Probe || slices.Contains(e.request.NoRetry, status) {
		return false
	}
	return status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
}

// pause is how long to wait before the next attempt; the signature is retryablehttp's.
func (e *exchange) pause(_, _ time.Duration, _ int, _ *http.Response) time.Duration {
	pause := e.client.Pause
	if pause == 0 {
		pause = firstPause
	}
	return max(pause<<(e.attempts-1), e.failure.RetryAfter)
}

// timeFor reports whether the context leaves time for the pause and another attempt.
func (e *exchange) timeFor(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() == nil && (!limited || time.Until(deadline) > e.pause(0, 0, 0, nil))
}

// contentType names the media types that answers usually have. Anything else is the vendor's text, and is not quoted.
func contentType(response *http.Response) string {
	mediaType, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil {
		return "unknown"
	}
	switch mediaType {
	case "text/html", "text/plain", "application/json", "application/jwt":
		return mediaType
	}
	return "other"
}
