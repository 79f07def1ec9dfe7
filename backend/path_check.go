package backend

import (
	"context"
	"fmt"
	"net/http"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/api"
)

// pathCheck is check/<vendor>/:name, of an API that the engine calls.
func (b *backend) pathCheck(s *store) *framework.Path {
	a := s.api
	fields := map[string]*framework.FieldSchema{
		"verified_at": always(framework.TypeString, "When the vendor accepted the credentials, RFC 3339."),
		"status":      always(framework.TypeInt, "Status of the vendor's answer."),
		"duration_ms": always(framework.TypeInt, "How long the vendor took to answer, in milliseconds."),
		"clock_offset": {
			Type:        framework.TypeInt,
			Description: "Seconds by which the vendor's clock is ahead of this server's; absent if the answer does not tell.",
		},
	}
	if a.Format != nil {
		fields[a.Format.Chosen.Name] = always(framework.TypeString, "The format that worked.")
	}
	if a.Lease != nil {
		fields["expires_at"] = always(framework.TypeString, "When the new token expires, RFC 3339.")
	} else {
		fields["formats"] = &framework.FieldSchema{
			Type: framework.TypeMap, Description: "What each format that was tried met: accepted, or the status of the answer.",
		}
	}
	return checkPath(s, checking{
		do:          b.check,
		summary:     "Check a config of " + a.Title + " with one real exchange.",
		description: "The vendor accepted the credentials.",
		fields:      fields,
		help:        checkHelp,
	})
}

// pathCheckExamples is check/<vendor>/:name, of an API with documents that the engine does not call.
func (b *backend) pathCheckExamples(s *store) *framework.Path {
	return checkPath(s, checking{
		do:          b.checkExamples,
		summary:     "Check a config of " + s.api.Title + " against its own examples.",
		description: "The examples give what they want.",
		fields: map[string]*framework.FieldSchema{
			"verified_at": always(framework.TypeString, "When the examples were signed, RFC 3339."),
		},
		help: checkExamplesHelp,
	})
}

// checking is what differs between the two kinds of checks.
type checking struct {
	do                         operation
	summary, description, help string
	fields                     map[string]*framework.FieldSchema
}

func checkPath(s *store, c checking) *framework.Path {
	p := s.path("check", "check", "configuration")
	p.HelpSynopsis, p.HelpDescription = c.summary, c.help
	p.Operations = map[logical.Operation]framework.OperationHandler{
		logical.UpdateOperation: forwarded(s.named(c.do), c.summary, answers(c.description, c.fields)),
	}
	return p
}

// checkExamples reads the config from storage, so that what is checked is what another node would use.
func (b *backend) checkExamples(ctx context.Context, r *request) (*logical.Response, error) {
	current, err := r.fetch(ctx)
	if err != nil {
		return nil, err
	}
	if err := current.account.Declared.CheckExamples(); err != nil {
		return nil, err
	}
	return &logical.Response{Data: map[string]any{"verified_at": api.RFC3339(b.now())}}, nil
}

// check logs in with the stored config and keeps what it learns: the format that worked, and a new token. It stores
// nothing if the config was changed meanwhile.
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
	if fault := current.history.beginCheck(b.now()); fault != "" {
		return nil, logical.CodedError(http.StatusTooManyRequests, r.key()+" "+fault)
	}
	defer current.history.endCheck()
	report, err := b.login(ctx, r.store, c.account, c.values.Detected())
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
	if warning := clockWarning(report.Timing); warning != "" {
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
Signs the examples of the stored config again and compares the results. It calls nobody, so it does not show whether
the API accepts the secrets:

    vault write -f apisig/check/<vendor>/<name>
`
