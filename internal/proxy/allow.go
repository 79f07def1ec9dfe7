package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// allowList is the patterns of net/http.ServeMux that a route allows. The mux only matches: it serves nothing.
type allowList struct {
	mux      *http.ServeMux
	patterns []string
}

func newAllowList() *allowList { return &allowList{mux: http.NewServeMux()} }

// matched is the handler of every pattern. What the mux returns otherwise, a redirect or an error, is no match.
type matched struct{}

func (matched) ServeHTTP(http.ResponseWriter, *http.Request) {}

var methodForm = regexp.MustCompile(`^[A-Z][A-Z-]*$`)

// add adds a pattern.
func (l *allowList) add(pattern string) error {
	method, path, found := strings.Cut(pattern, " ")
	switch {
	case !found || !methodForm.MatchString(method):
		return fmt.Errorf("the pattern %q must have a method and a path, such as GET /v1.0/event/{id}", pattern)
	case method == http.MethodConnect || method == http.MethodTrace:
		return fmt.Errorf("the pattern %q has a method that is always refused", pattern)
	case !strings.HasPrefix(path, "/"):
		return fmt.Errorf("the pattern %q must have a path that begins with /, and no host", pattern)
	}
	if err := register(l.mux, pattern); err != nil {
		for _, other := range l.patterns {
			pair := http.NewServeMux()
			if register(pair, other) == nil && register(pair, pattern) != nil && register(http.NewServeMux(), pattern) == nil {
				return fmt.Errorf("the pattern %q conflicts with %q: a call that both match has no one pattern that is more specific", pattern, other)
			}
		}
		return err
	}
	l.patterns = append(l.patterns, pattern)
	return nil
}

// register adds a pattern to a mux, which panics if it cannot.
func register(mux *http.ServeMux, pattern string) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			text := fmt.Sprint(reason)
			if _, after, found := strings.Cut(text, fmt.Sprintf("parsing %q: ", pattern)); found {
				text = after
			}
			err = errors.New("the pattern " + fmt.Sprintf("%q", pattern) + " is malformed: " + text)
		}
	}()
	mux.Handle(pattern, matched{})
	return nil
}

// match reports whether a pattern allows a method on an escaped path.
func (l *allowList) match(method, escapedPath string) bool {
	path, err := url.PathUnescape(escapedPath)
	if err != nil {
		return false
	}
	handler, _ := l.mux.Handler(&http.Request{Method: method, URL: &url.URL{Path: path, RawPath: escapedPath}})
	_, allowed := handler.(matched)
	return allowed
}

var wildcard = regexp.MustCompile(`\{[^}]*\}`)

// sample is a path that the first pattern matches.
func (l *allowList) sample() string {
	_, path, _ := strings.Cut(l.patterns[0], " ")
	return wildcard.ReplaceAllStringFunc(path, func(name string) string {
		if name == "{$}" {
			return ""
		}
		return "0"
	})
}

// sampleMethod is the method of the first pattern.
func (l *allowList) sampleMethod() string {
	method, _, _ := strings.Cut(l.patterns[0], " ")
	return method
}
