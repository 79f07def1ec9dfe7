package proxy

import (
	"cmp"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// upstream is where a call went.
type upstream struct {
	// url is that of the call. Its Opaque is the path.
	url *url.URL
	// base is the path of the API's address, without a slash at its end.
	base string
	// appended are the parameters that Vault added to the query.
	appended appended
}

// upstreamOf is where a call with a request string was sent.
func upstreamOf(sent *http.Request, requestString string, query map[string]string) *upstream {
	path, _, _ := strings.Cut(requestString, "?")
	return &upstream{sent.URL, strings.TrimSuffix(sent.URL.Opaque, path), query}
}

// location is the value of Location for the client: one that is below the API's address leads below the route. One that
// leads elsewhere is absolute, so that no client takes it for another path of the proxy.
func (u *upstream) location(prefix, value string) string {
	reference, err := url.Parse(value)
	if err != nil {
		return value
	}
	sent, err := url.Parse(u.url.Scheme + "://" + u.url.Host + u.url.Opaque + "?" + u.url.RawQuery)
	if err != nil {
		return value
	}
	resolved := sent.ResolveReference(reference)
	path := resolved.EscapedPath()
	below, found := strings.CutPrefix(path, u.base)
	sameHost := resolved.Scheme == u.url.Scheme && resolved.User == nil &&
		strings.EqualFold(hostAndPort(resolved), hostAndPort(u.url))
	if sameHost {
		resolved.RawQuery = u.withoutAppended(resolved.RawQuery)
	}
	if !sameHost || !found || (below != "" && below[0] != '/') {
		return resolved.String()
	}
	rewritten := prefix + below
	switch {
	case rewritten == "":
		rewritten = "/"
	case strings.HasPrefix(rewritten, "//"): // would be another host
		return resolved.String()
	}
	if resolved.RawQuery != "" {
		rewritten += "?" + resolved.RawQuery
	}
	if resolved.Fragment != "" {
		rewritten += "#" + resolved.EscapedFragment()
	}
	return rewritten
}

var betweenParameters = regexp.MustCompile(`^\?|[&;]`)

// withoutAppended is a query below the API's address without the parameters that Vault appends, also with other values:
// Vault would not sign a call that has them.
func (u *upstream) withoutAppended(query string) string {
	if len(u.appended) == 0 || query == "" {
		return query
	}
	return strings.TrimPrefix(cut("?"+query, betweenParameters, u.appended.named), "?")
}

func hostAndPort(u *url.URL) string {
	return u.Hostname() + ":" + cmp.Or(u.Port(), map[string]string{"https": "443", "http": "80"}[u.Scheme])
}
