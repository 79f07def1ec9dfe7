package proxy

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/apisig/vault-plugin-apisig/internal/requeststring"
)

// admitted is a request that passes.
type admitted struct {
	route *Route
	// requestString is the path below the route and the query, as received.
	requestString string
}

// admit says which route a request takes, or why it does not pass. The hosts are the values of Host that the listener
// takes; nil takes all.
func admit(r *http.Request, hosts []string, routes []*Route) (admitted, *problem) {
	if refused := fromBrowser(r, hosts); refused != nil {
		return admitted{}, refused
	}
	switch {
	case r.Method == http.MethodConnect, r.Method == http.MethodTrace:
		return admitted{}, refusal(http.StatusForbidden, "CONNECT and TRACE are refused")
	case len(r.Header["Upgrade"]) > 0, hasToken(r.Header["Connection"], "upgrade"):
		return admitted{}, refusal(http.StatusForbidden, "upgrades to another protocol are refused")
	}
	// What the client sent, byte for byte: net/url would decode and encode it again.
	path, query, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") {
		return admitted{}, refusal(http.StatusForbidden, "the request target must be a path")
	}
	route, below := find(routes, path)
	if route == nil {
		return admitted{}, refusal(http.StatusNotFound, "no route has this path")
	}
	if err := checkPath(below, route.EncodedSlashes); err != nil {
		return admitted{route: route}, err
	}
	requestString := strings.TrimPrefix(r.RequestURI, route.Prefix)
	checked := requestString
	if route.QueriesAsSent { // all other rules hold; the path has no commas any more
		checked = strings.ReplaceAll(requestString, ",", "-")
	}
	if err := requeststring.Check(checked, nil); err != nil {
		return admitted{route: route}, refusal(http.StatusBadRequest, "the path and query "+err.Error())
	}
	switch {
	case !route.QueriesAsSent && strings.Contains(query, ";"):
		return admitted{route: route}, refusal(http.StatusBadRequest,
			"the query has ; which servers read in different ways: write it as %3B")
	case malformedEscape.MatchString(query):
		return admitted{route: route}, refusal(http.StatusBadRequest,
			"the query has a % that does not begin an escape: write it as %25")
	case !route.allow.match(r.Method, below):
		return admitted{route: route}, refusal(http.StatusForbidden, "the route does not allow this method and path")
	}
	return admitted{route, requestString}, nil
}

var (
	malformedEscape = regexp.MustCompile(`%(?:[^0-9A-Fa-f]|.[^0-9A-Fa-f]|.?$)`)
	// refusedInPath are a slash, a backslash, a percent sign and a dot, encoded, and what begins a parameter: the matcher
	// and the vendor may read them in different ways.
	refusedInPath = regexp.MustCompile(`(?i)%2f|%5c|%25|%2e|;`)
	encodedSlash  = regexp.MustCompile(`(?i)%2f`)
)

// checkPath checks an escaped path below a route, which may admit %2F.
func checkPath(path string, encodedSlashes bool) *problem {
	if !strings.HasPrefix(path, "/") {
		return refusal(http.StatusForbidden, "the path below the route must begin with /")
	}
	if strings.ContainsAny(path, "%;") {
		plain, refused := path, "%2F, %5C, %25, %2E or ;"
		if encodedSlashes {
			plain, refused = encodedSlash.ReplaceAllString(path, "/"), "%5C, %25, %2E, ; or a %2F next to a slash"
		}
		if refusedInPath.MatchString(plain) || plain != path && strings.Contains(plain, "//") {
			return refusal(http.StatusForbidden, "the path has "+refused+" in it")
		}
	}
	if err := requeststring.Check(path, nil); err != nil && len(path) <= requeststring.Max {
		return refusal(http.StatusForbidden, "the path "+err.Error())
	}
	if _, err := url.PathUnescape(path); err != nil {
		return refusal(http.StatusForbidden, "the path has a % that does not begin an escape")
	}
	return nil
}

// fromBrowser refuses what a web page can send: a page that the user visits can call loopback, also under a name of its
// own.
func fromBrowser(r *http.Request, hosts []string) *problem {
	if hosts == nil {
		return nil
	}
	if !slices.ContainsFunc(hosts, func(known string) bool { return strings.EqualFold(known, r.Host) }) {
		return refusal(http.StatusForbidden, "Host must be the address that the proxy listens on, or localhost with its port")
	}
	return fromPage(r)
}

// fromPage refuses what browsers say comes from a web page.
func fromPage(r *http.Request) *problem {
	if len(r.Header["Origin"]) > 0 {
		return refusal(http.StatusForbidden, "the request has an Origin: web pages must not call the proxy")
	}
	for _, site := range r.Header["Sec-Fetch-Site"] {
		if site != "none" {
			return refusal(http.StatusForbidden,
				"the request has a Sec-Fetch-Site other than none: web pages must not call the proxy")
		}
	}
	return nil
}

// hasToken reports whether a comma-separated header has a token.
func hasToken(values []string, token string) bool {
	parts := strings.Split(strings.Join(values, ","), ",")
	return slices.ContainsFunc(parts, func(part string) bool { return strings.EqualFold(strings.TrimSpace(part), token) })
}
