package backend

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

const requestStringsField = "request_strings"

// Limits of a batch. A batch beyond them would take memory from every mount of the plugin.
const (
	maxBatch       = 1000    // request strings
	maxBatchBytes  = 1 << 20 // of them together
	maxBatchAnswer = 8 << 20 // bytes of the answer as JSON
)

// pathSignBatch is sign/<vendor>/:name/batch.
func (b *backend) pathSignBatch(s *store) *framework.Path {
	v := s.vendor
	summary := "Sign many calls to " + v.title + "."
	return &framework.Path{
		Pattern: "sign/" + v.name + "/" + framework.GenericNameRegex(nameField) + "/batch",
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: operationPrefix, OperationVerb: "sign", OperationSuffix: v.name + "-requests",
		},
		Fields: map[string]*framework.FieldSchema{
			nameField:         nameSchema(),
			unauthorizedField: unauthorizedSchema(v),
			requestStringsField: {
				Type: framework.TypeStringSlice, Required: true,
				Description: "Request strings, up to 1,000 and 1 MiB together, each as sign/" + v.name + "/<name> takes one. Required.",
			},
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.UpdateOperation: &framework.PathOperation{
				Callback: b.named(s, b.signBatch),
				Summary:  summary,
				Responses: map[int][]framework.Response{http.StatusOK: {{
					Description: "The headers of each call. There is no lease.",
					Fields: map[string]*framework.FieldSchema{
						"results": {
							Type: framework.TypeSlice, Required: true,
							Description: "For each request string, in their order: headers (by name), header_lines (the same as text) and url " +
								"(where to send the call).",
						},
						"expires_at": {Type: framework.TypeString, Required: true, Description: "When the token in the headers expires, RFC 3339."},
					},
				}}},
			},
		},
		HelpSynopsis:    summary,
		HelpDescription: strings.ReplaceAll(signBatchHelp, "VENDOR", v.name),
	}
}

// signBatch signs all of the calls or, if one of the request strings is wrong, none.
func (b *backend) signBatch(
	ctx context.Context, s *store, req *logical.Request, name string, data *framework.FieldData,
) (*logical.Response, error) {
	requestStrings, _ := textList(data.Raw[requestStringsField])
	return b.serve(ctx, s, req, name, data, reading{
		path: readBatch, calls: len(requestStrings),
		check: func(c config) error { return checkBatch(ctx, s.vendor, c, requestStrings) },
		answer: func(serving serving) (*logical.Response, error) {
			return signAll(s.vendor, serving, requestStrings)
		},
	})
}

// signAll signs every call, unless the answer would be too large.
func signAll(v *vendor, serving serving, requestStrings []string) (*logical.Response, error) {
	if size := batchSize(v, serving, requestStrings); size > maxBatchAnswer {
		return nil, invalidf("the answer would have more than 8 MiB; sign fewer calls at once")
	}
	results := make([]any, len(requestStrings))
	for i, requestString := range requestStrings {
		signed, err := v.sign.sign(serving, requestString)
		if err != nil {
			return nil, err
		}
		results[i] = signed.data()
	}
	return &logical.Response{Data: map[string]any{"results": results, "expires_at": rfc3339(serving.token.ExpiresAt)}}, nil
}

// checkBatch says what is wrong with the request strings of a batch. It names the first that is wrong, counted from 0. It ends
// with the context: a large batch takes a while, which is wasted on a caller that hung up.
func checkBatch(ctx context.Context, v *vendor, c config, requestStrings []string) error {
	if len(requestStrings) == 0 {
		return invalidf("%s is required: a list of at least one", requestStringsField)
	}
	if len(requestStrings) > maxBatch {
		return invalidf("%s has %d elements, more than %d", requestStringsField, len(requestStrings), maxBatch)
	}
	total := 0
	for _, requestString := range requestStrings {
		total += len(requestString)
	}
	if total > maxBatchBytes {
		return invalidf("%s has more than 1 MiB together", requestStringsField)
	}
	for i, requestString := range requestStrings {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := v.sign.check(c, requestString); err != nil {
			return invalidf("%s[%d] %s", requestStringsField, i, err)
		}
	}
	return nil
}

// batchSize estimates the answer to a batch as JSON, from above, without signing: for each call the headers as a map and as
// text, and the url.
func batchSize(v *vendor, s serving, requestStrings []string) int {
	const names = 100 // bytes of a result's field names and punctuation, rounded up
	address, err := json.Marshal(v.address(s.config))
	if err != nil {
		return maxBatchAnswer + 1
	}
	size := len(requestStrings) * (2*v.sign.size(s) + len(address) + names)
	for _, requestString := range requestStrings {
		encoded, err := json.Marshal(requestString)
		if err != nil {
			return maxBatchAnswer + 1
		}
		size += len(encoded)
	}
	return size
}

const signBatchHelp = `
Returns the headers of each of many calls, in the order of request_strings, and where to send each:

    vault write apisig/sign/VENDOR/<name>/batch request_strings=/v1.0/event/1 request_strings=/v1.0/event/2

Each request string is checked and signed as the path of a single call does it. If one is rejected, none is signed. A policy
for the path of a single call does not open this one.
`
