package signing

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strings"
	"unicode/utf8"
)

// MaxBody is the longest body that Vault signs as a text, in bytes.
const MaxBody = 64 << 10

// CallError says why a call cannot be signed. Nothing of it was sent.
type CallError struct {
	// Status is what a server answers to such a call.
	Status int
	Reason string
}

func (e *CallError) Error() string { return e.Reason }

// Text is a body that is in memory as a text. Its readers do not copy it.
type Text struct {
	*strings.Reader
	whole string
}

// NewText returns a body with a text, to be read from its beginning.
func NewText(text string) Text { return Text{strings.NewReader(text), text} }

// Close does nothing.
func (Text) Close() error { return nil }

// carry has a call carry a text in place of its own body.
func carry(out *http.Request, text string) {
	for name := range out.Header {
		if ofBody(PlainName(name)) {
			delete(out.Header, name)
		}
	}
	out.Body, out.ContentLength = http.NoBody, int64(len(text))
	out.Trailer, out.TransferEncoding = nil, nil
	out.GetBody = func() (io.ReadCloser, error) { return NewText(text), nil }
	if text != "" {
		out.Body = NewText(text)
	}
}

// ofBody reports whether a header is about the body of its call.
func ofBody(plain string) bool {
	return strings.HasPrefix(plain, "content-") || plain == "digest" || plain == "repr-digest" || plain == "expect"
}

// openBody returns the body of a call, which stays unread.
func openBody(request *http.Request) (io.ReadCloser, error) {
	switch {
	case !hasBody(request):
		return http.NoBody, nil
	case request.GetBody == nil:
		return nil, errors.New("the call's body can be read only once, so it cannot be signed: give the request a GetBody")
	}
	body, err := request.GetBody()
	if err != nil {
		return nil, fmt.Errorf("reading the call's body: %w", err)
	}
	return body, nil
}

// bodySHA256 is the SHA-256 of a call's body in lower-case hex.
func bodySHA256(request *http.Request) (string, error) {
	body, err := openBody(request)
	if err != nil {
		return "", err
	}
	defer body.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, body); err != nil {
		return "", fmt.Errorf("reading the call's body: %w", err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// bodyText is a call's body as a text; "" if there is none.
func bodyText(request *http.Request) (string, error) {
	body, err := openBody(request)
	if err != nil {
		return "", err
	}
	defer body.Close()
	known, _ := body.(Text)
	text := known.whole
	if text == "" {
		read, err := io.ReadAll(io.LimitReader(body, MaxBody+1))
		if err != nil {
			return "", fmt.Errorf("reading the call's body: %w", err)
		}
		text = string(read)
	}
	switch {
	case len(text) > MaxBody:
		return "", &CallError{
			http.StatusRequestEntityTooLarge, "the body is longer than 64 KiB, so it cannot be signed as a text",
		}
	case !utf8.ValidString(text):
		return "", &CallError{http.StatusBadRequest, "the body is not UTF-8, so it cannot be signed as a text"}
	}
	return text, nil
}

// contentType is the Content-Type of a call; "" if there is none.
func contentType(request *http.Request) (string, error) {
	var found []string
	for name, values := range request.Header {
		if PlainName(name) == "content-type" {
			found = append(found, values...)
		}
	}
	switch len(found) {
	case 0:
		return "", nil
	case 1:
		return textproto.TrimString(found[0]), nil // as it is sent
	default:
		return "", &CallError{http.StatusBadRequest, "the call has more than one Content-Type"}
	}
}
