package scheme

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/apisig/vault-plugin-apisig/internal/baseurl"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// Values are what a config has for a scheme.
type Values struct {
	// Secrets are as they are given, by name: not decoded yet.
	Secrets map[string]secret.Text
	// Fields are the public fields by name. One that is missing is "" if it is optional, and else has its default.
	Fields map[string]string
	// BaseURL is the API's address, as baseurl.Parse returns it.
	BaseURL string
}

// Moment is what differs from one signing to the next.
type Moment struct {
	Now time.Time
	// UUID is a version 4 UUID, and Nonce 32 random hex digits.
	UUID, Nonce string
	// Gives are what the last login gave, by their names; nil for a scheme without a login.
	Gives map[string]secret.Text
	// unsigned is as in environment.
	unsigned bool
}

// Signed is a signed request.
type Signed struct {
	// Headers are by name. No value is empty.
	Headers map[string]string
	// Query are query parameters by name, not encoded. No value is empty.
	Query map[string]string
	// Values are the scheme's values by name, which are not sent with the call. None is empty.
	Values map[string]string
	// Body is what the call carries, for a scheme that declares it: also "", in place of whatever the caller has.
	Body string
	// URL is where to send the request, with the query parameters appended; "" for a scheme without request_string.
	URL string
}

// Signer signs with the secrets of one config. It can be used concurrently.
type Signer struct {
	scheme *Scheme
	// values are those of the names by their slots: base_url, secrets and fields are set.
	values []string
	// keys are the key pairs by the names of the secrets. They are read once, which takes about as long as signing.
	keys map[string]*keyPair
	// givenTexts are the private keys, and the secrets that are decoded, as they were given: a login's answer may not give
	// them back. It is nil without a login.
	givenTexts []string
}

// Signer checks each value by itself and makes a signer. (CheckHidden compares them with the document.) An error is
// worded for the config's operator, names the value that it is about, and quotes none.
func (s *Scheme) Signer(v Values) (*Signer, error) {
	if err := checkBaseURL(v.BaseURL); err != nil {
		return nil, fmt.Errorf("base_url %w", err)
	}
	return s.signer(v)
}

func checkBaseURL(value string) error {
	if len(value) > maxBase {
		return fmt.Errorf("is longer than %d bytes", maxBase)
	}
	if _, err := baseurl.Parse(value); err != nil {
		return fmt.Errorf("%w; it must be %s", err, baseurl.Rule)
	}
	return checkPlain(value)
}

// cleanAddress is an address that was checked, as a config's is stored.
func cleanAddress(value string) string {
	clean, err := baseurl.Parse(value)
	if err != nil {
		return value
	}
	return clean
}

// Warnings says what is probably a mistake in the values of a config, which Signer accepts. It quotes none.
func (s *Scheme) Warnings(v Values) []string {
	whole, err := s.whole()
	if err != nil {
		return []string{err.Error()}
	}
	made, err := whole.signer(v)
	if err != nil {
		return []string{err.Error()}
	}
	e := &environment{values: made.values, keys: made.keys}
	for _, let := range whole.checked.lets {
		if let.compute != nil && !let.ofSecret { // what is decoded has no secret in it
			let.compute(e)
		}
	}
	var warnings []string
	for _, decoding := range whole.checked.decodings {
		warning := decoding.place + ": " + decoding.name + " of what the config has is empty: it is not " +
			strings.TrimPrefix(decoding.name, "un") + ", or is itself empty"
		if decoding.value(e) == "" && !slices.Contains(warnings, warning) {
			warnings = append(warnings, warning)
		}
	}
	return warnings
}

