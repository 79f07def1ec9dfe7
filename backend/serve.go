package backend

import (
	"context"
	"fmt"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

// serve answers a reader of a config. check says what is wrong with the request, given the config, before the vendor is asked
// for anything; it may be nil. answer makes the answer.
//
// If the vendor fails, the config may have been changed on another node, or a moment ago: a secret that the vendor has
// replaced is rejected. So serve looks into storage and, if the account is another there, tries once more.
func (b *backend) serve(
	ctx context.Context, s *store, req *logical.Request, name string, data *framework.FieldData,
	check func(config) error, answer func(serving) (*logical.Response, error),
) (*logical.Response, error) {
	current, err := s.usable(ctx, req, name)
	if err != nil {
		return nil, err
	}
	unauthorized, _ := data.Get(unauthorizedField).(bool)
	resp, err := b.serveWith(ctx, s, name, current, unauthorized, check, answer)
	if err == nil || !isVendors(err) {
		return resp, err
	}
	changed, again := s.fetch(ctx, req, name)
	if again != nil || changed.config.sameAccount(s.vendor.fields, current.config) {
		return nil, err
	}
	return b.serveWith(ctx, s, name, changed, unauthorized, check, answer)
}

// serveWith answers a reader with a config and its token. If a new token is due and cannot be had, the reader gets the shared one
// while that lives, with a warning that says why.
func (b *backend) serveWith(
	ctx context.Context, s *store, name string, current *entry, unauthorized bool,
	check func(config) error, answer func(serving) (*logical.Response, error),
) (*logical.Response, error) {
	if check != nil {
		if err := check(current.config); err != nil {
			return nil, err
		}
	}
	serving := serving{newID: b.newID, config: current.config}
	var failure error
	if current.token != nil {
		use := current.use
		use.Unauthorized = unauthorized
		serving.token, failure = current.token.Get(ctx, use)
		if failure != nil {
			failure = fmt.Errorf("%s: %w", s.key(name), failure)
			if serving.token.Value == "" {
				return nil, failure
			}
		}
	}
	serving.now = b.now()
	resp, err := answer(serving)
	if err == nil && failure != nil {
		resp.AddWarning("could not get a new token; returning the current one, which is still valid: " + failure.Error())
	}
	return resp, err
}
