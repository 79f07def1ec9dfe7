package client

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/vault/api"
)

// Signer gets the headers of calls from a path of the engine: on a sign path for each call by itself, on a creds path once for
// many calls. It sends no call: Transport does, and so do proxies and clients of another kind. Its fields must not change once it
// is used. It is safe for concurrent use.
type Signer struct {
	// Vault is the client that reads the headers. Its token needs update on a sign path, or read on a creds path; and with
	// allowed_parameters in its policy, the parameter unauthorized. Required.
	Vault *api.Client
	// Path is the engine's path: its mount, sign or creds, the vendor, and the config's name. Required.
	Path string

	mu        sync.Mutex
	cached    *Signed // of a creds path; nil: none
	flight    *flight // the read under way; nil: none
	reporting bool    // the next request to Vault reports a 401
}

// Call is what a Signer signs.
type Call struct {
	// Parameters are those of a sign path, such as request_string. A creds path takes none.
	Parameters map[string]any
	// Rejected is what Sign returned before, if the vendor answered 401 to it. Sign reports that to Vault (unauthorized=true).
	Rejected *Signed
}

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

// flight is a read of a creds path, which several calls wait for.
type flight struct {
	done    chan struct{} // closed when signed and err are set
	reports bool          // it reports a 401
	signed  *Signed
	err     error
}

const (
	// readTimeout limits a read that several calls wait for: it must not end with the first of them.
	readTimeout = time.Minute
	// margin is how long before a lease ends its headers are read again.
	margin = 10 * time.Second
	// headerReqID is used once only, so every call gets its own.
	headerReqID = "x-av-req-id"
)

// Sign returns the headers of a call. If it fails, it returns the error of package api, unchanged.
func (s *Signer) Sign(ctx context.Context, call Call) (*Signed, error) {
	if s.signs() {
		return s.signCall(ctx, call)
	}
	kept, err := s.credentials(ctx, call.Rejected)
	if err != nil {
		return nil, err
	}
	return kept.withReqID()
}

// withReqID returns headers for one call. They are a copy only if they have a header that is used once.
func (s *Signed) withReqID() (*Signed, error) {
	for name := range s.Headers {
		if !strings.EqualFold(name, headerReqID) {
			continue
		}
		id, err := uuid.NewRandom()
		if err != nil {
			return nil, fmt.Errorf("making a request id: %w", err)
		}
		signed := *s
		signed.Headers = maps.Clone(s.Headers)
		signed.Headers[name] = id.String()
		return &signed, nil
	}
	return s, nil
}

// Reject says that the vendor answered 401 to what Sign returned, where the call is not made again: headers of a creds path are
// not used for later calls, and the next Sign reports the 401 to Vault. Otherwise use Call.Rejected.
func (s *Signer) Reject(signed *Signed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reject(signed)
}

// reject has the next request to Vault report a 401, unless headers were read since, or a read under way reports one.
func (s *Signer) reject(signed *Signed) {
	newer := s.usable() && s.cached != signed.origin
	if newer || s.flight != nil && s.flight.reports {
		return
	}
	s.cached, s.reporting = nil, true
}

// Forget drops the headers of a creds path, and those of a read under way: later calls do not use them. It is for a Vault client
// that has got another token.
func (s *Signer) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cached, s.flight = nil, nil
}

// signs says whether the path signs calls one by one: mount/sign/vendor/name. A mount may have slashes in its name.
func (s *Signer) signs() bool {
	parts := strings.Split(strings.Trim(s.Path, "/"), "/")
	return len(parts) >= 4 && parts[len(parts)-3] == "sign"
}

// signCall has one call signed. It is a write, because Vault's audit log has the query of a read as plain text.
func (s *Signer) signCall(ctx context.Context, call Call) (*Signed, error) {
	parameters := call.Parameters
	s.mu.Lock()
	reports := s.reporting || call.Rejected != nil
	s.reporting = false
	s.mu.Unlock()
	if reports {
		parameters = map[string]any{"unauthorized": true}
		maps.Copy(parameters, call.Parameters)
	}
	secret, err := s.Vault.Logical().WriteWithContext(ctx, s.Path, parameters)
	if err != nil {
		return nil, err
	}
	return s.parse(secret, time.Now())
}

// credentials returns the headers of a creds path: those that were read before, or new ones. Headers that were rejected are not
// used again, by any call.
func (s *Signer) credentials(ctx context.Context, rejected *Signed) (*Signed, error) {
	s.mu.Lock()
	if rejected != nil {
		s.reject(rejected)
	}
	if s.usable() {
		defer s.mu.Unlock()
		return s.cached, nil
	}
	if s.flight == nil || s.reporting {
		s.flight = &flight{done: make(chan struct{}), reports: s.reporting}
		s.reporting = false
		go s.fly(context.WithoutCancel(ctx), s.flight)
	}
	current := s.flight
	s.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-current.done:
		return current.signed, current.err
	}
}

// usable says whether the headers that were read may still be used.
func (s *Signer) usable() bool { return s.cached != nil && time.Now().Before(s.cached.until) }

// fly reads the creds path.
func (s *Signer) fly(ctx context.Context, current *flight) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	query := url.Values{}
	if current.reports {
		query.Set("unauthorized", "true")
	}
	asked := time.Now()
	secret, err := s.Vault.Logical().ReadWithDataWithContext(ctx, s.Path, query)
	if err == nil {
		current.signed, err = s.parse(secret, asked)
	}
	current.err = err
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight == current { // else what was read has been forgotten
		s.cached, s.flight = current.signed, nil
	}
	close(current.done)
}

// parse reads Vault's answer to a request that was sent at an instant.
func (s *Signer) parse(secret *api.Secret, asked time.Time) (*Signed, error) {
	if secret == nil {
		return nil, fmt.Errorf("the answer of %s is empty", s.Path)
	}
	signed := &Signed{Warnings: secret.Warnings}
	var texts bool
	if signed.Headers, texts = stringsOf(secret.Data["headers"]); !texts {
		return nil, fmt.Errorf("the answer of %s has a header that is not a string", s.Path)
	}
	if signed.Query, texts = stringsOf(secret.Data["query"]); !texts {
		return nil, fmt.Errorf("the answer of %s has a query parameter that is not a string", s.Path)
	}
	if len(signed.Headers) == 0 && len(signed.Query) == 0 {
		return nil, fmt.Errorf("the answer of %s has no headers", s.Path)
	}
	signed.URL, _ = secret.Data["url"].(string)
	signed.BaseURL, _ = secret.Data["base_url"].(string)
	if signed.URL == "" && signed.BaseURL == "" {
		return nil, fmt.Errorf("the answer of %s does not say what address its headers are for", s.Path)
	}
	signed.until, signed.origin = asked.Add(lifeOf(secret)), signed
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
