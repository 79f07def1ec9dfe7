package backend

import (
	"context"
	"fmt"
	"maps"
	"net/http"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

// pathCheck is check/<vendor>/:name.
func (b *backend) pathCheck(s *store) *framework.Path {
	v := s.vendor
	summary := "Check a config of " + v.title + " with one real exchange."
	fields := map[string]*framework.FieldSchema{
		"verified_at": {Type: framework.TypeString, Required: true, Description: "When the vendor accepted the credentials, RFC 3339."},
		"status":      {Type: framework.TypeInt, Required: true, Description: "Status of the vendor's answer."},
		"duration_ms": {Type: framework.TypeInt, Required: true, Description: "How long the vendor took to answer, in milliseconds."},
		"clock_offset": {
			Type:        framework.TypeInt,
			Description: "Seconds by which the vendor's clock is ahead of this server's; absent if the answer does not tell.",
		},
	}
	if v.format.chosen != "" {
		fields[v.format.chosen] = &framework.FieldSchema{Type: framework.TypeString, Required: true, Description: "The format that worked."}
	}
	if v.tokens != nil {
		fields["expires_at"] = &framework.FieldSchema{
			Type: framework.TypeString, Required: true, Description: "When the new token expires, RFC 3339.",
		}
	} else {
		fields["formats"] = &framework.FieldSchema{
			Type: framework.TypeMap, Description: "What each format that was tried met: accepted, or the status of the answer.",
		}
	}
	return &framework.Path{
		Pattern: "check/" + v.name + "/" + framework.GenericNameRegex(nameField),
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: operationPrefix, OperationVerb: "check", OperationSuffix: v.name + "-configuration",
		},
		Fields: map[string]*framework.FieldSchema{nameField: nameSchema()},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.UpdateOperation: forwarded(b.named(s, b.check), summary, map[int][]framework.Response{http.StatusOK: {{
				Description: "The vendor accepted the credentials.", Fields: fields,
			}}}),
		},
		HelpSynopsis:    summary,
		HelpDescription: checkHelp,
	}
}

// check does an exchange with the stored config and keeps what it learns: the format that worked, and a new token. It stores
// nothing if the config was changed meanwhile.
func (b *backend) check(
	ctx context.Context, s *store, req *logical.Request, name string, _ *framework.FieldData,
) (*logical.Response, error) {
	current, err := s.usable(ctx, req, name)
	if err != nil {
		return nil, err
	}
	if current.token != nil {
		if err := current.token.Wait(ctx); err != nil {
			return nil, err
		}
	}
	c, stored, err := s.load(ctx, req.Storage, name)
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return nil, s.noConfig(req, name)
	}
	if fault := current.history.beginCheck(b.now()); fault != "" {
		return nil, logical.CodedError(http.StatusTooManyRequests, s.key(name)+" "+fault)
	}
	defer current.history.endCheck()
	got, err := b.exchange(ctx, s.vendor, c, c.text(s.vendor.format.detected))
	if err != nil {
		if ctx.Err() == nil { // a check that was given up shows nothing of the vendor
			current.exchanged(b.now(), got, err)
		}
		return nil, fmt.Errorf("%s: %w", s.key(name), err)
	}
	learned := maps.Clone(c)
	s.vendor.learn(learned, got.format)
	err = s.confirm(ctx, req.Storage, name, stored, c, learned, func(e *entry) {
		b.proven(e, got)
		e.history.checked(b.now())
	})
	if err != nil {
		return nil, err
	}
	return b.checked(s.vendor, got), nil
}

// checked is the answer to a check that succeeded.
func (b *backend) checked(v *vendor, got exchanged) *logical.Response {
	data := map[string]any{
		"verified_at": rfc3339(b.now()), "status": got.status, "duration_ms": int(got.timing.Duration().Milliseconds()),
	}
	if offset, known := got.timing.Offset(); known {
		data["clock_offset"] = int(offset.Seconds())
	}
	if v.format.chosen != "" {
		data[v.format.chosen] = got.format
	}
	if v.tokens != nil {
		data["expires_at"] = rfc3339(got.token.ExpiresAt)
	}
	if got.tried != nil {
		data["formats"] = got.tried
	}
	resp := &logical.Response{Data: data}
	if warning := clockWarning(got.timing); warning != "" {
		resp.AddWarning(warning)
	}
	return resp
}

const checkHelp = `
Does one real exchange with the stored config, now, and keeps what it learns: a date or timestamp format that works, and a new
token for readers. Use it to see whether the credentials work:

    vault write -f apisig/check/<vendor>/<name>

If the vendor rejects them, the error says what a reader would see. The answer shows by how many seconds the vendor's clock is
ahead of this server's. A config is checked with success once in ten seconds.
`
