package backend

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

// reading is what a path does for a reader.
type reading struct {
	// path is one of readCreds, readSign and readBatch.
	path int
	// calls is how many calls are signed.
	calls int
	// minTTL is the least remaining lifetime of a token that this reader wants, beside the config's.
	minTTL time.Duration
	// check says what is wrong with the request, given the config, before the vendor is asked for anything; it may be nil.
	check func(c config) error
	// answer makes the answer.
	answer func(s serving) (*logical.Response, error)
}

// serve answers a reader of a config.
//
// If the reader would get the vendor's failure, the config may have been changed on another node, or a moment ago: a secret that
// the vendor has replaced is rejected. So serve looks into storage and, if the account is another there, tries once more.
func (b *backend) serve(
	ctx context.Context, s *store, req *logical.Request, name string, data *framework.FieldData, r reading,
) (*logical.Response, error) {
	current, err := s.usable(ctx, req, name)
	if err != nil {
		return nil, err
	}
	unauthorized, _ := data.Get(unauthorizedField).(bool)
	resp, stale, err := b.serveWith(ctx, s, name, current, unauthorized, r)
	if err != nil && isVendors(err) {
		changed, fetchErr := s.fetch(ctx, req, name)
		if fetchErr == nil && !changed.config.sameAccount(s.vendor.fieldsOf(changed.config), current.config) {
			resp, stale, err = b.serveWith(ctx, s, name, changed, unauthorized, r)
		}
	}
	current.stats.read(r.path, readResult(stale, err))
	if err == nil {
		current.stats.signatures.Add(int64(r.calls))
	}
	return resp, err
}

// readResult is what statistics call the result of a read.
func readResult(stale bool, err error) int {
	_, isInvalid := errors.AsType[*invalidError](err)
	switch {
	case isInvalid, isRefusal(err):
		return readRefused
	case err != nil:
		return readError
	case stale:
		return readStale
	}
	return readOK
}

// serveWith answers a reader with a config and its token. If a new token is due and cannot be had, the reader gets the shared one
// while that lives, with a warning that says why; stale is true then.
func (b *backend) serveWith(
	ctx context.Context, s *store, name string, current *entry, unauthorized bool, r reading,
) (resp *logical.Response, stale bool, err error) {
	if r.check != nil {
		if err := r.check(current.config); err != nil {
			return nil, false, err
		}
	}
	serving := serving{newID: b.newID, config: current.config, prepared: current.prepared}
	var failure error
	if current.token != nil {
		use := current.use
		use.Unauthorized, use.MinTTL = unauthorized, max(use.MinTTL, r.minTTL)
		serving.token, failure = current.token.Get(ctx, use)
		if failure != nil {
			failure = fmt.Errorf("%s: %w", s.key(name), failure)
			if serving.token.Value == "" {
				return nil, false, failure
			}
		}
	}
	serving.now = b.now()
	serving.growing = func(unit time.Duration) (time.Time, error) {
		return s.entries.growing.next(name, serving.now, unit)
	}
	if resp, err = r.answer(serving); err != nil || failure == nil {
		return resp, false, err
	}
	resp.AddWarning("could not get a new token; returning the current one, which is still valid: " + failure.Error())
	return resp, true, nil
}
