package proxy

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/apisig/vault-plugin-apisig/internal/requeststring"
)

// allowList is the patterns of net/http.ServeMux that a route allows. The mux only matches: it serves nothing.
type allowList struct {
	mux            *http.ServeMux
	patterns       []string
	encodedSlashes bool // as Route.EncodedSlashes
}

func newAllowList(encodedSlashes bool) *allowList {
	return &allowList{mux: http.NewServeMux(), encodedSlashes: encodedSlashes}
}

// matched is the handler of every pattern. What the mux returns otherwise, a redirect or an error, is no match.
type matched struct{}

func (matched) ServeHTTP(http.ResponseWriter, *http.Request) {}

var (
	methodForm = regexp.MustCompile(`^[A-Z][A-Z-]*$`)
	// otherWildcard finds the wildcards of shells, Vault policies, web frameworks and regular expressions.
	otherWildcard = regexp.MustCompile(`[*<>\[\]^|\\]|/:`)
)

// add adds a pattern. It refuses one that no call can match.
func (l *allowList) add(pattern string) error {
	method, path, found := strings.Cut(pattern, " ")
	switch {
	case !found || !methodForm.MatchString(method):
		return fmt.Errorf("the pattern %q must have a method and a path, such as GET /v1.0/event/{id}", pattern)
	case method == http.MethodConnect || method == http.MethodTrace:
		return fmt.Errorf("the pattern %q has a method that is always refused", pattern)
	case !strings.HasPrefix(path, "/"):
		return fmt.Errorf("the pattern %q must have a path that begins with /, and no host", pattern)
	case strings.ContainsAny(path, "?#"):
		return fmt.Errorf("the pattern %q has a query: patterns are for paths, and any query passes; leave out ? and # "+
			"and what follows", pattern)
	case otherWildcard.MatchString(path):
		found := otherWildcard.FindString(path)
		return fmt.Errorf("the pattern %q has %s, which is no wildcard here: write {name} for one segment, {name...} for "+
			"all that follow, or %%%02X for the character itself", pattern, found, found[len(found)-1])
	}
	if err := l.register(pattern); err != nil {
		return err
	}
	if refused := checkPath(sampleOf(path, "0"), l.encodedSlashes); refused != nil {
		return fmt.Errorf("no call can match the pattern %q: %s", pattern, refused.Detail)
	}
	l.patterns = append(l.patterns, pattern)
	return nil
}

// register adds a pattern to the mux, which panics if it cannot.
func (l *allowList) register(pattern string) (err error) {
	defer func() {
		reason := recover()
		if reason == nil {
			return
		}
		text := fmt.Sprint(reason)
		if _, other, conflicts := strings.Cut(text, ") conflicts with pattern "); conflicts {
			other, _ = strconv.QuotedPrefix(other)
			err = fmt.Errorf("the pattern %q conflicts with %s: a call that both match has no one pattern that is more specific",
				pattern, other)
			return
		}
		fault := strings.TrimPrefix(text, fmt.Sprintf("parsing %q: ", pattern))
		err = fmt.Errorf("the pattern %q is malformed: %s", pattern, fault)
	}()
	l.mux.Handle(pattern, matched{})
	return nil
}

// match reports whether a pattern allows a method on an escaped path.
func (l *allowList) match(method, escapedPath string) bool {
	path, err := url.PathUnescape(escapedPath)
	if err != nil {
		return false
	}
	handler, _ := l.mux.Handler(&http.Request{Method: method, URL: &url.URL{Path: path, RawPath: bySegment(escapedPath)}})
	_, allowed := handler.(matched)
	return allowed
}

// bySegment is an escaped path in the one spelling in which the mux is sure to take it, so that %2F stays in its
// segment: another one, such as with a raw quote, would be decoded and encoded again as a whole.
func bySegment(escapedPath string) string {
	segments := strings.Split(escapedPath, "/")
	for i, segment := range segments {
		segments[i] = escaped(segment)
	}
	return strings.Join(segments, "/")
}

// escaped is a segment with each character that needs it escaped once. A % that begins no escape stands for itself, as
// in the mux.
func escaped(segment string) string {
	if plain, err := url.PathUnescape(segment); err == nil {
		segment = plain
	}
	return url.PathEscape(segment)
}

// sampleOf is a path, as it is sent, that the path of a pattern matches, with a text for each wildcard.
func sampleOf(pattern, wildcard string) string {
	segments := strings.Split(pattern, "/")
	for i, segment := range segments {
		switch {
		case segment == "{$}":
			segments[i] = ""
		case strings.HasPrefix(segment, "{"):
			segments[i] = wildcard
		case requeststring.Check("/"+segment, nil) != nil:
			segments[i] = escaped(segment)
		}
	}
	return strings.Join(segments, "/")
}
