package scheme

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// Sizes of what an answer gives, in bytes.
const (
	maxAnswer           = 256 << 10 // of the answer itself
	defaultGiven        = 8 << 10
	maxGiven            = 16 << 10
	maxPointer          = 512
	maxCookieOrSelector = 128
)

// answerField names a value of an answer, and says where it stands: at a pointer, in a header, in a cookie, or as the
// whole body.
type answerField struct {
	name, place    string
	header, cookie string
	pointer        *pointer
	body           bool
	max            int
}

// readAnswerField reads where an answer has a value.
func readAnswerField(p pair) answerField {
	place := "login.answer." + p.key
	read := answerField{name: p.key, place: place, max: defaultGiven}
	options := texts(p.value, place, answerShape.keyNames()...)
	ways := 0
	for name, text := range options {
		at := place + "." + name
		switch name {
		case "pointer":
			read.pointer = readPointer(text, at)
		case "header":
			if len(text) > maxName || !headerPattern.MatchString(text) {
				panic(refuseAt(at, "must be the name of a header"))
			}
			read.header = text
		case "cookie":
			if len(text) > maxCookieOrSelector || !headerPattern.MatchString(text) {
				panic(refuseAt(at, "must be the name of a cookie"))
			}
			read.cookie = text
		case "body":
			if text != "true" {
				panic(refuseAt(at, "must be true: the whole body is the value"))
			}
			read.body = true
		case "max":
			var err error
			if read.max, err = strconv.Atoi(text); err != nil || read.max < 1 || read.max > maxGiven {
				panic(refuseAt(at, "must be a whole number from 1 to %d", maxGiven))
			}
			continue
		}
		ways++
	}
	if ways != 1 {
		panic(refuseAt(place, "must have one of pointer, header, cookie and body"))
	}
	return read
}

// checkAnswers refuses a login that gives nothing, or too much.
func (l *login) checkAnswers() {
	if len(l.answers) == 0 {
		panic(refuseAt("login.answer", "declare at least one name for what the answer has, such as access_token: "+
			"{pointer: /access_token}"))
	}
	sum := 0
	for _, a := range l.answers {
		sum += a.max
	}
	if sum > maxValue {
		panic(refuseAt("login.answer", "what the login gives can have more than %d bytes together; declare a smaller max",
			maxValue))
	}
}

// expectation is an address in the answer that must have the host of another one.
type expectation struct {
	place   string
	pointer *pointer
	// address is base_url, or a field that is an address.
	address string
}

func (d *document) readExpectation(p pair) expectation {
	if fault := valueFault(p.key); fault != "" {
		panic(refuseAt("login.expect, "+p.line, "%s", fault))
	}
	place := "login.expect." + p.key
	options := texts(p.value, place, expectShape.keyNames()...)
	read := expectation{place: place, address: options["is"]}
	read.pointer = requiredPointer(options, place)
	if read.address != baseURLName && !d.isAddress(read.address) {
		panic(refuseAt(place+".is", "must be base_url, or the name of a field with address: true"))
	}
	return read
}

// refusedIf says which answers of 2xx are refusals.
type refusedIf struct {
	pointer *pointer
	text    string
	// not says that every other text is a refusal.
	not bool
}

func readRefusedIf(node *yaml.Node) *refusedIf {
	if node == nil {
		return nil
	}
	const place = "login.refused"
	options := texts(node, place, refusedShape.keyNames()...)
	is, hasIs := options["is"]
	isNot, hasNot := options["is_not"]
	read := &refusedIf{pointer: requiredPointer(options, place), text: is + isNot, not: hasNot}
	if hasIs == hasNot {
		panic(refuseAt(place, "must have one of is and is_not"))
	}
	if len(read.text) > maxRefused || !printable(read.text) {
		panic(refuseAt(place, "what is compared must be printable ASCII of at most %d bytes", maxRefused))
	}
	return read
}

func requiredPointer(options map[string]string, place string) *pointer {
	text, given := options["pointer"]
	if !given {
		panic(refuseAt(place+".pointer", "is required: where the answer has it, such as /data/token"))
	}
	return readPointer(text, place+".pointer")
}

// LoginAnswer is a vendor's answer of 2xx to a login.
type LoginAnswer struct {
	Header http.Header
	Body   []byte
	// At is when the request was sent.
	At time.Time
}

// Gives are what a login gave.
type Gives struct {
	// Values are by the names that the document has for them.
	Values map[string]secret.Text
	// Life is how long they can be used, counted from when the request was sent.
	Life time.Duration
	// Assumed is why Life is the document's ttl although it says where the answer tells a life; else "".
	Assumed string
}

// ErrLoginRefused is the error of an answer of 2xx that the document says is a refusal.
var ErrLoginRefused = errors.New("the answer is a refusal, as login.refused has it")

// The errors of answers that make no sense. They quote nothing of the answer.
var (
	errGivesBack = errors.New("what login.answer or login.life takes has a secret of the config in it, or a part of the " +
		"request that was made with one; nothing of it is used")
	errAnswerSize = fmt.Errorf("the answer has more than %d bytes", maxAnswer)
)

// wrongAnswer is what is wrong with an answer, at a place in the document.
func wrongAnswer(place, fault string) error { return fmt.Errorf("%s: %s", place, fault) }

