package backend

import (
	"context"
	"fmt"
	"net/http"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// pathCheck is check/<vendor>/:name. With a document a config may have no login: then only its examples are checked.
func (b *backend) pathCheck(s *store) *framework.Path {
	a, p := s.api, s.path("check", "check", "configuration")
	field := func(of framework.FieldType, description string) *framework.FieldSchema {
		return &framework.FieldSchema{Type: of, Description: description, Required: a.Document == nil}
	}
	fields := map[string]*framework.FieldSchema{
		"verified_at": always(framework.TypeString, "When the vendor accepted the credentials, RFC 3339."),
		"status":      field(framework.TypeInt, "Status of the vendor's answer."),
		"duration_ms": field(framework.TypeInt, "How long the vendor took to answer, in milliseconds."),
		"clock_offset": {
			Type:        framework.TypeInt,
			Description: "Seconds by which the vendor's clock is ahead of this server's; absent if the answer does not tell.",
		},
	}
	if a.Format != nil {
		fields[a.Format.Chosen.Name] = field(framework.TypeString, "The format that worked.")
	}
	if a.Lease != nil {
		fields["expires_at"] = field(framework.TypeString, "When the new token expires, RFC 3339.")
	} else {
		fields["formats"] = &framework.FieldSchema{
			Type: framework.TypeMap, Description: "What each format that was tried met: accepted, or the status of the answer.",
		}
	}
	p.HelpSynopsis, p.HelpDescription = "Check a config of "+a.Title+" with one real exchange.", checkHelp
	description := "The vendor accepted the credentials."
	if a.Document != nil {
		p.HelpSynopsis = "Check a config of " + a.Title + " against its own examples and, with a login, with one real " +
			"exchange."
		p.HelpDescription += checkExamplesHelp
		description = "The examples give what they want and, with a login, the vendor accepted the credentials."
		fields["verified_at"].Description = "When the examples were signed or, with a login, when the vendor accepted the " +
			"credentials, RFC 3339."
	}
	p.Operations = map[logical.Operation]framework.OperationHandler{
		logical.UpdateOperation: forwarded(s.named(b.check), p.HelpSynopsis, answers(description, fields)),
	}
	return p
}

// check logs in with the stored config and keeps what it learns: the format that worked, and a new token. It stores
// nothing if the config was changed meanwhile. Before that it checks the examples of a document. It reads the config
// from storage, so that what is checked is what another node would use.
func (b *backend) check(ctx context.Context, r *request) (*logical.Response, error) {
	current, err := r.usable(ctx)
	if err != nil {
		return nil, err
	}
	if current.token != nil {
		if err := current.token.Wait(ctx); err != nil {
			return nil, err
		}
	}
	found, err := r.load(ctx)
	if err != nil {
		return nil, err
	}
	if found.entry == nil {
		return nil, r.noConfig()
	}
	c, err := r.openStored(found)
	if err != nil {
		return nil, err
	}
	if c.account.Declared != nil {
		if err := c.account.Declared.CheckExamples(); err != nil {
			return nil, err
		}
	}
	if c.account.Login == nil {
		return &logical.Response{
			Data: map[string]any{"verified_at": api.RFC3339(b.now())},
			Warnings: []string{"the examples of the scheme were signed again and compared; the API was not called, so this " +
				"does not show whether it accepts the secrets"},
		}, nil
	}
	if c.account.Exclusive {
		living, err := r.livingToken(ctx, c.values)
		if err != nil {
			return nil, err
		}
		if !living.Absent() {
			return checkedByToken(living), nil
		}
	}
	if fault := current.history.beginCheck(b.now()); fault != "" {
		return nil, logical.CodedError(http.StatusTooManyRequests, r.key()+" "+fault)
	}
	defer current.history.endCheck()
	report, err := b.login(ctx, r.store, r.name, c.account, c.values.Detected())
	if err != nil {
		if ctx.Err() == nil { // a check that was given up shows nothing of the vendor
			current.loggedIn(b.now(), report, err)
		}
		return nil, fmt.Errorf("%s: %w", r.key(), err)
	}
	c.values = c.values.Learn(report.Format)
	err = r.confirm(ctx, found, c, func(e *entry) {
		b.take(e, report)
		e.history.checked(b.now())
	})
	if err != nil {
		return nil, err
	}
	return b.checked(r.store.api, report), nil
}

// checkedByToken is the answer to a check of an account whose token must not be ended by another login.
func checkedByToken(living token.Token) *logical.Response {
	resp := &logical.Response{Data: map[string]any{
		"verified_at": api.RFC3339(living.AskedAt),
		"expires_at":  api.RFC3339(living.ExpiresAt),
	}}
	resp.AddWarning("the vendor was not called: a login would end the token that readers share, which is from " +
		api.RFC3339(living.AskedAt))
	return resp
}

// checked is the answer to a check that succeeded.
func (b *backend) checked(a *api.API, report api.Report) *logical.Response {
	data := map[string]any{
		"verified_at": api.RFC3339(b.now()),
		"status":      report.Status,
		"duration_ms": int(report.Timing.Duration().Milliseconds()),
	}
	if offset, known := report.Timing.Offset(); known {
		data["clock_offset"] = int(offset.Seconds())
	}
	if a.Format != nil {
		data[a.Format.Chosen.Name] = report.Format
	}
	if a.Lease != nil {
		data["expires_at"] = api.RFC3339(report.Token.ExpiresAt)
	}
	if report.Tried != nil {
		data["formats"] = report.Tried
	}
	resp := &logical.Response{Data: data}
	for _, warning := range reportWarnings(report) {
		resp.AddWarning(warning)
	}
	return resp
}

const checkHelp = `
Does one real exchange with the stored config, now, and keeps what it learns: a date or timestamp format that works,
and a new token for readers. Use it to see whether the credentials work:

    vault write -f apisig/check/<vendor>/<name>

If the vendor rejects them, the error says what a reader would see. The answer shows by how many seconds the vendor's
clock is ahead of this server's. A config is checked with success once in ten seconds.
`

const checkExamplesHelp = `
Before that the examples of the stored config are signed again and compared. If its scheme has no login, that is all:
nobody is called, so it does not show whether the API accepts the secrets. If a login would end the token that readers
share (exclusive), a token that lives is the answer, and nobody is called.
`
