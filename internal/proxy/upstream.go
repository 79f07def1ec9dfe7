package proxy

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
)

// upstream is where a call goes.
type upstream struct {
	// url has the bytes of the path and query as they are sent: they are not decoded and encoded again.
	url *url.URL
	// base is the API's address, without a slash at its end: scheme, host and path.
	base string
	// path is that of base.
	path string
	// appended are the parameters that Vault added to the query.
	appended appended
}

var (
	errOtherURL = errors.New("the url of Vault's answer does not end in the path and query of the call")
	errNoURL    = errors.New("no valid url or base_url in Vault's answer")
)

// upstreamOf returns where Vault's answer says that a call goes: exactly to its request string, below the API's address.
func upstreamOf(signed *Signed, requestString string) (*upstream, error) {
	if signed.URL == "" {
		return target(strings.TrimRight(signed.BaseURL, "/"), requestString)
	}
	base, found := strings.CutSuffix(signed.URL, requestString)
	sent := requestString
	if len(signed.Query) > 0 {
		base, sent, found = cutAppended(signed.URL, requestString, signed.Query)
	}
	if !found || strings.ContainsAny(base, "?#") || (signed.BaseURL != "" && strings.TrimRight(signed.BaseURL, "/") != base) {
		return nil, errOtherURL
	}
	to, err := target(base, sent)
	if err != nil {
		return nil, err
	}
	to.appended = signed.Query
	return to, nil
}

// cutAppended is for an answer with parameters that Vault appended to the query. sent is the request string with them.
func cutAppended(full, requestString string, query map[string]string) (base, sent string, found bool) {
	separator := "?"
	if strings.Contains(requestString, "?") {
		separator = "&"
	}
	at := strings.Index(full, requestString+separator)
	if at < 0 {
		return "", "", false
	}
	appended := strings.Split(full[at+len(requestString)+1:], "&")
	seen := map[string]bool{}
	for _, parameter := range appended {
		name, encoded, _ := strings.Cut(parameter, "=")
		value, err := url.QueryUnescape(encoded)
		if want, known := query[name]; err != nil || !known || want != value || seen[name] {
			return "", "", false
		}
		seen[name] = true
	}
	return full[:at], full[at:], len(seen) == len(query)
}

// target joins an API's address and a path with its query.
func target(base, sent string) (*upstream, error) {
	parsed, err := url.Parse(base)
	if err != nil || (parsed.Scheme != "https" && parsed.Scheme != "http") || parsed.Host == "" ||
		parsed.RawQuery != "" || parsed.Fragment != "" {
		return nil, errNoURL
	}
	path, query, _ := strings.Cut(sent, "?")
	// With a user and a password in it, base does not begin like this.
	basePath := strings.TrimPrefix(base, parsed.Scheme+"://"+parsed.Host)
	if basePath == base || (basePath != "" && basePath[0] != '/') || strings.HasPrefix(basePath, "//") {
		return nil, errNoURL
	}
	// With Opaque, net/http sends the path as it is.
	return &upstream{
		url:  &url.URL{Scheme: parsed.Scheme, Host: parsed.Host, Opaque: basePath + path, RawQuery: query},
		base: base, path: basePath,
	}, nil
}

// location is the value of Location for the client: one that is below the API's address leads below the route. One that leads
// elsewhere is absolute, so that no client takes it for another path of the proxy.
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
	below, found := strings.CutPrefix(path, u.path)
	sameHost := resolved.Scheme == u.url.Scheme && strings.EqualFold(hostAndPort(resolved), hostAndPort(u.url)) && resolved.User == nil
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

// withoutAppended is a query below the API's address without the parameters that Vault appends, also with other values: Vault would
// not sign a call that has them.
func (u *upstream) withoutAppended(query string) string {
	if len(u.appended) == 0 || query == "" {
		return query
	}
	return strings.TrimPrefix(cut("?"+query, betweenParameters, u.appended.named), "?")
}

func hostAndPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	if u.Scheme == "https" {
		return u.Host + ":443"
	}
	return u.Host + ":80"
}
