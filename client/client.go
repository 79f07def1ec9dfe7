// Package client is an http.RoundTripper whose calls are signed by a Vault that runs the apisig secrets engine. The
// application that uses it knows neither the API's secret nor how its calls are signed:
//
//	vault, err := api.NewClient(api.DefaultConfig())
//	…
//	transport := &client.Transport{Vault: vault, Path: "apisig/sign/avanan/us"}
//	httpClient := &http.Client{Transport: transport}
//	httpClient.Get("https://smart-api-production-1-us.avanan.net/v1.0/scopes")
//
// Path is a path of the engine:
//
//   - sign/<vendor>/<name>: each call is signed by itself, over its path and query.
//   - creds/<vendor>/<name>: the headers that Vault returns are used for every call, until Vault's answer says that they are
//     old. Many concurrent calls wait for one read.
//
// It sends a call only where Vault's answer says that the headers are for, and follows no redirect: signed headers would go to
// a host that somebody else chose. After a 401 it reports that to Vault and tries once more.
package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/vault/api"
)

// Transport is an http.RoundTripper that gets the headers of each call from Vault. Its fields must not change once it is used. It
// is safe for concurrent use.
type Transport struct {
	// Vault is the client that reads the headers. Its token needs update on a sign path, or read on a creds path; and with
	// allowed_parameters in its policy, the parameter unauthorized. Required.
	Vault *api.Client
	// Path is the engine's path: its mount, sign or creds, the vendor, and the config's name. Required.
	Path string
	// Next sends the calls; nil is http.DefaultTransport.
	Next http.RoundTripper

	mu     sync.Mutex
	cached *answer // of a creds path; nil: none
	flight *flight // the read under way; nil: none
}

// answer is what Vault returned.
type answer struct {
	headers map[string]string
	// url is where the call must go, with its query; "" for headers that are for every call below base.
	url string
	// base is the address of the API, for headers that are not for one call; "" otherwise.
	base string
	// until is when the headers must be read again; zero for those of one call.
	until time.Time
}

// flight is a read of a creds path, which several calls wait for.
type flight struct {
	done   chan struct{} // closed when answer and err are set
	answer *answer
	err    error
}

const (
	// readTimeout limits a read that several calls wait for: it must not end with the first of them.
	readTimeout = time.Minute
	// margin is how long before a lease ends its headers are read again.
	margin = 10 * time.Second
	// headerReqID is used once only, so every call gets its own.
	headerReqID = "X-Av-Req-Id"
)

// RoundTrip sends a call with the headers from Vault, which replace those of the same names. It sends nothing, and returns an
// error, if Vault's answer is for another address, or if the call is a redirect that an http.Client follows.
//
// If the vendor answers 401, it reports that to Vault and sends the call once more. If the call has a body that cannot be sent
// again (GetBody is nil), the 401 is returned.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, used, err := t.attempt(request, nil)
	if err != nil || response.StatusCode != http.StatusUnauthorized {
		return response, err
	}
	again := request.Clone(request.Context())
	switch {
	case request.Body == nil || request.Body == http.NoBody:
	case request.GetBody == nil:
		return response, nil
	default:
		if again.Body, err = request.GetBody(); err != nil {
			return response, nil //nolint:nilerr // the body cannot be sent again, so the 401 is the answer
		}
	}
	_ = response.Body.Close()
	response, _, err = t.attempt(again, used)
	return response, err
}

// attempt sends a call once, and returns the headers that it used. rejected are those that the vendor answered with 401, nil in
// the first attempt. It closes the call's body, as a RoundTripper must, also when it sends nothing.
func (t *Transport) attempt(request *http.Request, rejected *answer) (*http.Response, *answer, error) {
	signed, used, err := t.sign(request, rejected)
	if err != nil {
		if request.Body != nil {
			_ = request.Body.Close()
		}
		return nil, nil, err
	}
	next := t.Next
	if next == nil {
		next = http.DefaultTransport
	}
	response, err := next.RoundTrip(signed)
	return response, used, err
}

// sign returns a copy of a call with its headers, and the headers.
func (t *Transport) sign(request *http.Request, rejected *answer) (*http.Request, *answer, error) {
	if request.Response != nil {
		return nil, nil, errors.New("the vendor answered with a redirect, which is not followed")
	}
	var got *answer
	var err error
	if t.signs() {
		got, err = t.signCall(request, rejected != nil)
	} else {
		got, err = t.credentials(request.Context(), rejected)
	}
	if err != nil {
		return nil, nil, err
	}
	if !got.isFor(request.URL) {
		return nil, nil, fmt.Errorf("what %s returned is for %s, which is not where this call goes; nothing was sent", t.Path, got.url+got.base)
	}
	signed := request.Clone(request.Context())
	for name, value := range got.headers {
		signed.Header.Set(name, value)
	}
	if got.url == "" && signed.Header.Get(headerReqID) != "" {
		id, err := uuid.NewRandom()
		if err != nil {
			return nil, nil, fmt.Errorf("making a request id: %w", err)
		}
		signed.Header.Set(headerReqID, id.String())
	}
	return signed, got, nil
}

