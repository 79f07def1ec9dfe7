package client

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// Signer gets the headers of calls from a path of the engine: on a sign path for each call by itself, on a batch path
// for calls that come in at the same time, on a creds path once for many calls. It sends no call: Transport does, and
// so do proxies and clients of another kind. Its fields must not change once it is used. It is safe for concurrent use.
type Signer struct {
	// Vault and Path are as those of a Transport. Both are required.
	Vault *api.Client
	Path  string
	// Batched is told how many calls a request to a batch path signed, each time; nil: nobody is.
	Batched func(calls int)

	mu        sync.Mutex
	cached    *read          // of a creds path; nil: none
	flight    *flight        // the read under way; nil: none
	waiting   []*batchedCall // the calls of a batch path that are not yet in a request
	sending   int            // how many requests to a batch path are under way
	reporting bool           // the next request to Vault reports a 401
}

// Call is what a Signer signs: the Parameters of a sign path (a creds path takes none), and what was Rejected with a
// 401 before.
type Call = signing.Call

// Signed is what Vault returned for a call: its Headers, the URL or BaseURL that they are for, the Query that Vault
// appended to URL, the Body that the call must carry, and Vault's Warnings. Headers that are for one call alone are
// other ones after each Sign. It is shared: do not change it.
type Signed = signing.Signed

// read is what a creds path returned.
type read struct {
	*Signed
	until time.Time // when it must be read again
}

// flight is a read of a creds path, which several calls wait for.
type flight struct {
	done    chan struct{} // closed when read and err are set
	reports bool          // it reports a 401
	read    *read
	err     error
}

// requestTimeout limits a request to Vault that several calls wait for: it must not end with the first of them.
const requestTimeout = time.Minute

// margin is how long before a lease ends its headers are read again.
const margin = 10 * time.Second

// Sign returns the headers of a call. If it fails, it returns the error of package api, unchanged; Explain says what it
// means.
func (s *Signer) Sign(ctx context.Context, call Call) (*Signed, error) {
	switch kind, _ := signing.KindOf(s.Path); kind {
	case signing.Sign:
		return s.signCall(ctx, call)
	case signing.Batch:
		return s.signTogether(ctx, call)
	default:
		kept, err := s.credentials(ctx, call.Rejected)
		if err != nil {
			return nil, err
		}
		return kept.ForOneCall(), nil
	}
}

// Reject says that the vendor answered 401 to what Sign returned, where the call is not made again: headers of a creds
// path are not used for later calls, and the next Sign reports the 401 to Vault. Otherwise use Call.Rejected.
func (s *Signer) Reject(signed *Signed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reject(signed)
}

// reject has the next request to Vault report a 401, unless headers were read since, or a read under way reports one.
func (s *Signer) reject(signed *Signed) {
	newer := s.usable() && !s.cached.Is(signed)
	if newer || s.flight != nil && s.flight.reports {
		return
	}
	s.cached, s.reporting = nil, true
}

// Forget drops the headers of a creds path, and those of a read under way: later calls do not use them. It is for a
// Vault client that has got another token.
func (s *Signer) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cached, s.flight = nil, nil
}

// signCall has one call signed. It is a write, because Vault's audit log has the query of a read as plain text.
func (s *Signer) signCall(ctx context.Context, call Call) (*Signed, error) {
	parameters := call.Parameters
	s.mu.Lock()
	reports := s.reports(call)
	s.mu.Unlock()
	if reports {
		parameters = map[string]any{"unauthorized": true}
		maps.Copy(parameters, call.Parameters)
	}
	secret, err := s.Vault.Logical().WriteWithContext(ctx, s.Path, parameters)
	if err != nil {
		return nil, err
	}
	return s.parse(secret)
}

// parse reads an answer for one call, or for many.
func (s *Signer) parse(secret *api.Secret) (*Signed, error) {
	if secret == nil {
		return nil, fmt.Errorf("the answer of %s is empty", s.Path)
	}
	signed, err := signing.Parse(s.Path, secret.Data)
	if err == nil {
		signed.Warnings = secret.Warnings
	}
	return signed, err
}

// reports reports whether the request to Vault that signs a call reports a 401.
func (s *Signer) reports(call Call) bool {
	reports := s.reporting || call.Rejected != nil
	s.reporting = false
	return reports
}

// credentials returns the headers of a creds path: those that were read before, or new ones. Headers that were rejected
// are not used again, by any call.
func (s *Signer) credentials(ctx context.Context, rejected *Signed) (*read, error) {
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
		return current.read, current.err
	}
}

// usable reports whether the headers that were read may still be used.
func (s *Signer) usable() bool { return s.cached != nil && time.Now().Before(s.cached.until) }

func (s *Signer) fly(ctx context.Context, current *flight) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	query := url.Values{}
	if current.reports {
		query.Set("unauthorized", "true")
	}
	asked := time.Now()
	secret, err := s.Vault.Logical().ReadWithDataWithContext(ctx, s.Path, query)
	if err == nil {
		var signed *Signed
		if signed, err = s.parse(secret); err == nil {
			current.read = &read{signed, asked.Add(lifeOf(secret))}
		}
	}
	current.err = err
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight == current { // else what was read has been forgotten
		s.cached, s.flight = current.read, nil
	}
	close(current.done)
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
