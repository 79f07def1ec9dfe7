package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/hashicorp/vault/api"
)

const (
	// maxBatch is how many calls are signed by one request. A hundred of the longest request strings are within the engine's limit
	// of 1 MiB, and more calls at once cost hardly less for each.
	maxBatch = 100
	// maxSending is how many requests to Vault are under way at the same time. More of them have fewer calls each, and cost Vault more;
	// with one alone, a call that just missed it waits for two.
	maxSending = 2
)

// batch is the calls that one request has signed.
type batch struct {
	requestStrings []string
	reports        bool          // it reports a 401
	done           chan struct{} // closed when results are set
	results        []result      // in the order of requestStrings
}

// result is what Vault returned for one call.
type result struct {
	signed *Signed
	err    error
}

// batches says whether the path signs many calls at once: mount/sign/vendor/name/batch.
func (s *Signer) batches() bool {
	parts := s.parts()
	return len(parts) >= 5 && parts[len(parts)-1] == "batch" && parts[len(parts)-4] == "sign" && parts[len(parts)-3] != "creds"
}

// signTogether has a call signed. If as many requests as may be are under way, the call waits until one of them ends, and the next
// request is for all that wait.
func (s *Signer) signTogether(ctx context.Context, call Call) (*Signed, error) {
	requestString, is := call.Parameters["request_string"].(string)
	if !is || len(call.Parameters) != 1 {
		return nil, fmt.Errorf("%s takes request_string, and no other parameter", s.Path)
	}
	joined, at := s.join(requestString, call)
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-joined.done:
		return joined.results[at].signed, joined.results[at].err
	}
}

// join adds a call to the batch that will be sent last.
func (s *Signer) join(requestString string, call Call) (joined *batch, at int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.waiting) - 1; last >= 0 && len(s.waiting[last].requestStrings) < maxBatch {
		joined = s.waiting[last]
	} else {
		joined = &batch{done: make(chan struct{})}
		s.waiting = append(s.waiting, joined)
	}
	at = len(joined.requestStrings)
	joined.requestStrings = append(joined.requestStrings, requestString)
	joined.reports = s.reports(call) || joined.reports
	s.sendNext()
	return joined, at
}

// sendNext sends the batch that waits longest, unless enough are under way.
func (s *Signer) sendNext() {
	if len(s.waiting) == 0 || s.sending == maxSending {
		return
	}
	next := s.waiting[0]
	s.waiting = slices.Delete(s.waiting, 0, 1)
	s.sending++
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
		defer cancel()
		next.results = s.signAll(ctx, next.requestStrings, next.reports)
		close(next.done)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sending--
		s.sendNext()
	}()
}

// signAll has calls signed by one request. Vault signs all of them or none: where it refuses the request, each half is asked for by
// itself, so that one wrong call costs the others nothing.
func (s *Signer) signAll(ctx context.Context, requestStrings []string, reports bool) []result {
	signed, err := s.signBatch(ctx, requestStrings, reports)
	if half := len(requestStrings) / 2; half > 0 && refuses(err) {
		return append(s.signAll(ctx, requestStrings[:half], reports), s.signAll(ctx, requestStrings[half:], reports)...)
	}
	if err != nil {
		return slices.Repeat([]result{{err: err}}, len(requestStrings))
	}
	return signed
}

// refuses says whether an error is an answer that depends on the calls: they may break a rule of the engine's or of a policy's.
func refuses(err error) bool {
	answer, is := errors.AsType[*api.ResponseError](err)
	return is && (answer.StatusCode == http.StatusBadRequest || answer.StatusCode == http.StatusForbidden)
}

// signBatch makes one request.
func (s *Signer) signBatch(ctx context.Context, requestStrings []string, reports bool) ([]result, error) {
	parameters := map[string]any{"request_strings": requestStrings}
	if reports {
		parameters["unauthorized"] = true
	}
	secret, err := s.Vault.Logical().WriteWithContext(ctx, s.Path, parameters)
	if err != nil {
		return nil, err
	}
	if secret == nil {
		return nil, fmt.Errorf("the answer of %s is empty", s.Path)
	}
	answers, _ := secret.Data["results"].([]any)
	if len(answers) != len(requestStrings) {
		return nil, fmt.Errorf("the answer of %s has %d results for %d calls", s.Path, len(answers), len(requestStrings))
	}
	results := make([]result, len(answers))
	for i, answer := range answers {
		data, _ := answer.(map[string]any)
		signed, err := s.parseData(data)
		if err == nil {
			signed.Warnings = secret.Warnings
		}
		results[i] = result{signed, err}
	}
	return results, nil
}