// signs says whether the path signs calls one by one: mount/sign/vendor/name. A mount may have slashes in its name.
func (t *Transport) signs() bool {
	parts := strings.Split(strings.Trim(t.Path, "/"), "/")
	return len(parts) >= 4 && parts[len(parts)-3] == "sign"
}

// signCall has one call signed. It is a write, because Vault's audit log has the query of a read as plain text.
func (t *Transport) signCall(request *http.Request, unauthorized bool) (*answer, error) {
	parameters := map[string]any{"request_string": request.URL.RequestURI()}
	if unauthorized {
		parameters["unauthorized"] = true
	}
	secret, err := t.Vault.Logical().WriteWithContext(request.Context(), t.Path, parameters)
	if err != nil {
		return nil, err
	}
	return t.parse(secret, time.Now())
}

// credentials returns the headers of a creds path: those that were read before, or new ones. Headers that were rejected are not
// used again, by any call.
func (t *Transport) credentials(ctx context.Context, rejected *answer) (*answer, error) {
	t.mu.Lock()
	if rejected != nil && t.cached == rejected {
		t.cached = nil
	}
	if t.cached != nil && time.Now().Before(t.cached.until) {
		defer t.mu.Unlock()
		return t.cached, nil
	}
	if t.flight == nil {
		t.flight = &flight{done: make(chan struct{})}
		go t.fly(context.WithoutCancel(ctx), t.flight, rejected != nil)
	}
	current := t.flight
	t.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-current.done:
		return current.answer, current.err
	}
}

// fly reads the creds path.
func (t *Transport) fly(ctx context.Context, current *flight, unauthorized bool) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	query := url.Values{}
	if unauthorized {
		query.Set("unauthorized", "true")
	}
	asked := time.Now()
	secret, err := t.Vault.Logical().ReadWithDataWithContext(ctx, t.Path, query)
	if err == nil {
		current.answer, err = t.parse(secret, asked)
	}
	current.err = err
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cached, t.flight = current.answer, nil
	close(current.done)
}

// parse reads Vault's answer to a request that was sent at an instant.
func (t *Transport) parse(secret *api.Secret, asked time.Time) (*answer, error) {
	if secret == nil {
		return nil, fmt.Errorf("the answer of %s is empty", t.Path)
	}
	sent, is := secret.Data["headers"].(map[string]any)
	if !is || len(sent) == 0 {
		return nil, fmt.Errorf("the answer of %s has no headers", t.Path)
	}
	got := &answer{headers: map[string]string{}}
	for name, value := range sent {
		text, is := value.(string)
		if !is {
			return nil, fmt.Errorf("the answer of %s has a header that is not a string", t.Path)
		}
		got.headers[name] = text
	}
	got.url, _ = secret.Data["url"].(string)
	got.base, _ = secret.Data["base_url"].(string)
	if got.url == "" && got.base == "" {
		return nil, fmt.Errorf("the answer of %s does not say what address its headers are for", t.Path)
	}
	got.until = asked.Add(lifeOf(secret))
	return got, nil
}

// lifeOf is how long headers may be used: the ttl in the answer, or what is left of the lease less a margin.
func lifeOf(secret *api.Secret) time.Duration {
	if number, is := secret.Data["ttl"].(interface{ Int64() (int64, error) }); is && secret.LeaseID == "" {
		if seconds, err := number.Int64(); err == nil {
			return time.Duration(seconds) * time.Second
		}
	}
	life := time.Duration(secret.LeaseDuration) * time.Second
	return life - min(margin, life/2)
}

// isFor says whether headers are for a call to an address: to exactly that of a signed call, or to one below the API's base URL.
func (a *answer) isFor(target *url.URL) bool {
	if a.url != "" {
		return a.url == target.String()
	}
	base, err := url.Parse(a.base)
	if err != nil || base.Scheme != target.Scheme || !strings.EqualFold(base.Host, target.Host) || target.User != nil {
		return false
	}
	below := strings.TrimRight(base.EscapedPath(), "/") + "/"
	return strings.HasPrefix(target.EscapedPath(), below) && !hasDotSegment(target)
}

// hasDotSegment says whether a path has a segment that a server may resolve to somewhere above it.
func hasDotSegment(target *url.URL) bool {
	for _, segment := range strings.FieldsFunc(target.Path, func(r rune) bool { return r == '/' || r == '\\' }) {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
