package sandbox

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// endpoint is a path that a vendor serves.
type endpoint struct {
	// methods are separated by spaces.
	methods string
	// path is a pattern: "*" is any one segment, "a|b" is a or b, and "..." at the end is one or more segments.
	path string
	// body is the answer to an accepted call.
	body string
}

// serve answers an accepted call with the first endpoint that takes its method and path, else with 404.
func serve(endpoints []endpoint, r *http.Request) answer {
	for _, e := range endpoints {
		if e.takes(r) {
			return answer{http.StatusOK, e.body, "accepted"}
		}
	}
	return message(http.StatusNotFound, "Not Found", "no such endpoint")
}

// takes reports whether the endpoint takes a request. It splits the path as sent, because an id may contain an escaped
// slash.
func (e endpoint) takes(r *http.Request) bool {
	if !slices.Contains(strings.Fields(e.methods), r.Method) {
		return false
	}
	segments := strings.Split(r.URL.EscapedPath(), "/")
	pattern := strings.Split(e.path, "/")
	if last := len(pattern) - 1; pattern[last] == "..." {
		pattern = pattern[:last]
		for len(pattern) < max(len(segments), last+1) {
			pattern = append(pattern, "*")
		}
	}
	return slices.EqualFunc(pattern, segments, func(want, segment string) bool {
		got, err := url.PathUnescape(segment)
		if want == "*" {
			return err == nil && got != ""
		}
		return err == nil && slices.Contains(strings.Split(want, "|"), got)
	})
}
