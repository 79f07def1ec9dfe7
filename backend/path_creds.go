package backend

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/avanan"
	"github.com/apisig/vault-plugin-apisig/internal/pave"
)

func pathCredsPave(b *backend) *framework.Path {
	return &framework.Path{
		Pattern: "creds/pave/" + framework.GenericNameRegex(nameField),
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: operationPrefix, OperationVerb: "generate", OperationSuffix: "pave-credentials",
		},
		Fields: map[string]*framework.FieldSchema{nameField: nameSchema()},
		Operations: readAndUpdate(framework.PathOperation{
			Callback: b.pathCredsPaveRead,
			Summary:  "Get freshly signed headers for PAVE.",
			Responses: map[int][]framework.Response{http.StatusOK: {{
				Description: "Headers that PAVE takes for five minutes. There is no lease.",
				Fields: map[string]*framework.FieldSchema{
					"headers":       {Type: framework.TypeMap, Required: true, Description: "The three headers by name."},
					"api_key":       {Type: framework.TypeString, Required: true, Description: "Value of the header API-Key."},
					"api_token":     {Type: framework.TypeString, Required: true, Description: "Value of the header API-Token."},
					"api_timestamp": {Type: framework.TypeString, Required: true, Description: "Value of the header API-Timestamp."},
					"base_url":      {Type: framework.TypeString, Required: true, Description: "Address of the API."},
					"expires_at":    {Type: framework.TypeString, Required: true, Description: "When PAVE stops taking the headers, RFC 3339."},
					"ttl": {
						Type: framework.TypeInt, Required: true,
						Description: "Seconds after which to read again, the config's ttl. Vault Agent and the Secrets Operator go by it.",
					},
					"rotation_period": {
						Type: framework.TypeInt, Required: true,
						Description: "The same as ttl; its presence has Vault Agent and the Secrets Operator refresh without a lease.",
					},
					"last_vault_rotation": {
						Type: framework.TypeString, Required: true,
						Description: "When the headers were signed, RFC 3339 with nanoseconds, for the Secrets Operator.",
					},
				},
			}}},
		}, "generate", "pave-credentials-with-parameters"),
		HelpSynopsis:    "Get freshly signed headers for PAVE.",
		HelpDescription: pathCredsPaveHelp,
	}
}

// readAndUpdate makes one operation serve reads and updates alike: a template in Vault Agent that passes parameters
// updates, and ones that differ in the query of a read would share one answer. OpenAPI wants a name of its own for each.
func readAndUpdate(operation framework.PathOperation, verb, updateSuffix string) map[logical.Operation]framework.OperationHandler {
	update := operation
	update.DisplayAttrs = &framework.DisplayAttributes{OperationVerb: verb, OperationSuffix: updateSuffix}
	return map[logical.Operation]framework.OperationHandler{
		logical.ReadOperation:   &operation,
		logical.UpdateOperation: &update,
	}
}

func (b *backend) pathCredsPaveRead(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	stored, err := b.paveConfigs.usable(ctx, req, nameOf(data))
	if err != nil {
		return respond(err)
	}
	config, now := stored.config, b.now()
	headers, err := pave.Credentials{Username: config.Username, APIKey: config.APIKey, APISecret: config.APISecret}.
		Sign(now, config.TimestampFormat)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return &logical.Response{Data: map[string]any{
		"headers": map[string]any{
			pave.HeaderAPIKey:       headers.APIKey,
			pave.HeaderAPIToken:     headers.APIToken,
			pave.HeaderAPITimestamp: headers.APITimestamp,
		},
		"api_key":             headers.APIKey,
		"api_token":           headers.APIToken,
		"api_timestamp":       headers.APITimestamp,
		"base_url":            config.BaseURL,
		"expires_at":          rfc3339(now.Add(pave.TokenLife)),
		"ttl":                 config.TTL,
		"rotation_period":     config.TTL,
		"last_vault_rotation": now.UTC().Format(time.RFC3339Nano),
	}}, nil
}

func rfc3339(at time.Time) string { return at.UTC().Format(time.RFC3339) }

