package backend

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/api"
)

// The parameters of a batch: the calls as maps of inputs or, where the only input is a request_string, those by
// themselves.
const (
	requestsField       = "requests"
	requestStringsField = "request_strings"
	requestStringInput  = "request_string"
)

// Limits of a batch. A batch beyond them would take memory from every mount of the plugin.
const (
	maxBatch       = 1000    // calls
	maxBatchBytes  = 1 << 20 // of all their inputs together
	maxBatchAnswer = 8 << 20 // bytes of the results as JSON
)

// takesRequestStrings reports whether a batch of an API can be a list of request strings.
func takesRequestStrings(a *api.API) bool {
	return len(a.Sign.Inputs) == 1 && a.Sign.Inputs[0].Name == requestStringInput
}

// pathSignBatch is sign/<vendor>/:name/batch.
func (b *backend) pathSignBatch(s *store) *framework.Path {
	a, p := s.api, s.path("sign", "sign", "requests")
	p.Pattern += "/batch"
	p.Fields[unauthorizedField] = unauthorizedSchema(a)
	p.Fields[requestsField] = &framework.FieldSchema{
		Type: framework.TypeSlice,
		Description: "Calls, up to 1,000 and 1 MiB together: a map each of what the path of a single call takes. Send them " +
			"as JSON. Required, where there are no request_strings.",
	}
	if a.Document != nil {
		p.Fields[requestsField].Description += " With a declared RSA key, up to 64 signatures."
	}
	p.HelpSynopsis, p.HelpDescription = "Sign many calls to "+a.Title+".", signBatchHelp
	if takesRequestStrings(a) {
		p.Fields[requestStringsField] = &framework.FieldSchema{
			Type:        framework.TypeStringSlice,
			Description: "Request strings in place of requests, where a call is nothing else.",
		}
		p.HelpDescription += signBatchStringsHelp
	}
	p.HelpDescription = strings.ReplaceAll(p.HelpDescription, "VENDOR", a.Name)
	p.Operations = map[logical.Operation]framework.OperationHandler{
		logical.UpdateOperation: &framework.PathOperation{
			Callback: s.named(b.signBatch),
			Summary:  p.HelpSynopsis,
			Responses: answers("The headers of each call. There is no lease.", map[string]*framework.FieldSchema{
				"results": always(framework.TypeSlice, "For each call, in their order, what the path of a single call answers, "+
					"except expires_at."),
				"expires_at": always(framework.TypeString, "Until when the results are good, RFC 3339."),
			}),
		},
	}
	return p
}

// batch are the calls that a reader wants signed.
type batch struct {
	// field is the parameter that they are in.
	field string
	// calls are a map of inputs each, or a string, which is a request string.
	calls []any
}

// batchOf reads the parameters of a batch, whose types were checked.
func batchOf(r *request) batch {
	if _, given := r.data.Raw[requestsField]; given || !takesRequestStrings(r.store.api) {
		requests, _ := r.data.Raw[requestsField].([]any)
		return batch{requestsField, requests}
	}
	if one, is := r.data.Raw[requestStringsField].(string); is {
		return batch{requestStringsField, []any{one}}
	}
	requestStrings, _ := r.data.Raw[requestStringsField].([]any)
	return batch{requestStringsField, requestStrings}
}

// signBatch signs all of the calls or, if one of them is wrong, none.
func (b *backend) signBatch(ctx context.Context, r *request) (*logical.Response, error) {
	calls := batchOf(r)
	return b.serve(ctx, r, reading{
		path: readBatch, calls: len(calls.calls),
		begin: func(account *api.Account) (answering, error) {
			if account.Signer == nil {
				return nil, r.servesOnly("creds")
			}
			if r.data.Raw[requestsField] != nil && r.data.Raw[requestStringsField] != nil {
				return nil, api.Invalidf("%s and %s cannot be given together", requestsField, requestStringsField)
			}
			if most := account.MaxBatch; most > 0 && len(calls.calls) > most {
				return nil, api.Invalidf("%s has %d elements, more than the %d that can be signed together with this config's "+
					"RSA key", calls.field, len(calls.calls), most)
			}
			given, err := calls.check(ctx, account.Signer)
			if err != nil {
				return nil, err
			}
			return func(m api.Moment) (*logical.Response, error) { return calls.sign(ctx, account.Signer, given, m) }, nil
		},
	})
}

