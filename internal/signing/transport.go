package signing

import (
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

// Do has a call signed, and sends it where it goes; see Target. If Vault's answer has a body, that is sent in place of
// the call's. After a 401 it does both once more, if the call's body can be sent again; else the 401 is the answer, and
// rejected. sent reports whether Next has got the call's body, which it closes.
func (t *Transport) Do(request *http.Request) (response *http.Response, sent bool, err error) {
	parameters, err := Parameters(request, t.Send)
	if err != nil {
		return nil, false, err
	}
	response, used, err := t.attempt(request, Call{Parameters: parameters})
	sent = used.sendsOwn()
	if err != nil || response.StatusCode != http.StatusUnauthorized {
		return response, sent, err
	}
	again := request.WithContext(request.Context())
	if hasBody(request) && !rewind(again) {
		t.Signer.Reject(used)
		return response, sent, nil
	}
	// A short answer is read, so that its connection can be used again.
	_, _ = io.CopyN(io.Discard, response.Body, 16<<10)
	_ = response.Body.Close()
	response, used, err = t.attempt(again, Call{Parameters: parameters, Rejected: used})
	if !used.sendsOwn() && hasBody(request) { // again has a body of its own
		_ = again.Body.Close()
	}
	return response, sent, err
}

// sendsOwn reports whether a call was sent, and with its own body.
func (s *Signed) sendsOwn() bool { return s != nil && s.Body == nil }

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
	if signed.Body != nil {
		carry(out, *signed.Body)
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
	Body          = "body"
	ContentType   = "content_type"
	BodySHA256    = "body_sha256"
)

// parameters are those that a call can be signed with, and how each is made. One that is "" because the call has no
// such thing is left out, as a scheme's optional fields are.
var parameters = map[string]struct {
	of       func(*http.Request) (string, error)
	optional bool
}{
	Method:        {of: func(request *http.Request) (string, error) { return request.Method, nil }},
	RequestString: {of: func(request *http.Request) (string, error) { return request.URL.RequestURI(), nil }},
	Body:          {of: bodyText, optional: true},
	ContentType:   {of: contentType, optional: true},
	BodySHA256:    {of: bodySHA256},
}

// Parameters are those of a call that a path of the engine is sent. The call's body stays unread. A *CallError says
// that the call cannot be signed.
func Parameters(request *http.Request, names []string) (map[string]any, error) {
	made := make(map[string]any, len(names))
	for _, name := range names {
		parameter, known := parameters[name]
		if !known {
			const text = "the transport cannot send %q to Vault; it can send method, request_string, body, content_type and " +
				"body_sha256"
			return nil, fmt.Errorf(text, name)
		}
		value, err := parameter.of(request)
		if err != nil {
			return nil, err
		}
		if value != "" || !parameter.optional {
			made[name] = value
		}
	}
	return made, nil
}
