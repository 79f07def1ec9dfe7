package scheme

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// LoginCall is the request that a login makes.
type LoginCall struct {
	Method string
	// URL is the address, the path and the query as they are sent. It may have secrets in it: never print it.
	URL    string
	Header http.Header
	// Body is nil for an empty one.
	Body []byte

	// sent are the parts of the request as an example wants them.
	sent loginTexts
	// secrets are the texts that the answer may not give back.
	secrets []string
	signer  *Signer
}

// loginTexts are the parts of a login's request.
type loginTexts struct {
	path, query string
	headers     map[string]string
	body        string // the form, json or body
}

// Format prints no part of the call, because most have secrets in them.
func (c LoginCall) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "the request of a login") }

var (
	errNoLogin = errors.New("the scheme has no login")
	errNoGives = errors.New("nothing was given by a login, which the scheme has")
)

// Login makes the request of a login. Each attempt has one of its own. An error is about the config's fields or a
// private key, and quotes no value.
func (s *Signer) Login(m Moment) (LoginCall, error) {
	made := s.scheme.login
	if made == nil {
		return LoginCall{}, errNoLogin
	}
	e := &environment{now: m.Now.UTC(), values: slices.Clone(s.values), keys: s.keys}
	e.values[slotUUID], e.values[slotNonce] = m.UUID, m.Nonce
	for _, let := range made.lets {
		let(e)
	}
	c := LoginCall{Method: made.method, Header: http.Header{}, signer: s}
	c.sent = loginTexts{path: made.path.value(e), query: encodedPairs(made.query, e), headers: map[string]string{}}
	c.Header.Set("Accept", "application/json")
	if err := c.setHeaders(made, e); err != nil {
		return LoginCall{}, err
	}
	switch {
	case made.form != nil:
		c.sent.body = encodedPairs(made.form, e)
		c.setDefault(contentType, "application/x-www-form-urlencoded")
	case made.json != nil:
		c.sent.body = jsonObject(made.json, e)
		c.setDefault(contentType, "application/json")
	case made.body != nil:
		c.sent.body = made.body[0].value(e)
	}
	if e.failure != nil {
		return LoginCall{}, e.failure
	}
	if c.sent.body != "" {
		c.Body = []byte(c.sent.body)
	}
	c.URL = s.LoginAddress() + withParameters(c.sent.path, c.sent.query)
	c.keepSecrets(made, e)
	return c, nil
}

// setHeaders sets the declared headers.
func (c *LoginCall) setHeaders(made *loginRequest, e *environment) error {
	for _, header := range slices.Concat(made.headers, made.mimeType) {
		value := header.value(e)
		if len(value) > maxLoginHeader || !sendable(value) {
			return fmt.Errorf("%s cannot be sent: a header is printable ASCII, without a space at either end; the config's "+
				"fields or its scheme must be changed", header.place)
		}
		name := header.name
		if header.place == "login.content_type" {
			name = contentType
		}
		c.sent.headers[name] = value
		// net/http and the defaults know these by their canonical names; others keep their spelling.
		if canonical := http.CanonicalHeaderKey(name); slices.Contains(ownHeaders, canonical) {
			name = canonical
		}
		if value != "" {
			c.Header[name] = []string{value}
		}
	}
	return nil
}

// ownHeaders are those that have a default.
var ownHeaders = []string{"Accept", "User-Agent", contentType}

func (c *LoginCall) setDefault(name, value string) {
	if c.Header.Get(name) == "" {
		c.Header.Set(name, value)
	}
}

// encodedPairs are names and values, percent-encoded, as a query or a form has them. Empty ones are left out.
func encodedPairs(outputs []output, e *environment) string {
	var encoded []string
	for _, output := range outputs {
		if value := output.value(e); value != "" {
			encoded = append(encoded, encodedPair(output.name, value))
		}
	}
	return strings.Join(encoded, "&")
}

func encodedPair(name, value string) string { return percentEncode(name) + "=" + percentEncode(value) }

// withParameters is a request string with parameters after its own, which are encoded already; "" for none.
func withParameters(target, encoded string) string {
	switch {
	case encoded == "":
		return target
	case strings.Contains(target, "?"):
		return target + "&" + encoded
	}
	return target + "?" + encoded
}

// jsonObject is an object of strings. Empty ones are left out.
func jsonObject(outputs []output, e *environment) string {
	var members []string
	for _, output := range outputs {
		if value := output.value(e); value != "" {
			members = append(members, jsonString(output.name)+":"+jsonString(value))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}
