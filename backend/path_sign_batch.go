package backend

import (
	"context"
	"net/http"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/avanan"
)

const (
	requestStringsField = "request_strings"
	// maxBatch is how many request strings one batch may have.
	maxBatch = 1000
)

func pathSignAvananBatch(b *backend) *framework.Path {
	return &framework.Path{
		Pattern: "sign/avanan/" + framework.GenericNameRegex(nameField) + "/batch",
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: operationPrefix, OperationVerb: "sign", OperationSuffix: "avanan-requests",
		},
		Fields: map[string]*framework.FieldSchema{
			nameField: nameSchema(),
			requestStringsField: {
				Type: framework.TypeStringSlice, Required: true,
				Description: "Request strings, up to 1,000, each as sign/avanan/<name> takes one. Required.",
			},
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.UpdateOperation: &framework.PathOperation{
				Callback: b.pathSignAvananBatchUpdate,
				Summary:  "Sign many calls to Avanan.",
				Responses: map[int][]framework.Response{http.StatusOK: {{
					Description: "The headers of each call. There is no lease.",
					Fields: map[string]*framework.FieldSchema{
						"results": {
							Type: framework.TypeSlice, Required: true,
							Description: "For each request string, in their order: headers (the five by name) and url (where to send the call).",
						},
					},
				}}},
			},
		},
		HelpSynopsis:    "Sign many calls to Avanan.",
		HelpDescription: pathSignAvananBatchHelp,
	}
}

// pathSignAvananBatchUpdate signs all of the calls, or where one of the request strings is wrong, none.
func (b *backend) pathSignAvananBatchUpdate(
	ctx context.Context, req *logical.Request, data *framework.FieldData,
) (*logical.Response, error) {
	return b.withAvananConfig(ctx, req, nameOf(data), func(name string, stored cachedConfig[avananConfig]) (*logical.Response, error) {
		requestStrings, err := requestStringsOf(ctx, data, stored.config.AppID)
		if err != nil {
			return nil, err
		}
		token, warnings, err := b.avananToken(ctx, name, stored)
		if err != nil {
			return nil, err
		}
		results := make([]any, len(requestStrings))
		for i, requestString := range requestStrings {
			if results[i], err = b.signedCall(stored.config, token, requestString); err != nil {
				return nil, err
			}
		}
		return &logical.Response{Data: map[string]any{"results": results}, Warnings: warnings}, nil
	})
}

// requestStringsOf returns the request strings, each checked. The error names the first that is wrong, counted from 0. A
// batch of the longest takes a while, which is not spent for a caller who has hung up.
func requestStringsOf(ctx context.Context, data *framework.FieldData, appID string) ([]string, error) {
	requestStrings, _ := textList(data.Raw[requestStringsField])
	if len(requestStrings) == 0 {
		return nil, invalidf("%s is required: a list of at least one", requestStringsField)
	}
	if len(requestStrings) > maxBatch {
		return nil, invalidf("%s has %d, more than %d", requestStringsField, len(requestStrings), maxBatch)
	}
	for i, requestString := range requestStrings {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := avanan.CheckRequestString(appID, requestString); err != nil {
			return nil, invalidf("%s[%d] %s", requestStringsField, i, err)
		}
	}
	return requestStrings, nil
}

const pathSignAvananBatchHelp = `
Returns the five headers of each of many calls to Avanan, in the order of request_strings, and where to send each:

    vault write apisig/sign/avanan/us/batch request_strings=/v1.0/event/1 request_strings=/v1.0/event/2

Each is checked and signed as sign/avanan/<name> does with one, and what is said there holds here. Where one is refused,
none is signed. A policy for sign/avanan/<name> does not open this path.
`
