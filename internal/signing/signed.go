package signing

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Signed is what Vault returned. It is shared: do not change it.
type Signed struct {
	// Headers are those of one call.
	Headers map[string]string
	// URL is where the call must go, with its query; "" for headers that are for every call below BaseURL.
	URL string
	// BaseURL is the address of the API; it may be "" where URL is not.
	BaseURL string
	// Query are the parameters that Vault appended to URL, decoded; nil for none.
	Query map[string]string
	// Body is what the call carries in place of its own body; nil if it carries its own.
	Body *string
	// Warnings are Vault's.
	Warnings []string

	perCall []string // the names of headers that are used once only
	origin  *Signed  // what Vault returned: this, or what this is a copy of
}

// perCallOfOlderEngines are the headers that are used once only where an answer does not say which: engines before
// per_call_headers had no other.
var perCallOfOlderEngines = []string{"x-av-req-id"}

// Parse reads what an answer of a path says of one call.
func Parse(path string, data map[string]any) (*Signed, error) {
	signed := &Signed{perCall: perCallOfOlderEngines}
	var texts bool
	if signed.Headers, texts = stringsOf(data["headers"]); !texts {
		return nil, fmt.Errorf("the answer of %s has a header that is not a string", path)
	}
	if signed.Query, texts = stringsOf(data["query"]); !texts {
		return nil, fmt.Errorf("the answer of %s has a query parameter that is not a string", path)
	}
	if len(signed.Headers) == 0 && len(signed.Query) == 0 {
		return nil, fmt.Errorf("the answer of %s has no headers", path)
	}
	if value, has := data["body"]; has {
		body, text := value.(string)
		if !text {
			return nil, fmt.Errorf("the answer of %s has a body that is not a string", path)
		}
		signed.Body = &body
	}
	signed.URL, _ = data["url"].(string)
	signed.BaseURL, _ = data["base_url"].(string)
	if signed.URL == "" && signed.BaseURL == "" {
		return nil, fmt.Errorf("the answer of %s does not say what address its headers are for", path)
	}
	if names, is := data["per_call_headers"].([]any); is {
		signed.perCall = nil
		for _, name := range names {
			signed.perCall = append(signed.perCall, fmt.Sprint(name))
		}
	}
	signed.origin = signed
	return signed, nil
}

// stringsOf is a map of an answer; all reports whether all its values are strings.
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

// ForOneCall returns headers that many calls may use with those that are used once only made anew: each is a fresh
// UUID. They are a copy only if there are such.
func (s *Signed) ForOneCall() *Signed {
	fresh := map[string]string{}
	for name := range s.Headers {
		if slices.ContainsFunc(s.perCall, func(once string) bool { return strings.EqualFold(name, once) }) {
			fresh[name] = uuid.NewString()
		}
	}
	if len(fresh) == 0 {
		return s
	}
	signed := *s
	signed.Headers = maps.Clone(s.Headers)
	maps.Copy(signed.Headers, fresh)
	return &signed
}

// Is reports whether both are from one answer of Vault's.
func (s *Signed) Is(other *Signed) bool { return s.origin == other.origin }
