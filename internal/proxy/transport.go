package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"
)

// exchange is one request of an application, from when it is admitted until its answer.
type exchange struct {
	admitted
	signing  *signing
	incoming *incoming // the body as it comes; nil: there is none
	body     *body     // the body, if it was read; else nil
	failed   *problem  // why there is no answer of the vendor's; nil: there is one
	to       *upstream // where the call was sent; nil: nowhere
	retried  bool
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	e, _ := ctx.Value(exchangeKey{}).(*exchange)
	return e
}

// transport signs calls and sends them. A vendor's 401 is reported to Vault, and the call sent once more, if its body is there to
// be sent again.
type transport struct {
	next        http.RoundTripper
	metrics     *Metrics
	now         func() time.Time
	bodies      *budget
	stall       time.Duration // for answers
	readTimeout time.Duration // for bodies that are read
}

func (t *transport) RoundTrip(out *http.Request) (*http.Response, error) {
	e := exchangeOf(out.Context())
	parameters, err := t.parameters(out, e)
	if err != nil {
		return nil, err
	}
	signed, err := t.sign(out.Context(), e, Call{Parameters: parameters})
	if err != nil {
		return nil, err
	}
	response, err := t.send(out, e, signed)
	if err != nil || response.StatusCode != http.StatusUnauthorized {
		return response, err
	}
	if out.Body != nil && out.Body != http.NoBody && e.body == nil {
		e.signing.Reject(signed)
		return response, nil
	}
	// A short answer is read, so that its connection can be used again.
	_, _ = io.CopyN(io.Discard, response.Body, 16<<10)
	_ = response.Body.Close()
	e.retried = true
	rejected := signed
	if signed, err = t.sign(out.Context(), e, Call{Parameters: parameters, Rejected: rejected}); err != nil {
		return nil, err
	}
	again := out.Clone(out.Context()) // next may still be sending the first
	for name := range rejected.Headers {
		drop(again.Header, name) // the config may have changed: these may be for another vendor
	}
	return t.send(again, e, signed)
}

// parameters are what the route sends to Vault. The body is read, if one of them is for it.
func (t *transport) parameters(out *http.Request, e *exchange) (parameters map[string]any, err error) {
	parameters = map[string]any{}
	for _, name := range e.route.Send {
		switch name {
		case sendMethod:
			parameters[name] = out.Method
		case sendRequestString:
			parameters[name] = e.requestString
		case sendBodySHA256:
			if err := t.readBody(out, e); err != nil {
				return nil, err
			}
			parameters[name] = e.body.sum()
		}
	}
	return parameters, nil
}

// readBody reads the body of a request, unless it was read already.
func (t *transport) readBody(out *http.Request, e *exchange) (err error) {
	switch {
	case e.body != nil:
	case out.Body == nil || out.Body == http.NoBody:
		e.body = &body{budget: t.bodies}
	default:
		e.incoming.within(t.readTimeout)
		e.body, err = t.bodies.read(out.Body, out.ContentLength)
	}
	return err
}

// sign has a call signed, and finds out where it goes.
func (t *transport) sign(ctx context.Context, e *exchange, call Call) (*Signed, error) {
	started := t.now()
	signed, err := e.signing.Sign(ctx, call)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	t.metrics.signed(e.route, t.now().Sub(started), err != nil)
	if err != nil {
		return nil, unsigned(err, call)
	}
	if e.to, err = upstreamOf(signed, e.requestString); err != nil {
		return nil, failure(http.StatusBadGateway, sideVault, "Vault's answer is for another call", err.Error())
	}
	return signed, nil
}

// send sends a call once. The request is ReverseProxy's copy, for this call alone: send changes it.
func (t *transport) send(request *http.Request, e *exchange, signed *Signed) (*http.Response, error) {
	request.URL, request.Host = e.to.url, e.to.url.Host
	if e.body != nil {
		request.Body, request.ContentLength, request.Trailer, request.TransferEncoding = http.NoBody, e.body.length, nil, nil
		request.Header.Del("Expect") // the client was told to go on when its body was read
		if e.body.length > 0 {
			request.Body = io.NopCloser(e.body.reader())
		}
	}
	e.route.dress(request, signed.Headers)
	started := t.now()
	response, err := t.next.RoundTrip(request)
	broken, is := errors.AsType[*problem](err)
	switch {
	case err == nil:
		t.metrics.answered(e.route, t.now().Sub(started))
		response.Body = &answer{ReadCloser: response.Body, stall: t.stall}
		return response, nil
	case is: // the client's body
		return nil, broken
	case e.incoming.late(): // the server ended the context, before the transport returned the body's error
		return nil, errLate
	case request.Context().Err() != nil:
		return nil, request.Context().Err()
	case isTimeout(err):
		return nil, failure(http.StatusGatewayTimeout, sideVendor, "the vendor did not answer in time", "timeout")
	default:
		return nil, failure(http.StatusBadGateway, sideVendor, "the vendor did not answer", Explain(err))
	}
}

func isTimeout(err error) bool {
	timeout, is := errors.AsType[net.Error](err)
	return is && timeout.Timeout()
}

// Explain words an error of a transport by its type. It does not quote the error, which may repeat what the other side sent.
func Explain(err error) string {
	if _, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return "TLS: the certificate is not trusted, has expired or is for another name"
	}
	if _, is := errors.AsType[tls.RecordHeaderError](err); is || errors.Is(err, http.ErrSchemeMismatch) {
		return "TLS: the server does not speak TLS"
	}
	if _, is := errors.AsType[*net.DNSError](err); is {
		return "DNS: the name could not be resolved"
	}
	if operation, is := errors.AsType[*net.OpError](err); is && operation.Op == "dial" {
		return "could not connect"
	}
	return "the connection broke, or the server does not speak HTTP"
}

// trailing passes the trailers of a body on once it is read. Only those that are announced in out, which has been filtered, pass.
type trailing struct {
	io.ReadCloser
	in, out http.Header
}

func (b *trailing) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		for _, name := range slices.Collect(maps.Keys(b.out)) {
			b.out[name] = b.in[name]
		}
	}
	return n, err
}