// signer is Signer for a base URL that was checked, or that an example does not need.
func (s *Scheme) signer(v Values) (*Signer, error) {
	values := append(make([]string, 0, s.slots), "", "", strings.TrimRight(v.BaseURL, "/")) // see slotBaseURL
	var keys map[string]*keyPair
	var givenTexts []string
	for _, f := range s.document.secrets {
		if f.key != "" {
			key, err := readKeyPair(v.Secrets[f.name], f.key)
			if err != nil {
				return nil, fmt.Errorf("%s %w", f.name, err)
			}
			if keys == nil {
				keys = map[string]*keyPair{}
			}
			keys[f.name] = key
			if s.login != nil {
				givenTexts = append(givenTexts, plainKey(v.Secrets[f.name].Reveal()))
			}
			values = append(values, f.name)
			continue
		}
		decoded, err := f.decode(v.Secrets[f.name])
		if err != nil {
			return nil, fmt.Errorf("%s %w", f.name, err)
		}
		if s.login != nil && f.encoding != encodingText {
			givenTexts = append(givenTexts, v.Secrets[f.name].Reveal())
		}
		values = append(values, decoded.Reveal())
	}
	for _, f := range s.document.fields {
		value, err := f.value(v.Fields)
		if err != nil {
			return nil, err
		}
		if f.address {
			value = cleanAddress(value)
		}
		values = append(values, value)
	}
	made := &Signer{scheme: s, values: values[:s.slots], keys: keys, givenTexts: givenTexts}
	return made, made.checkLogin()
}

// CheckField returns what is wrong with a value of one of the config's fields, worded to follow its name.
func (s *Scheme) CheckField(name, value string) error {
	for _, f := range s.document.fields {
		if f.name == name {
			return f.check(value)
		}
	}
	return errors.New("is not a field of the scheme")
}

// CheckSecret returns what is wrong with one of the secrets, worded to follow its name.
func (s *Scheme) CheckSecret(name string, given secret.Text) error {
	for _, f := range s.document.secrets {
		if f.name == name {
			return f.check(given)
		}
	}
	return errors.New("is not a secret of the scheme")
}

// RequestError is what is wrong with a request: the caller's mistake.
type RequestError struct{ text string }

func (e *RequestError) Error() string { return e.text }

func requestFault(format string, args ...any) *RequestError {
	return &RequestError{fmt.Sprintf(format, args...)}
}

// CheckRequest returns what Sign would find wrong with a request, before there is anything that a login gave. Private
// keys do not sign for it, and conditions on the moment are left to Sign. The error is a *RequestError.
func (s *Signer) CheckRequest(m Moment, request map[string]string) error {
	m.Gives, m.unsigned = map[string]secret.Text{}, true
	for _, name := range s.scheme.Gives() {
		m.Gives[name] = "x"
	}
	_, err := s.Sign(m, request)
	return err
}

// maxOutput is the size of the largest header or query parameter, in bytes.
const maxOutput = 8 << 10

// Sign signs a request, which has the values of the request fields by name; an optional one that is missing counts as
// "". The moment must have what the login gave, if the scheme has one. The error is a *RequestError, unless a private
// key did not sign, and quotes no value.
func (s *Signer) Sign(m Moment, request map[string]string) (Signed, error) {
	if s.scheme.login != nil && m.Gives == nil {
		return Signed{}, errNoGives
	}
	e, err := s.environment(m, request)
	if err != nil {
		return Signed{}, err
	}
	for _, compute := range s.scheme.lets {
		compute(e)
	}
	for _, condition := range s.scheme.conditions {
		if condition.value(e) == "" && (!m.unsigned || !condition.momentary) {
			return Signed{}, &RequestError{condition.name}
		}
	}
	signed := Signed{Headers: make(map[string]string, len(s.scheme.headers))}
	for _, header := range s.scheme.headers {
		value := header.value(e)
		if e.failure != nil {
			return Signed{}, e.failure
		}
		if !header.sends(value) {
			return Signed{}, requestFault("%s cannot be sent: a header is printable ASCII of at most %d bytes, without a space "+
				"at either end", header.place, header.limit())
		}
		if value != "" {
			signed.Headers[header.name] = value
		}
	}
	for _, output := range s.scheme.values {
		value := output.value(e)
		if e.failure != nil {
			return Signed{}, e.failure
		}
		if !output.sends(value) {
			return Signed{}, requestFault("%s cannot be answered: a value is printable ASCII of at most %d bytes, without a "+
				"space at either end", output.place, output.limit())
		}
		if value == "" {
			continue
		}
		if signed.Values == nil {
			signed.Values = make(map[string]string, len(s.scheme.values))
		}
		signed.Values[output.name] = value
	}
	if body := s.scheme.body; body != nil {
		signed.Body = body.value(e)
		if e.failure != nil {
			return Signed{}, e.failure
		}
		if !utf8.ValidString(signed.Body) { // decoded_query can give any byte
			return Signed{}, &RequestError{body.place + " cannot be sent: it is not UTF-8"}
		}
	}
	return s.withQuery(signed, e, request)
}