// Read takes what a login gives from the answer. The error is ErrLoginRefused if the document says that the answer is a
// refusal; any other is about an answer that makes no sense, names the place in the document, and quotes nothing of the
// answer.
func (c LoginCall) Read(a LoginAnswer) (Gives, error) {
	gives, taken, err := c.take(a)
	if err != nil {
		return Gives{}, err
	}
	if c.givesBack(taken) {
		return Gives{}, errGivesBack
	}
	return gives, nil
}

// take is Read, and lets an answer give secrets back. taken is all that it takes: the values, these joined in the
// document's order, and what tells the life, which readers see in the answer's expires_at.
func (c LoginCall) take(a LoginAnswer) (gives Gives, taken []string, err error) {
	if c.signer == nil {
		return Gives{}, nil, errNoLogin
	}
	l := &c.signer.scheme.login.loginRules
	if len(a.Body) > maxAnswer {
		return Gives{}, nil, errAnswerSize
	}
	body := newJSONText(a.Body)
	if err := l.readable(body); err != nil {
		return Gives{}, nil, err
	}
	if err := l.refuses(body); err != nil {
		return Gives{}, nil, err
	}
	for _, expected := range l.expected {
		found, is, err := body.find(expected.pointer)
		if err == nil && is && (found.kind != jsonQuoted || !sameHost(found.text, c.signer.address(expected.address))) {
			err = errors.New("is not an address with the host of " + expected.address)
		}
		if err != nil {
			return Gives{}, nil, wrongAnswer(expected.place, err.Error())
		}
	}
	gives.Values = make(map[string]secret.Text, len(l.answers))
	for _, field := range l.answers {
		value, err := field.value(a, body)
		if err == nil {
			err = field.check(value)
		}
		if err != nil {
			return Gives{}, nil, wrongAnswer(field.place, err.Error())
		}
		gives.Values[field.name] = secret.Text(value)
		taken = append(taken, value)
	}
	gives.Life, gives.Assumed, err = l.life(body, gives.Values, a.At)
	taken = append(taken, strings.Join(taken, ""))
	return gives, append(taken, l.tells(body)...), err
}

// readable refuses a body that must be JSON and is not.
func (l *loginRules) readable(body *jsonText) error {
	needed := len(l.expected) > 0 || slices.ContainsFunc(l.answers, func(a answerField) bool { return a.pointer != nil })
	used := needed || l.refused != nil || slices.ContainsFunc(l.lives, func(f life) bool { return f.pointer != nil })
	if needed || used && !errors.Is(body.err, errNotJSON) {
		return body.err
	}
	return nil
}

// refuses returns ErrLoginRefused for a refusal.
func (l *loginRules) refuses(body *jsonText) error {
	if l.refused == nil {
		return nil
	}
	found, is, err := body.find(l.refused.pointer)
	if err == nil && is && found.kind == jsonComposite {
		err = errors.New("is an object or a list in the answer")
	}
	if err != nil {
		return wrongAnswer("login.refused", err.Error())
	}
	if is && (found.text == l.refused.text) != l.refused.not {
		return ErrLoginRefused
	}
	return nil
}

var (
	errAbsent  = errors.New("is not in the answer")
	errTwice   = errors.New("is in the answer more than once")
	errNoValue = errors.New("must be a string or a number in the answer")
)

// value is what the answer has for a field.
func (f answerField) value(a LoginAnswer, body *jsonText) (string, error) {
	switch {
	case f.header != "":
		values := a.Header.Values(f.header)
		if len(values) == 0 {
			return "", errAbsent
		}
		if len(values) > 1 {
			return "", errTwice
		}
		return values[0], nil
	case f.cookie != "":
		return cookie(a.Header.Values("Set-Cookie"), f.cookie)
	case f.body:
		text := bytes.Trim(a.Body, " \t\r\n")
		if whole := newJSONText(text); whole.err == nil && bytes.HasPrefix(text, []byte(`"`)) {
			found, _, err := whole.find(&pointer{})
			return found.text, err
		}
		return string(text), nil
	}
	found, is, err := body.find(f.pointer)
	switch {
	case err != nil:
		return "", err
	case !is:
		return "", errAbsent
	case found.kind != jsonQuoted && found.kind != jsonNumber:
		return "", errNoValue
	}
	return found.text, nil
}

// cookie is the value of the last cookie of a name (RFC 6265, section 5.2).
func cookie(set []string, name string) (string, error) {
	for _, line := range slices.Backward(set) {
		pair, _, _ := strings.Cut(line, ";")
		found, value, is := strings.Cut(pair, "=")
		if is && strings.Trim(found, " \t") == name {
			return strings.Trim(value, " \t"), nil
		}
	}
	return "", errAbsent
}

// check returns what is wrong with a value.
func (f answerField) check(value string) error {
	switch {
	case value == "":
		return errors.New("is empty in the answer")
	case len(value) > f.max:
		return fmt.Errorf("has more than %d bytes in the answer; max can be up to %d", f.max, maxGiven)
	case !sendable(value):
		return errors.New("must be printable ASCII in the answer, without a space at either end")
	}
	return nil
}

// sameHost reports whether an address of an answer has the host of one of the config.
func sameHost(given, configured string) bool {
	if !strings.Contains(given, "://") {
		given = "https://" + given
	}
	parsed, err := url.Parse(given)
	if err != nil || parsed.User != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" {
		return false
	}
	return hostOf(parsed.Scheme+"://"+parsed.Host) == hostOf(configured)
}
