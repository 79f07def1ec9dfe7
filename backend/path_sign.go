package backend

import (
	"context"
	"net/http"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

const requestStringField = "request_string"

// pathSign is sign/<vendor>/:name.
func (b *backend) pathSign(s *store) *framework.Path {
	v := s.vendor
	suffix := v.name + "-request"
	return &framework.Path{
		Pattern: "sign/" + v.name + "/" + framework.GenericNameRegex(nameField),
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: operationPrefix, OperationVerb: "sign", OperationSuffix: suffix,
		},
		Fields: map[string]*framework.FieldSchema{
			nameField:         nameSchema(),
			unauthorizedField: unauthorizedSchema(v),
			requestStringField: {
				Type: framework.TypeString, Required: true, Query: true,
				Description: "Path and query of the call exactly as they will be sent, such as /v1.0/event/query. Required. It starts with / " +
					"and is printable ASCII of at most 8 KiB, without #, \\, a comma (write %2C), // or a . or .. segment in its path, or a ? at " +
					"its end. docs/reference.md lists all rules.",
			},
		},
		Operations: readAndUpdate(framework.PathOperation{
			Callback: b.named(s, b.signRead),
			Summary:  v.sign.synopsis,
			Responses: map[int][]framework.Response{http.StatusOK: {{
				Description: "The headers of one call. There is no lease.",
				Fields: headerFields(map[string]*framework.FieldSchema{
					"url":        {Type: framework.TypeString, Required: true, Description: "Where to send the call: base URL and request string."},
					"expires_at": {Type: framework.TypeString, Required: true, Description: "When the token in the headers expires, RFC 3339."},
				}, v.sign.headers),
			}}},
		}, "sign", suffix),
		HelpSynopsis:    v.sign.synopsis,
		HelpDescription: v.sign.help,
	}
}

func (b *backend) signRead(
	ctx context.Context, s *store, req *logical.Request, name string, data *framework.FieldData,
) (*logical.Response, error) {
	requestString, _ := data.Get(requestStringField).(string)
	check := func(c config) error {
		if _, given := data.GetOk(requestStringField); !given {
			// Vault policies treat a missing value and an empty one differently, so neither may mean anything.
			return invalidf("%s is required: the path and query of the call exactly as they will be sent", requestStringField)
		}
		if err := s.vendor.sign.check(c, requestString); err != nil {
			return invalidf("%s %s", requestStringField, err)
		}
		return nil
	}
	answer := func(serving serving) (*logical.Response, error) {
		signed, err := s.vendor.sign.sign(serving, requestString)
		if err != nil {
			return nil, err
		}
		answer := signed.data()
		answer["expires_at"] = rfc3339(serving.token.ExpiresAt)
		return &logical.Response{Data: answer}, nil
	}
	return b.serve(ctx, s, req, name, data, reading{path: readSign, calls: 1, check: check, answer: answer})
}
