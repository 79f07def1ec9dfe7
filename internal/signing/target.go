package signing

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strings"
)

// TargetError says that an answer of Vault's is not for the call that was to be sent.
type TargetError struct {
	// Address is what the answer is for, without a query that Vault appended to, which may have a signature.
	Address string
	reason  error
}

// Error repeats nothing of the answer.
func (e *TargetError) Error() string { return e.reason.Error() }

var (
	errOtherURL = errors.New("the url of Vault's answer does not end in the path and query of the call")
	errNoURL    = errors.New("no valid url or base_url in Vault's answer")
	errOther    = errors.New("the answer of Vault is for another address")
)

// Target returns where a call goes that was to go to an address: there, with the parameters that Vault appended to its
// query. An address without a host stands for that path and query below the API's address in the answer; its Opaque has
// the bytes of the path, and so has that of what is returned: they are not decoded and encoded again. A *TargetError
// says that the answer is for another call.
func (s *Signed) Target(address *url.URL) (*url.URL, error) {
	to, err := s.target(address)
	if err != nil {
		at := cmp.Or(s.URL, s.BaseURL)
		if len(s.Query) > 0 {
			at, _, _ = strings.Cut(at, "?")
		}
		return nil, &TargetError{at, err}
	}
	return to, nil
}

func (s *Signed) target(address *url.URL) (*url.URL, error) {
	requestString := address.RequestURI()
	api, sent := strings.TrimRight(s.BaseURL, "/"), requestString
	if s.URL != "" {
		var found bool
		if api, sent, found = s.split(requestString); !found {
			return nil, errOtherURL
		}
	}
	base, err := parseBase(api)
	if err != nil {
		return nil, err
	}
	path, query, _ := strings.Cut(sent, "?")
	switch {
	case address.Host == "":
		return &url.URL{Scheme: base.Scheme, Host: base.Host, Opaque: base.Path + path, RawQuery: query}, nil
	case address.User != nil || base.Scheme != address.Scheme || !strings.EqualFold(base.Host, address.Host),
		s.URL != "" && base.Path != "", // the path that was signed is the whole path
		s.URL == "" && (!strings.HasPrefix(address.EscapedPath(), base.Path+"/") || hasDotSegment(address)):
		return nil, errOther
	}
	to := *address
	to.RawQuery = query
	return &to, nil
}

// split splits the answer's URL before the request string. sent is that with what Vault appended to its query.
func (s *Signed) split(requestString string) (api, sent string, found bool) {
	if len(s.Query) == 0 {
		api, found = strings.CutSuffix(s.URL, requestString)
		sent = requestString
	} else {
		separator := "?"
		if strings.Contains(requestString, "?") {
			separator = "&"
		}
		var appended string
		if api, appended, found = strings.Cut(s.URL, requestString+separator); found {
			sent, found = s.URL[len(api):], s.appended(appended)
		}
	}
	return api, sent, found && (s.BaseURL == "" || strings.TrimRight(s.BaseURL, "/") == api)
}

// appended reports whether a query has the parameters that Vault appended, each once, and no other.
func (s *Signed) appended(query string) bool {
	parameters, err := url.ParseQuery(query)
	if err != nil || len(parameters) != len(s.Query) || len(parameters) != strings.Count(query, "&")+1 {
		return false
	}
	for name, want := range s.Query {
		if !slices.Equal(parameters[name], []string{want}) {
			return false
		}
	}
	return true
}

// parseBase reads an API's address: scheme, host and path, without a slash at its end. The path of what it returns has
// its bytes.
func parseBase(text string) (*url.URL, error) {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Scheme != "https" && parsed.Scheme != "http" || parsed.Host == "" {
		return nil, errNoURL
	}
	// With a user and a password in it, the text does not begin like this.
	path, found := strings.CutPrefix(text, parsed.Scheme+"://"+parsed.Host)
	if !found || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "?#") {
		return nil, errNoURL
	}
	return &url.URL{Scheme: parsed.Scheme, Host: parsed.Host, Path: path}, nil
}

// hasDotSegment reports whether a path has a segment that a server may resolve to somewhere above it.
func hasDotSegment(target *url.URL) bool {
	segments := strings.FieldsFunc(target.Path, func(r rune) bool { return r == '/' || r == '\\' })
	return slices.Contains(segments, ".") || slices.Contains(segments, "..")
}
