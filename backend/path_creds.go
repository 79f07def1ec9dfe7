package backend

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// unauthorizedField is the parameter by which a reader reports a 401 of the vendor.
const unauthorizedField = "unauthorized"

func unauthorizedSchema(v *vendor) *framework.FieldSchema {
	description := "Set it to true after the vendor answered 401: a shared token that is at least five minutes old is then replaced, for " +
		"all readers. Default: false."
	if v.tokens == nil {
		description = "Accepted as on the paths of other vendors, and without effect: every read signs new headers."
	}
	return &framework.FieldSchema{Type: framework.TypeBool, Query: true, Description: description}
}

// minTTLName is the name of a config's field, and of the parameter by which a reader asks for a token that lives longer.
const minTTLName = "min_ttl"

func minTTLSchema() *framework.FieldSchema {
	return &framework.FieldSchema{
		Type: framework.TypeDurationSecond, Query: true,
		Description: "Minimum remaining lifetime of the token, for this reader: the config's min_ttl applies if it is larger. As there, at " +
			"most half of the token's life counts (minus 90s where it is 6m or more); a warning says if the token lives for less. From 0s to " +
			seconds(maxMinTTL) + ".",
	}
}

// pathCreds is creds/<vendor>/:name.
func (b *backend) pathCreds(s *store) *framework.Path {
	v := s.vendor
	description := "Freshly made credentials. There is no lease."
	if v.tokens != nil {
		description = "A token. Its lease ends shortly before it does, and cannot be renewed."
	}
	fields := map[string]*framework.FieldSchema{nameField: nameSchema(), unauthorizedField: unauthorizedSchema(v)}
	if v.tokens != nil {
		fields[minTTLName] = minTTLSchema()
	}
	suffix := v.name + "-credentials"
	return &framework.Path{
		Pattern: "creds/" + v.name + "/" + framework.GenericNameRegex(nameField),
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: operationPrefix, OperationVerb: "generate", OperationSuffix: suffix,
		},
		Fields: fields,
		Operations: readAndUpdate(framework.PathOperation{
			Callback: b.named(s, b.credsRead),
			Summary:  v.creds.synopsis,
			Responses: map[int][]framework.Response{http.StatusOK: {{
				Description: description, Fields: headerFields(v.creds.fields, v.creds.headers),
			}}},
			// A lease needs a write.
			ForwardPerformanceStandby: v.tokens != nil,
		}, "generate", suffix),
		HelpSynopsis:    v.creds.synopsis,
		HelpDescription: v.creds.help,
	}
}

func (b *backend) credsRead(
	ctx context.Context, s *store, req *logical.Request, name string, data *framework.FieldData,
) (*logical.Response, error) {
	wanted, _ := data.GetOk(minTTLName) // nil for a vendor without tokens
	seconds, _ := wanted.(int)
	minTTL := time.Duration(min(seconds, maxMinTTL)) * time.Second
	check := func(config) error {
		if seconds > maxMinTTL {
			return invalidf("%s must be from 0s to %ds", minTTLName, maxMinTTL)
		}
		return nil
	}
	answer := func(serving serving) (*logical.Response, error) {
		answer, err := s.vendor.creds.answer(serving)
		if err != nil {
			return nil, err
		}
		if s.vendor.tokens == nil {
			return &logical.Response{Data: answer.data()}, nil
		}
		ttl := serving.token.TTL(serving.now)
		if ttl <= 0 { // Vault would make it its default of 32 days (sdk/framework/lease.go, CalculateTTL)
			return nil, fmt.Errorf("%s: %w", s.key(name), token.ErrTooShort)
		}
		tokens := s.vendor.tokens
		resp := b.Secret(tokens.leaseType).Response(answer.data(), tokens.lease(name, serving.token))
		resp.Secret.TTL = ttl
		if left := serving.token.Left(serving.now).Truncate(time.Second); left < minTTL {
			resp.AddWarning(fmt.Sprintf("the token expires in %s, which is less than min_ttl; at most half of a token's life counts", left))
		}
		return resp, nil
	}
	return b.serve(ctx, s, req, name, data, reading{path: readCreds, minTTL: minTTL, check: check, answer: answer})
}
