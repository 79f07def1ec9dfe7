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
//   - sign/avanan/<name>/batch: the same, but calls that come in at the same time are signed by one request to Vault. Other
//     vendors have no batch path.
//   - creds/<vendor>/<name>: the headers that Vault returns are used for every call, until Vault's answer says that they are
//     old. Many concurrent calls wait for one read.
//
// It sends a call only where Vault's answer says that the headers are for, and follows no redirect: signed headers would go to
// a host that somebody else chose. After a 401 it reports that to Vault and tries once more.
package client

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/hashicorp/vault/api"
)

// Transport is an http.RoundTripper that gets the headers of each call from Vault. Its fields must not change once it is used. It
// is safe for concurrent use.
type Transport struct {
	// Vault is the client that reads the headers. Its token needs update on a sign or batch path, or read on a creds path; and with
	// allowed_parameters in its policy, the parameter unauthorized. If many calls are signed at once, set MaxIdleConnsPerHost
	// of its transport: by default it keeps one connection more than there are processors, and opens others for each call. Required.
	Vault *api.Client
	// Path is the engine's path: its mount, sign or creds, the vendor, the config's name, and batch for a batch path. Required.
	Path string
	// Send names what a sign path is sent of a call: "request_string", "method", "body_sha256"; nil is request_string alone. A declared
	// API says in its config's request which of them it takes. body_sha256 needs a body that can be read twice: one with GetBody, which
	// http.NewRequest makes for buffers and strings. The hash is in lower-case hex, that of no body is the hash of nothing.
	Send []string
	// Next sends the calls; nil is http.DefaultTransport.
	Next http.RoundTripper

	once   sync.Once
	signer *Signer
}

// RoundTrip sends a call with the headers from Vault, which replace those of the same names. It sends nothing, and returns an
// error, if Vault's answer is for another address, or if the call is a redirect that an http.Client follows.
//
// If the vendor answers 401, it reports that to Vault and sends the call once more. If the call has a body that cannot be sent
// again (GetBody is nil), the 401 is returned, and reported when the next call is signed.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, used, err := t.attempt(request, nil)
	if err != nil || response.StatusCode != http.StatusUnauthorized {
		return response, err
	}
	again := request.Clone(request.Context())
	switch {
	case request.Body == nil || request.Body == http.NoBody:
	case request.GetBody == nil:
		t.signer.Reject(used)
		return response, nil
	default:
		if again.Body, err = request.GetBody(); err != nil {
			t.signer.Reject(used)
			return response, nil //nolint:nilerr // the body cannot be sent again, so the 401 is the answer
		}
	}
	_ = response.Body.Close()
	response, _, err = t.attempt(again, used)
	return response, err
}

// attempt sends a call once, and returns the headers that it used. rejected are those that the vendor answered with 401, nil in
// the first attempt. It closes the call's body, as a RoundTripper must, also when it sends nothing.
func (t *Transport) attempt(request *http.Request, rejected *Signed) (*http.Response, *Signed, error) {
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
func (t *Transport) sign(request *http.Request, rejected *Signed) (*http.Request, *Signed, error) {
	if request.Response != nil {
		return nil, nil, errors.New("the vendor answered with a redirect, which is not followed")
	}
	t.once.Do(func() { t.signer = &Signer{Vault: t.Vault, Path: t.Path} })
	parameters, err := t.parameters(request)
	if err != nil {
		return nil, nil, err
	}
	got, err := t.signer.Sign(request.Context(), Call{Parameters: parameters, Rejected: rejected})
	if err != nil {
		return nil, nil, err
	}
	target, isFor := got.target(request.URL)
	if !isFor {
		return nil, nil, fmt.Errorf("what %s returned is for %s, which is not where this call goes; nothing was sent",
			t.Path, got.address())
	}
	signed := request.Clone(request.Context())
	signed.URL = target
	if signed.Header == nil {
		signed.Header = http.Header{}
	}
	for name, value := range got.Headers {
		setHeader(signed.Header, name, value)
	}
	return signed, got, nil
}

// setHeader sets a header in place of the call's own, however those are spelled. Its name keeps its spelling, which some vendors
// compare, unless net/http looks for the header under its canonical name, and would send one of its own beside it.
func setHeader(header http.Header, name, value string) {
	for other := range header {
		if strings.EqualFold(other, name) {
			delete(header, other)
		}
	}
	switch canonical := http.CanonicalHeaderKey(name); canonical {
	case "User-Agent", "Accept-Encoding", "Range":
		name = canonical
	}
	header[name] = []string{value}
}

// parameters are what a sign path is sent of a call.
func (t *Transport) parameters(request *http.Request) (map[string]any, error) {
	send := t.Send
	if send == nil {
		send = []string{"request_string"}
	}
	parameters := make(map[string]any, len(send))
	for _, name := range send {
		switch name {
		case "request_string":
			parameters[name] = request.URL.RequestURI()
		case "method":
			parameters[name] = request.Method
		case "body_sha256":
			sum, err := bodySHA256(request)
			if err != nil {
				return nil, err
			}
			parameters[name] = sum
		default:
			return nil, fmt.Errorf("the transport cannot send %q to Vault; it can send request_string, method and body_sha256", name)
		}
	}
	return parameters, nil
}

// bodySHA256 is the SHA-256 of a call's body in lower-case hex. The body stays unread.
func bodySHA256(request *http.Request) (string, error) {
	hash := sha256.New()
	if request.Body != nil && request.Body != http.NoBody {
		if request.GetBody == nil {
			return "", errors.New("the call's body can be read only once, so its hash cannot be signed: give the request a GetBody")
		}
		body, err := request.GetBody()
		if err != nil {
			return "", fmt.Errorf("reading the call's body: %w", err)
		}
		defer body.Close()
		if _, err := io.Copy(hash, body); err != nil {
			return "", fmt.Errorf("reading the call's body: %w", err)
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
