package signing

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Transport makes calls with headers from a Signer.
type Transport struct {
	Signer Signer
	// Send names the parameters that a call is signed with.
	Send []string
	// Next sends the calls. What it gets is for this call alone, except for Trailer.
	Next http.RoundTripper
}

// Do has a call signed, and sends it where it goes; see Target. After a 401 it does both once more, if the call's body
// can be sent again; else the 401 is the answer, and rejected. sent reports whether Next has got the call's body, which
// it closes.
func (t *Transport) Do(request *http.Request) (response *http.Response, sent bool, err error) {
	parameters, err := Parameters(request, t.Send)
	if err != nil {
		return nil, false, err
	}
	response, used, err := t.attempt(request, Call{Parameters: parameters})
	if err != nil || response.StatusCode != http.StatusUnauthorized {
		return response, used != nil, err
	}
	again := request.WithContext(request.Context())
	if hasBody(request) && !rewind(again) {
		t.Signer.Reject(used)
		return response, true, nil
	}
	// A short answer is read, so that its connection can be used again.
	_, _ = io.CopyN(io.Discard, response.Body, 16<<10)
	_ = response.Body.Close()
	response, used, err = t.attempt(again, Call{Parameters: parameters, Rejected: used})
	if used == nil && again.Body != nil {
		_ = again.Body.Close()
	}
	return response, true, err
}

// rewind reports whether a request has its body once more.
func rewind(request *http.Request) bool {
	if request.GetBody == nil {
		return false
	}
	body, err := request.GetBody()
	request.Body = body
	return err == nil
}

// attempt sends a call once, and returns with what; nil if it was not sent.
func (t *Transport) attempt(request *http.Request, call Call) (*http.Response, *Signed, error) {
	signed, err := t.Signer.Sign(request.Context(), call)
	if err != nil {
		return nil, nil, err
	}
	target, err := signed.Target(request.URL)
	if err != nil {
		return nil, nil, err
	}
	out := request.WithContext(request.Context())
	out.URL, out.Header = target, request.Header.Clone()
	if out.Header == nil {
		out.Header = http.Header{}
	}
	signed.dress(out.Header)
	response, err := t.Next.RoundTrip(out)
	return response, signed, err
}

func hasBody(request *http.Request) bool { return request.Body != nil && request.Body != http.NoBody }

// The parameters that a call can be signed with.
const (
	Method        = "method"
	RequestString = "request_string"
	BodySHA256    = "body_sha256"
)

// Parameters are those of a call that a path of the engine is sent. The call's body stays unread.
func Parameters(request *http.Request, names []string) (map[string]any, error) {
	parameters := make(map[string]any, len(names))
	for _, name := range names {
		switch name {
		case RequestString:
			parameters[name] = request.URL.RequestURI()
		case Method:
			parameters[name] = request.Method
		case BodySHA256:
			sum, err := bodySHA256(request)
			if err != nil {
				return nil, err
			}
			parameters[name] = sum
		default:
			const text = "the transport cannot send %q to Vault; it can send request_string, method and body_sha256"
			return nil, fmt.Errorf(text, name)
		}
	}
	return parameters, nil
}

// bodySHA256 is the SHA-256 of a call's body in lower-case hex.
func bodySHA256(request *http.Request) (string, error) {
	hash := sha256.New()
	if hasBody(request) {
		if request.GetBody == nil {
			const text = "the call's body can be read only once, so its hash cannot be signed: give the request a GetBody"
			return "", errors.New(text)
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
