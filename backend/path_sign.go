package backend

import (
	"context"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/api"
)

// pathSign is sign/<vendor>/:name.
func (b *backend) pathSign(s *store) *framework.Path {
	a, p := s.api, s.path("sign", "sign", "request")
	p.Fields[unauthorizedField] = unauthorizedSchema(a)
	for _, input := range a.Sign.Inputs {
		p.Fields[input.Name] = always(framework.TypeString, input.Help)
		p.Fields[input.Name].Query = true
	}
	description := "The headers of one call. There is no lease."
	if a.Document != nil {
		description = "Signed headers. There is no lease."
	}
	p.HelpSynopsis, p.HelpDescription = a.Sign.Synopsis, a.Sign.Help
	p.TakesArbitraryInput = a.Document != nil // which says what its inputs are
	readAndUpdate(p, framework.PathOperation{
		Callback:  s.named(b.signRead),
		Summary:   a.Sign.Synopsis,
		Responses: answers(description, answerFields(a, a.Sign)),
	})
	return p
}

func (b *backend) signRead(ctx context.Context, r *request) (*logical.Response, error) {
	return b.serve(ctx, r, reading{path: readSign, calls: 1, begin: func(account *api.Account) (answering, error) {
		if account.Signer == nil {
			return nil, r.servesOnly("creds")
		}
		given, err := r.inputs(account.Signer.Inputs())
		if err != nil {
			return nil, err
		}
		if err := account.Signer.Check(given); err != nil {
			return nil, err
		}
		return func(m api.Moment) (*logical.Response, error) {
			answer, err := account.Signer.Sign(m, given)
			if err != nil {
				return nil, err
			}
			return &logical.Response{Data: answerData(answer, m.Now)}, nil
		}, nil
	}})
}

// servesOnly is the error of a path that the config does not serve: its document decides.
func (r *request) servesOnly(path string) error {
	return api.Invalidf("the config %s serves %s%s/%s/%s", r.key(), r.MountPoint, path, r.store.api.Name, r.name)
}