// limit is the size of the largest value that can be sent. What a login gives may be larger than a header of others.
func (o output) limit() int {
	if o.given {
		return maxOutput + maxGiven
	}
	return maxOutput
}

// sends reports whether a value can be sent in a header.
func (o output) sends(value string) bool { return len(value) <= o.limit() && sendable(value) }

// sendable reports whether a text has only what a header can have.
func sendable(value string) bool { return printable(value) && strings.TrimSpace(value) == value }

// environment has what a request's expressions are computed from, but no lets yet. The error is a *RequestError.
func (s *Signer) environment(m Moment, request map[string]string) (*environment, error) {
	d := s.scheme.document
	e := &environment{now: m.Now.UTC(), values: slices.Clone(s.values), keys: s.keys, unsigned: m.unsigned}
	e.values[slotUUID], e.values[slotNonce] = m.UUID, m.Nonce
	for i, f := range d.request {
		value, err := f.value(request)
		if err != nil {
			return nil, &RequestError{err.Error()}
		}
		e.values[firstSlot+len(d.secrets)+len(d.fields)+i] = value
	}
	if login := s.scheme.login; login != nil {
		first := firstSlot + len(d.secrets) + len(d.fields) + len(d.request)
		for i, a := range login.answers {
			e.values[first+i] = m.Gives[a.name].Reveal()
		}
	}
	return e, nil
}

// withQuery adds the query parameters and the url.
func (s *Signer) withQuery(signed Signed, e *environment, request map[string]string) (Signed, error) {
	target, hasTarget := request[requestString]
	hasTarget = hasTarget && slices.Contains(s.scheme.Request(), requestString)
	encoded := ""
	for _, parameter := range s.scheme.query {
		if hasTarget && hasParameter(target, parameter.name) {
			return Signed{}, &RequestError{requestString + " has a parameter in its query that the scheme appends: " +
				"" + parameter.name}
		}
		value := parameter.value(e)
		if e.failure != nil {
			return Signed{}, e.failure
		}
		if len(value) > parameter.limit() {
			return Signed{}, requestFault("%s cannot be sent: a query parameter has at most %d bytes", parameter.place,
				parameter.limit())
		}
		if value == "" {
			continue
		}
		if signed.Query == nil {
			signed.Query = make(map[string]string, len(s.scheme.query))
		}
		signed.Query[parameter.name] = value
		if encoded != "" {
			encoded += "&"
		}
		encoded += encodedPair(parameter.name, value)
	}
	if hasTarget {
		signed.URL = e.values[slotBaseURL] + withParameters(target, encoded)
	}
	return signed, nil
}

// hasParameter reports whether a request string's query has a parameter, however its name is spelled. Servers differ in
// what separates parameters, so ; counts as well as &.
func hasParameter(target, name string) bool {
	for _, piece := range strings.FieldsFunc(queryOf(target), func(r rune) bool { return r == '&' || r == ';' }) {
		spelled, _, _ := strings.Cut(piece, "=")
		for decoded := formDecode(spelled); decoded != spelled; decoded = formDecode(spelled) {
			spelled = decoded
		}
		if strings.EqualFold(parameterName(spelled), parameterName(name)) {
			return true
		}
	}
	return false
}

// parameterName is a decoded name of a parameter as the most lenient servers read it. PHP drops blanks in front of it,
// ends it at a NUL or a bracket (sig[] and sig[a] are parts of sig), and reads a dot or a blank within it as _. Others
// take [sig] for sig.
func parameterName(name string) string {
	name = strings.TrimLeftFunc(name, func(r rune) bool { return r <= ' ' || r == '[' })
	if end := strings.IndexAny(name, "[]\x00"); end >= 0 {
		name = name[:end]
	}
	name = strings.TrimRightFunc(name, func(r rune) bool { return r <= ' ' })
	return strings.NewReplacer(".", "_", " ", "_").Replace(name)
}