func pathCredsAvanan(b *backend) *framework.Path {
	return &framework.Path{
		Pattern: "creds/avanan/" + framework.GenericNameRegex(nameField),
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: operationPrefix, OperationVerb: "generate", OperationSuffix: "avanan-credentials",
		},
		Fields: map[string]*framework.FieldSchema{nameField: nameSchema()},
		Operations: readAndUpdate(framework.PathOperation{
			Callback: b.pathCredsAvananRead,
			Summary:  "Get a JWT of Avanan's, leased.",
			Responses: map[int][]framework.Response{http.StatusOK: {{
				Description: "A JWT, with a lease that ends shortly before it does and can not be renewed.",
				Fields: map[string]*framework.FieldSchema{
					"token":      {Type: framework.TypeString, Required: true, Description: "The JWT."},
					"app_id":     {Type: framework.TypeString, Required: true, Description: "The app id that it was given to."},
					"region":     {Type: framework.TypeString, Required: true, Description: "Region of the config; empty where base_url stands for it."},
					"base_url":   {Type: framework.TypeString, Required: true, Description: "Address of the API."},
					"expires_at": {Type: framework.TypeString, Required: true, Description: "When the JWT expires, RFC 3339."},
				},
			}}},
			ForwardPerformanceStandby: true,
		}, "generate", "avanan-credentials-with-parameters"),
		HelpSynopsis:    "Get a JWT of Avanan's, leased.",
		HelpDescription: pathCredsAvananHelp,
	}
}

func (b *backend) pathCredsAvananRead(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	return b.withAvananConfig(ctx, req, nameOf(data), func(name string, stored cachedConfig[avananConfig]) (*logical.Response, error) {
		config := stored.config
		token, warnings, err := b.avananToken(ctx, name, stored)
		if err != nil {
			return nil, err
		}
		ttl := leaseTTL(token.Left(b.now()))
		if ttl <= 0 {
			return nil, logical.CodedError(http.StatusBadGateway, b.avananConfigs.key(name)+": Avanan gave a JWT that expires too soon to be leased")
		}
		resp := b.Secret(secretAvananTokenType).Response(map[string]any{
			"token":      token.JWT.Reveal(),
			"app_id":     config.AppID,
			"region":     config.Region,
			"base_url":   config.address(),
			"expires_at": rfc3339(token.ExpiresAt),
		}, map[string]any{
			leaseConfig:  name,
			leaseTokenID: tokenID(token.JWT),
		})
		resp.Secret.TTL = ttl
		resp.Warnings = warnings
		return resp, nil
	})
}

// withAvananConfig serves a read with its config. One that fails is served again where the config was changed meanwhile:
// a secret that the vendor has replaced is refused to whoever read the config just before its new one was written.
func (b *backend) withAvananConfig(
	ctx context.Context, req *logical.Request, name string,
	serve func(name string, stored cachedConfig[avananConfig]) (*logical.Response, error),
) (*logical.Response, error) {
	stored, err := b.avananConfigs.usable(ctx, req, name)
	if err != nil {
		return respond(err)
	}
	resp, err := serve(name, stored)
	if err != nil {
		changed, again := b.avananConfigs.read(ctx, req, name)
		if again == nil && changed.config.account() != stored.config.account() {
			resp, err = serve(name, changed)
		}
	}
	if err != nil {
		return respond(err)
	}
	return resp, nil
}

// avananToken returns a config's JWT: the shared one or a new one. Where a new one is due and can not be had, it is the
// shared one while that lives, with a warning that says why.
func (b *backend) avananToken(ctx context.Context, name string, stored cachedConfig[avananConfig]) (avanan.Token, []string, error) {
	token, err := b.tokens.token(ctx, name, stored)
	if err == nil {
		return token, nil, nil
	}
	err = fmt.Errorf("%s: %w", b.avananConfigs.key(name), err)
	if token.JWT == "" {
		return token, nil, err
	}
	return token, []string{"no new JWT could be had, so this is one from before that still lives; " + err.Error()}, nil
}

const pathCredsPaveHelp = `
Returns the three headers of a call to PAVE, signed at that moment, as a map and one by one:

    vault read apisig/creds/pave/main

PAVE takes them for five minutes and for every endpoint of the account: they cover neither method, path nor body. There
is no lease. Read again after ttl seconds; Vault Agent and the Secrets Operator do so by themselves.
`

const pathCredsAvananHelp = `
Returns a JWT of Avanan's, leased:

    vault read apisig/creds/avanan/us

Readers share a JWT while it has the config's min_ttl left. The lease ends a minute before the JWT, or a tenth of its
life where less than ten minutes are left, and can not be renewed. Avanan has no way to revoke a JWT: revoking the
lease, or the Vault token that read it, makes the engine forget the JWT, which stays valid with Avanan until it expires;
the next read costs a handshake.

A JWT alone opens nothing: every call to Avanan is signed too. Read sign/avanan/<name> for that.
`
