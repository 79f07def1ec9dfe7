// Package proxy is apisig-proxy: a reverse proxy for applications that cannot sign. An application calls it on loopback
// or on a unix socket, Vault signs the call, and the proxy sends it to the vendor. The proxy never has the vendor's
// secret, and the application sees neither headers nor token.
//
// What passes is decided by admit, and what it carries by filter. How it is signed, where it goes and what happens
// after a 401 is in package signing, which package client has in common with this one.
package proxy

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// Backend is Vault, as a configuration describes it.
type Backend interface {
	// Signer returns a new signer for a route. The errors of its Sign are a *signing.Failure, or the context's. batched is
	// told how many calls a request to a batch path signed, each time.
	Signer(route *Route, batched func(calls int)) signing.Signer
	// Health returns nil if Vault answers and is unsealed.
	Health(ctx context.Context) error
}

// Options are what a Proxy needs. All are required.
type Options struct {
	// Next sends calls to the vendors. It must follow no redirect.
	Next    http.RoundTripper
	Log     *slog.Logger
	Metrics *Metrics
	Now     func() time.Time
}

// Proxy is an http.Handler. It refuses all requests until Use is called.
type Proxy struct {
	Options
	hosts   []string
	current atomic.Pointer[setup]
	reverse *httputil.ReverseProxy
	bodies  *budget
	patience
}

// setup is what a reload replaces. Requests keep the one that they began with.
type setup struct {
	routes  []*Route
	signers map[*Route]*routeSigner
	gateway Gateway // "": none may ask
	backend Backend

	mu    sync.Mutex
	probe *probe // the last one; nil: none
}

// New makes a proxy that applications call on a listener; nil for none.
func New(options Options, listener net.Listener) *Proxy {
	p := &Proxy{Options: options, bodies: &budget{}, patience: defaultPatience}
	if listener != nil {
		p.hosts = hostsOf(listener)
	}
	p.current.Store(&setup{})
	p.reverse = &httputil.ReverseProxy{
		Rewrite:        rewrite,
		Transport:      transport{},
		FlushInterval:  flushAfter,
		BufferPool:     &Buffers{},
		ModifyResponse: modify,
		ErrorHandler:   fail,
		ErrorLog:       log.New(io.Discard, "", 0), // its lines may quote the vendor; the outcome is logged below
	}
	return p
}

// Use has later requests take a configuration. Headers that were cached are dropped.
func (p *Proxy) Use(config *Config, backend Backend) {
	next := &setup{routes: config.Routes, signers: map[*Route]*routeSigner{}, backend: backend}
	for _, route := range config.Routes {
		signer := backend.Signer(route, p.Metrics.batched(route))
		next.signers[route] = &routeSigner{Signer: signer, log: p.Log, route: route.Name()}
	}
	if config.ForwardAuth != nil {
		next.gateway = config.ForwardAuth.Gateway
	}
	p.bodies.allow(config.BodyMemory)
	p.current.Store(next)
}

// ServeHTTP sends a request to the vendor if it passes.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	using := p.current.Load()
	taken, refused := admit(r, p.hosts, using.routes)
	p.serve(w, r, &exchange{admitted: taken, proxy: p, signer: using.signers[taken.route], failed: refused}, p.reverse)
}

// serve answers a request that failed, or has a handler answer it, and writes a line to the log.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, e *exchange, next http.Handler) {
	started := p.Now()
	client := &peer{http.NewResponseController(w), p.Now, p.patience}
	client.takes()
	recorded := &statusRecorder{ResponseWriter: w, client: client, exchange: e}
	request := r.WithContext(context.WithValue(r.Context(), exchangeKey{}, e))
	if r.Body != http.NoBody {
		e.incoming = &incoming{ReadCloser: r.Body, peer: client}
		request.Body, recorded.body = e.incoming, e.incoming
	}
	defer func() {
		if e.body != nil {
			e.body.release()
		}
		if e.incoming != nil {
			e.incoming.leave()
		}
		reason := recover()
		p.record(r, recorded, e, started, reason)
		if reason != nil {
			panic(http.ErrAbortHandler) // closes the connection, and prints nothing
		}
	}()
	if e.failed != nil {
		e.failed.write(recorded)
		return
	}
	next.ServeHTTP(recorded, request)
}

// flushAfter is how long a part of an answer may wait for the next. Most answers end sooner, so that they are sent at
// once. What has no length, or is a stream of events, never waits.
const flushAfter = 10 * time.Millisecond

// rewrite makes the call to the vendor of a request, except for the vendor's address and Vault's headers, which
// transport adds.
func rewrite(pr *httputil.ProxyRequest) {
	e := exchangeOf(pr.In.Context())
	path, query, _ := strings.Cut(e.requestString, "?")
	pr.Out.URL, pr.Out.Host = &url.URL{Opaque: path, RawQuery: query}, ""
	filter(pr.Out.Header)
	filter(pr.Out.Trailer)
	e.route.fixScopes(pr.Out)
	signing.Drop(pr.Out.Trailer, "Content-Type") // it may be signed, and a vendor could read it as the header's
	if len(pr.Out.Trailer) == 0 {
		pr.Out.Trailer = nil
	} else if pr.Out.Body != nil {
		pr.Out.Body = &trailing{pr.Out.Body, pr.In.Trailer, pr.Out.Trailer}
	}
}

// modify takes out of an answer what Vault appended to the call, and has a redirect, or the address of what was
// created, lead through the proxy.
func modify(response *http.Response) error {
	if response.StatusCode == http.StatusSwitchingProtocols { // ReverseProxy would not close the connection
		return failure(http.StatusBadGateway, sideVendor, "the vendor did not answer", "the vendor switched protocols")
	}
	e := exchangeOf(response.Request.Context())
	e.to.appended.leave(response.Header)
	for i, value := range response.Header["Location"] {
		response.Header["Location"][i] = e.to.location(e.route.Prefix, value)
	}
	return nil
}

// fail answers a request that the vendor did not answer.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	e := exchangeOf(r.Context())
	failed, is := errors.AsType[*problem](err)
	if !is {
		const reason = "the exchange with the vendor failed"
		failed = failure(http.StatusBadGateway, sideVendor, "the vendor did not answer", reason)
	}
	e.failed = failed
	failed.write(w)
}

const bufferSize = 32 << 10

// Buffers are what bodies are copied through, an httputil.BufferPool.
type Buffers struct{ pool sync.Pool }

// Get returns a buffer.
func (b *Buffers) Get() []byte {
	if kept, is := b.pool.Get().(*[]byte); is {
		return *kept
	}
	return make([]byte, bufferSize)
}

// Put takes a buffer back.
func (b *Buffers) Put(buffer []byte) { b.pool.Put(&buffer) }
