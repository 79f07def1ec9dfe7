package backend

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// reading is what a path does for a reader.
type reading struct {
	// path is one of readCreds, readSign and readBatch.
	path int
	// calls is how many calls are signed.
	calls int
	// minTTL is the least remaining lifetime of a token that this reader wants, beside the config's.
	minTTL time.Duration
	// begin says what is wrong with the request, before the API is asked for anything, or returns what makes the answer.
	begin func(*api.Account) (answering, error)
}

// answering makes the answer to a reader.
type answering func(api.Moment) (*logical.Response, error)

// serve answers a reader of a config.
//
// If the reader would get the vendor's failure, the config may have been changed on another node, or a moment ago: a
// secret that the vendor has replaced is rejected. So serve looks into storage and, if the account is another there,
// tries once more.
func (b *backend) serve(ctx context.Context, r *request, do reading) (*logical.Response, error) {
	current, err := r.usable(ctx)
	if err != nil {
		return nil, err
	}
	resp, stale, err := b.serveWith(ctx, r, current, do)
	if err != nil && isVendors(err) {
		changed, fetchErr := r.fetch(ctx)
		if fetchErr == nil && !changed.values.SameAccount(current.values) {
			resp, stale, err = b.serveWith(ctx, r, changed, do)
		}
	}
	current.stats.read(do.path, readResult(stale, err))
	if err == nil {
		current.stats.signatures.Add(int64(do.calls))
	}
	return resp, err
}

// readResult is what statistics call the result of a read.
func readResult(stale bool, err error) int {
	switch {
	case isInvalid(err), isRefusal(err):
		return readRefused
	case err != nil:
		return readError
	case stale:
		return readStale
	}
	return readOK
}

// serveWith answers a reader with a config and its token. If a new token is due and cannot be had, the reader gets the
// shared one while that lives, with a warning that says why; stale is true then.
func (b *backend) serveWith(
	ctx context.Context, r *request, current *entry, do reading,
) (resp *logical.Response, stale bool, err error) {
	// A scheme is a stranger's program.
	defer b.recovered("while signing for "+r.key(), "signing panicked", r.store, &err)
	answer, err := do.begin(current.account)
	if err != nil {
		return nil, false, err
	}
	shared, failure := current.sharedToken(ctx, r, do.minTTL)
	if failure != nil && shared.Absent() {
		return nil, false, failure
	}
	now := b.now()
	resp, err = answer(api.Moment{
		Context: ctx,
		Now:     now,
		Later:   func(unit time.Duration) (time.Time, error) { return r.store.entries.growing.next(r.name, now, unit) },
		NewID:   b.newID,
		Token:   shared,
		Format:  current.detected,
	})
	if err != nil || failure == nil {
		return resp, false, err
	}
	resp.AddWarning("could not get a new token; returning the current one, which is still valid: " + failure.Error())
	return resp, true, nil
}

// sharedToken is the token that a reader gets; the zero value for an account without tokens. With a failure, it is the one
// from before, or none.
func (e *entry) sharedToken(ctx context.Context, r *request, minTTL time.Duration) (token.Token, error) {
	if e.token == nil {
		return token.Token{}, nil
	}
	use := e.use
	use.Unauthorized, _ = r.data.Get(unauthorizedField).(bool)
	use.MinTTL = max(use.MinTTL, minTTL)
	shared, err := e.token.Get(ctx, use)
	if err != nil {
		err = fmt.Errorf("%s: %w", r.key(), err)
	}
	return shared, err
}
