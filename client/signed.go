package client

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/vault/api"
)

// Signed is what Vault returned. It is shared: do not change it.
type Signed struct {
	// Headers are those of one call. A creds path's have a new x-av-req-id for each Sign, because it is used once only.
	Headers map[string]string
	// URL is where the call must go, with its query; "" for headers that are for every call below BaseURL.
	URL string
	// BaseURL is the address of the API; it may be "" where URL is not.
	BaseURL string
	// Query are the parameters that Vault appended to URL, decoded; nil for none.
	Query map[string]string
	// Warnings are Vault's.
	Warnings []string

	until  time.Time // when the headers must be read again
	origin *Signed   // what Vault returned: this, or what this is a copy of
}

const (
	// margin is how long before a lease ends its headers are read again.
	margin = 10 * time.Second
	// headerReqID is used once only, so every call gets its own.
	headerReqID = "x-av-req-id"
)

// withReqID returns headers for one call. They are a copy only if they have a header that is used once.
func (s *Signed) withReqID() *Signed {
	for name := range s.Headers {
		if strings.EqualFold(name, headerReqID) {
			signed := *s
			signed.Headers = maps.Clone(s.Headers)
			signed.Headers[name] = uuid.NewString()
			return &signed
		}
	}
	return s
}

// parse reads Vault's answer to a request that was sent at an instant.
func (s *Signer) parse(secret *api.Secret, asked time.Time) (*Signed, error) {
	if secret == nil {
		return nil, fmt.Errorf("the answer of %s is empty", s.Path)
	}
	signed, err := s.parseData(secret.Data)
	if err != nil {
		return nil, err
	}
	signed.Warnings, signed.until = secret.Warnings, asked.Add(lifeOf(secret))
	return signed, nil
}

// parseData reads what an answer says of one call.
func (s *Signer) parseData(data map[string]any) (*Signed, error) {
	signed := &Signed{}
	var texts bool
	if signed.Headers, texts = stringsOf(data["headers"]); !texts {
		return nil, fmt.Errorf("the answer of %s has a header that is not a string", s.Path)
	}
	if signed.Query, texts = stringsOf(data["query"]); !texts {
		return nil, fmt.Errorf("the answer of %s has a query parameter that is not a string", s.Path)
	}
	if len(signed.Headers) == 0 && len(signed.Query) == 0 {
		return nil, fmt.Errorf("the answer of %s has no headers", s.Path)
	}
	signed.URL, _ = data["url"].(string)
	signed.BaseURL, _ = data["base_url"].(string)
	if signed.URL == "" && signed.BaseURL == "" {
		return nil, fmt.Errorf("the answer of %s does not say what address its headers are for", s.Path)
	}
	signed.origin = signed
	return signed, nil
}

// stringsOf is a map of an answer; all says whether all its values are strings.
func stringsOf(value any) (texts map[string]string, all bool) {
	fields, _ := value.(map[string]any)
	if len(fields) == 0 {
		return nil, true
	}
	texts = make(map[string]string, len(fields))
	for name, value := range fields {
		text, is := value.(string)
		if !is {
			return nil, false
		}
		texts[name] = text
	}
	return texts, true
}

// lifeOf is how long headers may be used: the ttl in the answer, or what is left of the lease less a margin.
func lifeOf(secret *api.Secret) time.Duration {
	if number, is := secret.Data["ttl"].(interface{ Int64() (int64, error) }); is && secret.LeaseID == "" {
		if seconds, err := number.Int64(); err == nil {
			return time.Duration(seconds) * time.Second
		}
	}
	life := time.Duration(secret.LeaseDuration) * time.Second
	return life - min(margin, life/2)
}

// target is where a call to an address goes, which is that address, with the parameters that Vault appended to its query. It says false
// if the headers are for another.
func (s *Signed) target(address *url.URL) (*url.URL, bool) {
	if s.URL == "" || len(s.Query) == 0 {
		return address, s.isFor(address)
	}
	separator := "?"
	if address.RawQuery != "" {
		separator = "&"
	}
	rest, found := strings.CutPrefix(s.URL, address.String()+separator)
	appended, err := url.ParseQuery(rest)
	if !found || err != nil || len(appended) != len(s.Query) {
		return nil, false
	}
	for name, values := range appended {
		if len(values) != 1 || s.Query[name] != values[0] {
			return nil, false
		}
	}
	target, err := url.Parse(s.URL)
	return target, err == nil
}

// isFor says whether headers are for a call to an address: to exactly that of a signed call, or to one below the API's base URL.
func (s *Signed) isFor(target *url.URL) bool {
	if s.URL != "" {
		return s.URL == target.String()
	}
	base, err := url.Parse(s.BaseURL)
	if err != nil || base.Scheme != target.Scheme || !strings.EqualFold(base.Host, target.Host) || target.User != nil {
		return false
	}
	below := strings.TrimRight(base.EscapedPath(), "/") + "/"
	return strings.HasPrefix(target.EscapedPath(), below) && !hasDotSegment(target)
}

// address is what headers are for, in the words of an error: without a query that Vault appended to, which may have a signature.
func (s *Signed) address() string {
	address := cmp.Or(s.URL, s.BaseURL)
	if len(s.Query) > 0 {
		address, _, _ = strings.Cut(address, "?")
	}
	return address
}

// hasDotSegment says whether a path has a segment that a server may resolve to somewhere above it.
func hasDotSegment(target *url.URL) bool {
	for _, segment := range strings.FieldsFunc(target.Path, func(r rune) bool { return r == '/' || r == '\\' }) {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}
