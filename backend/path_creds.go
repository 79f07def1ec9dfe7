package backend

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// unauthorizedField is the parameter by which a reader reports a 401 of the vendor.
const unauthorizedField = "unauthorized"

func unauthorizedSchema(a *api.API) *framework.FieldSchema {
	description := "Set it to true after the vendor answered 401: a shared token that is at least five minutes old is " +
		"then replaced, for all readers. Default: false."
	if a.Lease == nil {
		description = "Accepted as on the paths of other vendors, and without effect: every read signs new headers."
	}
	return &framework.FieldSchema{Type: framework.TypeBool, Query: true, Description: description}
}

// minTTLSchema is the parameter by which a reader asks for a token that lives longer, named as the config's field is.
func minTTLSchema() *framework.FieldSchema {
	return &framework.FieldSchema{
		Type: framework.TypeDurationSecond, Query: true,
		Description: "Minimum remaining lifetime of the token, for this reader: the config's min_ttl applies if it is " +
			"larger. As there, at most half of the token's life counts (minus 90s where it is 6m or more); a warning says " +
			"if the token lives for less. From 0s to " + api.Duration(api.MaxMinTTL) + ".",
	}
}

// pathCreds is creds/<vendor>/:name.
func (b *backend) pathCreds(s *store) *framework.Path {
	a, p := s.api, s.path("creds", "generate", "credentials")
	p.Fields[unauthorizedField] = unauthorizedSchema(a)
	description := "Freshly made credentials. There is no lease."
	if a.Lease != nil {
		description = "A token. Its lease ends shortly before it does, and cannot be renewed."
		p.Fields[api.MinTTL.Name] = minTTLSchema()
	}
	if a.Document != nil {
		description = "Headers, signed now, without a lease; with a login in the scheme, with what that gave, and a lease " +
			"that ends shortly before it does and cannot be renewed."
	}
	p.HelpSynopsis, p.HelpDescription = a.Creds.Synopsis, a.Creds.Help
	p.TakesArbitraryInput = a.Document != nil // a config whose document has inputs answers that it serves sign/
	readAndUpdate(p, framework.PathOperation{
		Callback:                  s.named(b.credsRead),
		Summary:                   a.Creds.Synopsis,
		Responses:                 answers(description, answerFields(a, a.Creds)),
		ForwardPerformanceStandby: a.Lease != nil && a.Document == nil, // a lease needs a write
	})
	return p
}

func (b *backend) credsRead(ctx context.Context, r *request) (*logical.Response, error) {
	wanted, wants := r.data.GetOk(api.MinTTL.Name) // nil for an API without tokens
	seconds, _ := wanted.(int)
	if r.store.api.Document != nil && b.isStandby() {
		if current, err := r.usable(ctx); err == nil && current.token != nil {
			return nil, logical.ErrReadOnly // a lease needs a write: Vault sends the request to the active node
		}
	}
	leased := false
	signed := 0
	if r.store.api.Document != nil {
		signed = 1
	}
	resp, err := b.serve(ctx, r, reading{
		path: readCreds, calls: signed, minTTL: time.Duration(min(seconds, api.MaxMinTTL)) * time.Second,
		begin: func(account *api.Account) (answering, error) {
			if account.Creds == nil {
				return nil, r.servesOnly("sign")
			}
			leased = r.store.api.Lease != nil && account.Login != nil
			if wants && !leased && r.Operation != logical.ReadOperation {
				return nil, api.Invalidf("unknown parameter %q; the config %s has no token", api.MinTTL.Name, r.key())
			}
			if leased && seconds > api.MaxMinTTL {
				return nil, api.Invalidf("%s must be from 0s to %ds", api.MinTTL.Name, api.MaxMinTTL)
			}
			if _, err := r.inputs(nil); err != nil {
				return nil, err
			}
			return func(m api.Moment) (*logical.Response, error) {
				answer, err := account.Creds.Creds(m)
				if err != nil {
					return nil, err
				}
				data := answerData(answer, m.Now)
				if answer.Headers != nil {
					data[perCallField] = noPerCall
					if answer.PerCall != nil {
						data[perCallField] = answer.PerCall
					}
				}
				if !leased {
					return &logical.Response{Data: data}, nil
				}
				return b.leased(r, data, m, answer.MaxLease, seconds)
			}, nil
		},
	})
	if err == nil && wants && !leased {
		resp.AddWarning("ignored " + api.MinTTL.Name + ": the config has no token")
	}
	return resp, err
}

// leased is an answer with a lease of the token.
func (b *backend) leased(
	r *request, data map[string]any, m api.Moment, most time.Duration, minTTL int,
) (*logical.Response, error) {
	ttl := m.Token.TTL(m.Now)
	if most > 0 {
		ttl = min(ttl, most)
	}
	if ttl <= 0 { // Vault would make it its default of 32 days (sdk/framework/lease.go, CalculateTTL)
		return nil, fmt.Errorf("%s: %w", r.key(), token.ErrTooShort)
	}
	lease := r.store.api.Lease
	resp := b.Secret(lease.Type).Response(data, leaseOf(lease, r.name, m.Token.Value))
	resp.Secret.TTL = ttl
	if left := m.Token.Left(m.Now).Truncate(time.Second); left < time.Duration(minTTL)*time.Second {
		resp.AddWarning(fmt.Sprintf("the token expires in %s, which is less than min_ttl; at most half of a token's life "+
			"counts", left))
	}
	return resp, nil
}
