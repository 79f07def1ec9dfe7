package client

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

const requestStrings = "request_strings"

const (
	// maxRequestStrings is how many calls are signed by one request that lists their request strings. A hundred of the
	// longest are within the engine's limit of 1 MiB, and more calls at once cost hardly less for each.
	maxRequestStrings = 100
	// maxRequests is how many are signed by one that has maps: a scheme may sign with RSA, and the engine limits that.
	maxRequests = 64
	// maxRequestBytes is how many bytes the parameters of all calls may have together: the engine's limit.
	maxRequestBytes = 1 << 20
	// maxSending is how many requests to Vault are under way at the same time, besides halves of those that Vault refused.
	// More of them have fewer calls each, and cost Vault more; with one alone, a call that just missed it waits for two.
	maxSending = 2
)

// batchedCall is a call that is signed together with others.
type batchedCall struct {
	request any           // what a batch has of it
	bytes   int           // of its parameters
	reports bool          // it reports a 401
	done    chan struct{} // closed when signed and err are set
	signed  *Signed
	err     error
}

// signTogether has a call signed. If as many requests as may be are under way, the call waits until one of them ends,
// and the next request is for all that wait.
func (s *Signer) signTogether(ctx context.Context, call Call) (*Signed, error) {
	var request any = maps.Clone(call.Parameters)
	if field, _ := s.batches(); field == requestStrings {
		requestString, is := call.Parameters[signing.RequestString].(string)
		if !is || len(call.Parameters) != 1 {
			return nil, fmt.Errorf("%s takes request_string, and no other parameter", s.Path)
		}
		request = requestString
	}
	joined := &batchedCall{request: request, done: make(chan struct{})}
	for _, value := range call.Parameters {
		text, _ := value.(string)
		joined.bytes += len(text)
	}
	s.mu.Lock()
	joined.reports = s.reports(call)
	s.waiting = append(s.waiting, joined)
	s.sendNext()
	s.mu.Unlock()
	select {
	case <-ctx.Done():
		s.leave(joined)
		return nil, ctx.Err()
	case <-joined.done:
		return joined.signed, joined.err
	}
}

// batches returns the parameter that the calls of a batch are in, and how many at most. Avanan's are request strings,
// because older engines take no maps.
func (s *Signer) batches() (field string, most int) {
	if _, vendor := signing.KindOf(s.Path); vendor == "avanan" {
		return requestStrings, maxRequestStrings
	}
	return "requests", maxRequests
}

// leave ends the wait of a call that gave up, unless it is in a request. What it reports is reported by the next.
func (s *Signer) leave(joined *batchedCall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := slices.Index(s.waiting, joined); at >= 0 {
		s.waiting = slices.Delete(s.waiting, at, at+1)
		s.reporting = s.reporting || joined.reports
	}
}

// sendNext sends the calls that wait longest, unless enough requests are under way.
func (s *Signer) sendNext() {
	if len(s.waiting) == 0 || s.sending == maxSending {
		return
	}
	next := s.take(s.fitting())
	s.sending++
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
		defer cancel()
		s.signAll(ctx, next)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sending--
		s.sendNext()
	}()
}

// fitting is how many of the calls that wait longest one request may have.
func (s *Signer) fitting() int {
	_, most := s.batches()
	count, bytes := 0, 0
	for _, call := range s.waiting[:min(len(s.waiting), most)] {
		if bytes += call.bytes; bytes > maxRequestBytes && count > 0 {
			break
		}
		count++
	}
	return count
}

// take takes the calls that wait longest.
func (s *Signer) take(count int) []*batchedCall {
	taken := slices.Clone(s.waiting[:count])
	s.waiting = slices.Delete(s.waiting, 0, count)
	return taken
}

// signAll has calls signed by one request. Vault signs all of them or none: where it refuses the request, each half is
// asked for by itself, so that no call fails because of another; both at once, because Vault may refuse every call,
// such as for an old token. If Vault fails for another reason, so do the calls that wait: else, while Vault is down,
// they would wait for one failure after another.
func (s *Signer) signAll(ctx context.Context, calls []*batchedCall) {
	err := s.signBatch(ctx, calls)
	refused := err != nil && Explain(err).OfTheCall()
	if half := len(calls) / 2; half > 0 && refused {
		var first sync.WaitGroup
		first.Go(func() { s.signAll(ctx, calls[:half]) })
		s.signAll(ctx, calls[half:])
		first.Wait()
		return
	}
	if err != nil && !refused {
		s.mu.Lock()
		calls = slices.Concat(calls, s.take(len(s.waiting)))
		s.mu.Unlock()
	}
	for _, call := range calls {
		if err != nil {
			call.err = err
		}
		close(call.done)
	}
}

// signBatch makes one request, which reports a 401 if one of its calls does.
func (s *Signer) signBatch(ctx context.Context, calls []*batchedCall) error {
	field, _ := s.batches()
	requests := make([]any, len(calls))
	parameters := map[string]any{field: requests}
	for i, call := range calls {
		requests[i] = call.request
		if call.reports {
			parameters["unauthorized"] = true
		}
	}
	secret, err := s.Vault.Logical().WriteWithContext(ctx, s.Path, parameters)
	if err != nil {
		return err
	}
	if secret == nil {
		return fmt.Errorf("the answer of %s is empty", s.Path)
	}
	answers, _ := secret.Data["results"].([]any)
	if len(answers) != len(calls) {
		return fmt.Errorf("the answer of %s has %d results for %d calls", s.Path, len(answers), len(calls))
	}
	if s.Batched != nil {
		s.Batched(len(calls))
	}
	for i, call := range calls {
		data, _ := answers[i].(map[string]any)
		if call.signed, call.err = signing.Parse(s.Path, data); call.err == nil {
			call.signed.Warnings = secret.Warnings
		}
	}
	return nil
}
