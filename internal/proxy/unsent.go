package proxy

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// Unsent is a call below a route that the proxy does not send: a gateway does, or nobody.
type Unsent struct{ Method, RequestString string }

func (u Unsent) String() string { return u.Method + " " + u.RequestString }

// Sign has the call signed, with {} as its body where bodies are signed: a scheme may require one. Its errors are the
// signer's, or a *signing.TargetError.
func (u Unsent) Sign(ctx context.Context, route *Route, signer signing.Signer) (*signing.Signed, error) {
	path, query, _ := strings.Cut(u.RequestString, "?")
	call := &http.Request{Method: u.Method, URL: &url.URL{Opaque: path, RawQuery: query}, Header: http.Header{}}
	if route.sendsBody() && slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch}, u.Method) {
		body := signing.NewText("{}")
		call.Body, call.GetBody = body, func() (io.ReadCloser, error) { return body, nil }
		call.Header.Set("Content-Type", "application/json")
	}
	parameters, err := signing.Parameters(call, route.Send)
	if err != nil {
		return nil, err
	}
	signed, err := signer.Sign(ctx, signing.Call{Parameters: parameters})
	if err != nil {
		return nil, err
	}
	_, err = signed.Target(call.URL)
	return signed, err
}

// Samples are calls that the route allows: one for each pattern, with 0 for each wildcard, and one for each option that
// admits more bytes.
func (r *Route) Samples() []Unsent {
	var samples, options []Unsent
	for _, pattern := range r.allow.patterns {
		method, path, _ := strings.Cut(pattern, " ")
		plain, encoded := sampleOf(path, "0"), sampleOf(path, "0%2F0")
		samples = append(samples, Unsent{method, plain})
		if r.EncodedSlashes && encoded != plain {
			options = []Unsent{{method, encoded}}
		}
	}
	if r.QueriesAsSent {
		options = append(options, Unsent{samples[0].Method, samples[0].RequestString + "?a=1,2;b=3"})
	}
	return append(samples, options...)
}
