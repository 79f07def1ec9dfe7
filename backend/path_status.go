package backend

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/api"
)

// statusPrefix begins the path of every status.
const statusPrefix = "status/"

// pathStatus is status/<vendor>/:name.
func (b *backend) pathStatus(s *store) *framework.Path {
	p := s.path("status", "read", "status")
	p.HelpSynopsis = "Read what the engine knows of a config of " + s.api.Title + ", without calling the vendor."
	p.HelpDescription = statusHelp
	p.Operations = map[logical.Operation]framework.OperationHandler{
		logical.ReadOperation: &framework.PathOperation{
			Callback: s.named(b.statusRead), Summary: p.HelpSynopsis,
			Responses: answers("What is known. Fields that do not apply are absent.", statusFields(s.api)),
		},
	}
	return p
}

// pathStatusList is LIST status/<vendor>.
func (b *backend) pathStatusList(s *store) *framework.Path {
	return s.pathList(statusPrefix+s.api.Name+"/", "statuses")
}

func statusFields(a *api.API) map[string]*framework.FieldSchema {
	text := func(description string) *framework.FieldSchema {
		return &framework.FieldSchema{Type: framework.TypeString, Description: description}
	}
	number := func(description string) *framework.FieldSchema {
		return &framework.FieldSchema{Type: framework.TypeInt, Description: description}
	}
	fields := map[string]*framework.FieldSchema{
		api.SecretWrittenAt.Name: text("When the secret was last part of a write, RFC 3339."),
		"secret_age":             number("Seconds since the secret was written."),
		api.SecretExpiresAt.Name: text("When the secret expires, as the config says, RFC 3339."),
		"problem": text("Why the stored config cannot be used, or why a write of its scheme would be " +
			"refused today."),
		"since": text("When this node began to count, RFC 3339."),
		"reads": number("Reads of credentials and signatures, by this node."),
	}
	if a.Calls {
		fields["stale_reads"] = number("Reads that got a token that could not be renewed, with a warning.")
		fields["exchanges"] = number("Exchanges with the vendor, by this node.")
		fields["last_success_at"] = text("When an exchange last succeeded, RFC 3339.")
		fields["last_failure_at"] = text("When an exchange last failed, RFC 3339.")
		fields["last_failure"] = text("Error of the last failure.")
		fields["failures_in_a_row"] = number("Exchanges that failed since the last success.")
		fields["clock_offset"] = number("Seconds by which the vendor's clock is ahead of this server's.")
	}
	if a.Lease != nil {
		fields["held_off_until"] = text("Until when the engine leaves the vendor alone after failures, RFC 3339.")
		fields["token_issued_at"] = text("When the shared token was got, RFC 3339.")
		fields["token_expires_at"] = text("When the shared token expires, RFC 3339.")
	}
	return fields
}

// statusRead answers from memory, or reads the config from storage once.
func (b *backend) statusRead(ctx context.Context, r *request) (*logical.Response, error) {
	current, err := r.usable(ctx)
	unusable, isUnusable := errors.AsType[*unusableError](err)
	switch {
	case isUnusable:
		return &logical.Response{Data: map[string]any{"problem": unusable.problem}}, nil
	case errors.Is(err, api.ErrDamaged):
		return &logical.Response{Data: map[string]any{"problem": api.ErrDamaged.Error()}}, nil
	case err != nil:
		return nil, err
	}
	status := map[string]any{}
	now := b.now()
	put := func(field string, at time.Time) {
		if !at.IsZero() {
			status[field] = api.RFC3339(at)
		}
	}
	secret := current.values.SecretDates()
	if put(api.SecretWrittenAt.Name, secret.Written); !secret.Written.IsZero() {
		status["secret_age"] = int(now.Sub(secret.Written).Seconds())
	}
	if outdated := current.values.Outdated(); outdated != "" {
		status["problem"] = outdated
	}
	put(api.SecretExpiresAt.Name, secret.Expires)
	put("since", current.stats.since)
	reads, stale, exchanges := current.stats.totals()
	status["reads"] = reads
	if current.account.Login != nil {
		status["stale_reads"], status["exchanges"] = stale, exchanges
		current.history.events().put(status, put)
	}
	if current.token != nil {
		state := current.token.State()
		if state.HeldOffUntil.After(now) {
			put("held_off_until", state.HeldOffUntil)
		}
		put("token_issued_at", state.Token.AskedAt)
		put("token_expires_at", state.Token.ExpiresAt)
	}
	resp := &logical.Response{Data: status}
	if warning := expiryWarning(secret.Expires, now); warning != "" {
		resp.AddWarning(warning)
	}
	return resp, nil
}

// put adds the events to a status.
func (e events) put(status map[string]any, instant func(string, time.Time)) {
	status["failures_in_a_row"] = e.failures
	instant("last_success_at", e.success)
	instant("last_failure_at", e.failure)
	if e.text != "" {
		status["last_failure"] = e.text
	}
	if e.offsetKnown {
		status["clock_offset"] = int(e.offset.Seconds())
	}
}

const statusHelp = `
Returns facts about a config: how old its secret is, what became of the last exchanges with the vendor, whether the
clocks agree, how long the shared token lives. It calls nobody, and contains no secret and no token, so it can be read
every second:

    vault read apisig/status/<vendor>/<name>

Counts are this node's, since the time in since. Fields that do not apply are absent.
`
