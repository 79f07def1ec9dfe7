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
//   - sign/<vendor>/<name>/batch: the same, but calls that come in at the same time are signed by one request to Vault.
//   - creds/<vendor>/<name>: the headers that Vault returns are used for every call, until Vault's answer says that
//     they are old. Many concurrent calls wait for one read.
//
// It sends a call only where Vault's answer says that the headers are for, and follows no redirect: signed headers
// would go to a host that somebody else chose. After a 401 it reports that to Vault and tries once more.
package client

import (
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/hashicorp/vault/api"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// Transport is an http.RoundTripper that gets the headers of each call from Vault. Its fields must not change once it
// is used. It is safe for concurrent use.
type Transport struct {
	// Vault is the client that reads the headers. Its token needs update on a sign or batch path, or read on a creds path;
	// and with allowed_parameters in its policy, the parameter unauthorized. If many calls are signed at once, set
	// MaxIdleConnsPerHost of its transport: by default it keeps one connection more than there are processors, and opens
	// others for each call. Required.
	Vault *api.Client
	// Path is the engine's path: its mount, sign or creds, the vendor, the config's name, and batch for a batch path.
	// Required.
	Path string
	// Send names what a sign path is sent of a call: "request_string", "method", "body", "content_type", "body_sha256";
	// nil is request_string alone. A declared API says in its config's request which of them it takes. To send body or
	// body_sha256, the call's body must be one that can be read twice: one with GetBody, which http.NewRequest makes for
	// buffers and strings. body is UTF-8 of at most 64 KiB, and left out if the call has none, as content_type is.
	// body_sha256 is in lower-case hex, and that of no body is the hash of nothing.
	Send []string
	// Next sends the calls; nil is http.DefaultTransport.
	Next http.RoundTripper

	once   sync.Once
	signed signing.Transport
}

// RoundTrip sends a call with the headers from Vault, which replace those of the same names, and with the body of
// Vault's answer, if that has one, in place of its own. It sends nothing, and returns an error, if Vault's answer is
// for another address, or if the call is a redirect that an http.Client follows.
//
// If the vendor answers 401, it reports that to Vault and sends the call once more. If the call has a body that cannot
// be sent again (GetBody is nil), the 401 is returned, and reported when the next call is signed.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	t.once.Do(func() { t.signed = t.transport() })
	response, sent, err := t.do(request)
	if !sent && request.Body != nil {
		_ = request.Body.Close() // as a RoundTripper must
	}
	return response, err
}

func (t *Transport) do(request *http.Request) (response *http.Response, sent bool, err error) {
	switch {
	case request.Response != nil:
		return nil, false, errors.New("the vendor answered with a redirect, which is not followed")
	case request.URL.Host == "":
		return nil, false, errors.New("the call's URL has no host")
	}
	response, sent, err = t.signed.Do(request)
	if other, is := errors.AsType[*signing.TargetError](err); is {
		const text = "what %s returned is for %s, which is not where this call goes; nothing was sent"
		err = fmt.Errorf(text, t.Path, other.Address)
	}
	return response, sent, err
}

func (t *Transport) transport() signing.Transport {
	made := signing.Transport{Signer: &Signer{Vault: t.Vault, Path: t.Path}, Send: t.Send, Next: t.Next}
	if made.Send == nil {
		made.Send = []string{signing.RequestString}
	}
	if made.Next == nil {
		made.Next = http.DefaultTransport
	}
	return made
}