// check says what is wrong with a batch. It names the first call that is wrong, counted from 0. It ends with the
// context: a large batch takes a while, which is wasted on a caller that hung up.
func (b batch) check(ctx context.Context, signer api.Signer) ([]api.Inputs, error) {
	if len(b.calls) == 0 {
		return nil, api.Invalidf("%s is required: a list of at least one", b.field)
	}
	if len(b.calls) > maxBatch {
		return nil, api.Invalidf("%s has %d elements, more than %d", b.field, len(b.calls), maxBatch)
	}
	if b.bytes() > maxBatchBytes {
		return nil, api.Invalidf("%s has more than 1 MiB together", b.field)
	}
	declared := signer.Inputs()
	given := make([]api.Inputs, len(b.calls))
	for i, call := range b.calls {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var err error
		if given[i], err = callInputs(call, declared); err == nil {
			err = signer.Check(given[i])
		}
		if err != nil {
			return nil, b.explain(i, err)
		}
	}
	return given, nil
}

// callInputs are the inputs of one call.
func callInputs(call any, declared []api.Input) (api.Inputs, error) {
	if requestString, is := call.(string); is {
		return api.Inputs{requestStringInput: requestString}, nil
	}
	inputs, _ := call.(map[string]any)
	return inputsOf(inputs, declared, nil)
}

// bytes are those of all inputs.
func (b batch) bytes() int {
	total := 0
	count := func(value any) {
		text, _ := value.(string)
		total += len(text)
	}
	for _, call := range b.calls {
		count(call)
		inputs, _ := call.(map[string]any)
		for _, value := range inputs {
			count(value)
		}
	}
	return total
}

// sign signs every call, until the answer would be too large.
func (b batch) sign(
	ctx context.Context, signer api.Signer, given []api.Inputs, m api.Moment,
) (*logical.Response, error) {
	results := make([]any, len(given))
	expires, size := time.Time{}, 0
	for i, inputs := range given {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		answer, err := signer.Sign(m, inputs)
		if err != nil {
			return nil, b.explain(i, err)
		}
		expires, answer.ExpiresAt = answer.ExpiresAt, time.Time{}
		if size += answerSize(answer); size > maxBatchAnswer {
			return nil, api.Invalidf("the answer would have more than 8 MiB; sign fewer calls at once")
		}
		results[i] = answerData(answer, m.Now)
	}
	return &logical.Response{Data: map[string]any{"results": results, "expires_at": api.RFC3339(expires)}}, nil
}

// explain makes an error of one call one of the batch.
func (b batch) explain(i int, err error) error {
	if wrong, is := errors.AsType[*api.InputError](err); is && b.field == requestStringsField {
		return api.Invalidf("%s[%d] %s", b.field, i, wrong.Fault)
	}
	if isInvalid(err) {
		return api.Invalidf("%s[%d]: %s", b.field, i, err)
	}
	return err
}

const signBatchHelp = `
Returns the headers of each of many calls, in the order of requests, and where to send each. A call is a map of what
sign/VENDOR/<name> takes:

    vault write apisig/sign/VENDOR/<name>/batch - <requests.json   # {"requests": [{"request_string": "/..."}, ...]}

Each call is checked and signed as the path of a single call does it. If one is rejected, none is signed. A policy for
the path of a single call does not open this one.
`

const signBatchStringsHelp = `
Calls that are a request_string alone can be listed:

    vault write apisig/sign/VENDOR/<name>/batch request_strings=/v1.0/event/1 request_strings=/v1.0/event/2
`
