package backend

import (
	"context"
	"fmt"
	"net/http"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/avanan"
)

const requestStringField = "request_string"

func pathSignAvanan(b *backend) *framework.Path {
	return &framework.Path{
		Pattern: "sign/avanan/" + framework.GenericNameRegex(nameField),
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: operationPrefix, OperationVerb: "sign", OperationSuffix: "avanan-request",
		},
		Fields: map[string]*framework.FieldSchema{
			nameField: nameSchema(),
			requestStringField: {
				Type: framework.TypeString, Required: true, Query: true,
				Description: "Path and query of the call exactly as they will be sent, such as /v1.0/event/query. Required. It starts with / " +
					"and is printable ASCII of at most 8 KiB, without #, \\, a comma (write %2C), // or a . or .. segment in its path, a ? at its " +
					"end, or the app id.",
			},
		},
		Operations: readAndUpdate(framework.PathOperation{
			Callback: b.pathSignAvananRead,
			Summary:  "Sign one call to Avanan.",
			Responses: map[int][]framework.Response{http.StatusOK: {{
				Description: "The headers of one call. There is no lease.",
				Fields: map[string]*framework.FieldSchema{
					"headers":    {Type: framework.TypeMap, Required: true, Description: "The five headers by name."},
					"url":        {Type: framework.TypeString, Required: true, Description: "Where to send the call: base URL and request string."},
					"expires_at": {Type: framework.TypeString, Required: true, Description: "When the JWT within expires, RFC 3339."},
				},
			}}},
		}, "sign", "avanan-request-with-parameters"),
		HelpSynopsis:    "Sign one call to Avanan.",
		HelpDescription: pathSignAvananHelp,
	}
}

func (b *backend) pathSignAvananRead(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	return b.withAvananConfig(ctx, req, nameOf(data), func(name string, stored cachedConfig[avananConfig]) (*logical.Response, error) {
		requestString, err := requestStringOf(data, stored.config.AppID)
		if err != nil {
			return nil, err
		}
		token, warnings, err := b.avananToken(ctx, name, stored)
		if err != nil {
			return nil, err
		}
		signed, err := b.signedCall(stored.config, token, requestString)
		if err != nil {
			return nil, err
		}
		signed["expires_at"] = rfc3339(token.ExpiresAt)
		return &logical.Response{Data: signed, Warnings: warnings}, nil
	})
}

// signedCall is the answer for one call: its headers, and where to send it.
func (b *backend) signedCall(config avananConfig, token avanan.Token, requestString string) (map[string]any, error) {
	reqID, err := b.newID()
	if err != nil {
		return nil, fmt.Errorf("making a request id: %w", err)
	}
	return map[string]any{
		"headers": config.credentials().Headers(avanan.Call{
			ReqID:         reqID,
			Date:          token.DateFormat.Date(b.now()),
			Token:         token.JWT,
			RequestString: requestString,
		}),
		"url": config.address() + requestString,
	}, nil
}

// requestStringOf returns the request string, checked. An absent one is no empty one to Vault's policies, so both are
// refused here.
func requestStringOf(data *framework.FieldData, appID string) (string, error) {
	requestString, _ := data.Get(requestStringField).(string)
	if _, given := data.GetOk(requestStringField); !given {
		return "", invalidf("%s is required: the path and query of the call exactly as they will be sent", requestStringField)
	}
	if err := avanan.CheckRequestString(appID, requestString); err != nil {
		return "", invalidf("%s %s", requestStringField, err)
	}
	return requestString, nil
}

const pathSignAvananHelp = `
Returns the five headers of one call to Avanan, for the path and query that it will be sent with:

    vault read apisig/sign/avanan/us request_string=/v1.0/scopes

Send the call to url, at once and unchanged: another request string, or a client that rewrites it, breaks the
signature. The signature covers neither the method nor the body, so GET and DELETE of one path are signed alike.

A policy can hold an application to its own calls, by required_parameters and allowed_parameters for request_string.
`
