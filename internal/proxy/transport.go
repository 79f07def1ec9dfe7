package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// exchange is one request of an application, from when it is admitted until its answer. It has the call to the vendor
// signed, and sends it.
type exchange struct {
	admitted
	proxy    *Proxy
	signer   *routeSigner
	incoming *incoming       // the body as it comes; nil: there is none
	body     *body           // the body, if it was read; else nil
	failed   *problem        // why there is no answer of the vendor's; nil: there is one
	signed   *signing.Signed // what the call is sent with
	to       *upstream       // where the call was sent; nil: nowhere
	retried  bool
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	e, _ := ctx.Value(exchangeKey{}).(*exchange)
	return e
}

// transport has calls signed and sent.
type transport struct{}

// RoundTrip makes the call that rewrite has made of a request. Its errors are a *problem, or the context's.
func (transport) RoundTrip(out *http.Request) (*http.Response, error) {
	e := exchangeOf(out.Context())
	if e.route.readsBody() && out.Body != nil && out.Body != http.NoBody {
		if err := e.readBody(out); err != nil {
			return nil, err
		}
	}
	response, sent, err := (&signing.Transport{Signer: e, Send: e.route.Send, Next: e}).Do(out)
	if e.body != nil { // which was read, so that another call can be made with it
		if !sent {
			_ = out.Body.Close()
		}
		e.body.finish()
	}
	if wrong, is := errors.AsType[*signing.CallError](err); is {
		return nil, refusal(wrong.Status, wrong.Reason)
	}
	return response, forAnotherCall(err)
}

// readBody reads the body of a request. From then on it can be sent again.
func (e *exchange) readBody(out *http.Request) (err error) {
	e.incoming.within(e.proxy.whole)
	var text string
	if e.route.sendsBody() {
		e.body, text, err = e.proxy.bodies.readText(out.Body, out.ContentLength)
	} else {
		e.body, err = e.proxy.bodies.read(out.Body, out.ContentLength)
	}
	if err != nil {
		return err
	}
	out.Body, out.ContentLength, out.Trailer, out.TransferEncoding = http.NoBody, e.body.length, nil, nil
	out.Header.Del("Expect") // the client was told to go on
	if e.body.length == 0 {
		return nil
	}
	out.GetBody = func() (io.ReadCloser, error) {
		if text != "" {
			return signing.NewText(text), nil // which Vault gets, too
		}
		return e.body.reader(), nil
	}
	out.Body, err = out.GetBody()
	return err
}

// Sign has the call signed.
func (e *exchange) Sign(ctx context.Context, call signing.Call) (signed *signing.Signed, err error) {
	e.retried = call.Rejected != nil
	started := e.proxy.Now()
	e.signed, err = e.signer.Sign(ctx, call)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	e.proxy.Metrics.signed(e.route, e.proxy.Now().Sub(started), err != nil)
	if err != nil {
		return nil, unsigned(err, call)
	}
	return e.signed, nil
}

// Reject reports a 401 of a call that is not made again.
func (e *exchange) Reject(signed *signing.Signed) { e.signer.Reject(signed) }

// RoundTrip sends the call.
func (e *exchange) RoundTrip(request *http.Request) (*http.Response, error) {
	e.to = upstreamOf(request, e.requestString, e.signed.Query)
	for name := range e.signed.Headers {
		signing.Drop(request.Trailer, name)
	}
	started := e.proxy.Now()
	response, err := send(e.proxy.Next, request, e.proxy.stall)
	broken, is := errors.AsType[*problem](err)
	switch {
	case err == nil:
		e.proxy.Metrics.upstream.WithLabelValues(e.route.Name()).Observe(e.proxy.Now().Sub(started).Seconds())
		response.Body = &answer{ReadCloser: response.Body, stall: e.proxy.stall, ends: func() {
			e.to.appended.leave(response.Trailer)
		}}
		return response, nil
	case is: // the client's body, or a vendor that does not take it
		return nil, broken
	case e.incoming.late(): // the server ended the context, before the transport returned the body's error
		return nil, errLate
	case request.Context().Err() != nil:
		return nil, request.Context().Err()
	case isTimeout(err):
		return nil, errVendorLate
	default:
		return nil, failure(http.StatusBadGateway, sideVendor, "the vendor did not answer", signing.Explain(err))
	}
}

func isTimeout(err error) bool {
	timeout, is := errors.AsType[net.Error](err)
	return is && timeout.Timeout()
}

// trailing passes the trailers of a body on once it is read. Only those that are announced in out, which has been
// filtered, pass.
type trailing struct {
	io.ReadCloser
	in, out http.Header
}

func (b *trailing) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		for name := range b.out {
			b.out[name] = b.in[name]
		}
	}
	return n, err
}
