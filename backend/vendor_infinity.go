package backend

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/vault/sdk/framework"

	"github.com/apisig/vault-plugin-apisig/internal/baseurl"
	"github.com/apisig/vault-plugin-apisig/internal/infinity"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// infinityVendor is Check Point's Infinity Portal: a login gives a bearer token, and nothing is signed.
func infinityVendor() *vendor {
	return &vendor{
		name: "infinity", title: "Infinity Portal",
		firstWrite: "region=... client_id=... access_key=-",
		configHelp: infinityConfigHelp,
		refusal: func(config) string {
			return "check client_id, access_key, region or base_url, and whether the key has expired or allows this server's address"
		},
		fields: infinityFields(),
		complete: func(name string, c config) {
			if c.text("region") == "" && infinity.GatewayURL(name) != "" {
				c["region"] = name
			}
		},
		check: func(c config) error {
			if infinityGateway(c) == "" {
				return invalidf("region is required if the config's name is not a region: one of %s; or base_url",
					strings.Join(infinity.Regions(), ", "))
			}
			return nil
		},
		address: infinityGateway,
		owns: func(baseURL string) bool {
			return slices.ContainsFunc(infinity.Regions(), func(region string) bool { return infinity.GatewayURL(region) == baseURL })
		},
		sendsSecret: true,
		exchange:    infinityExchange,
		tokens: &tokens{
			leaseType: "infinity_token",
			lease:     func(config string, _ token.Token) map[string]any { return map[string]any{leaseConfig: config} },
		},
		creds: &creds{
			synopsis: "Get a leased token of the Infinity Portal.",
			help:     infinityCredsHelp,
			headers:  "The two headers of one call by name: the token, and a fresh request id.",
			fields: map[string]*framework.FieldSchema{
				"token": {Type: framework.TypeString, Required: true, Description: "The bearer token. It opens everything that the key may do."},
				"region": {
					Type: framework.TypeString, Required: true,
					Description: "Region of the config; empty if there is none. A base_url replaces its address.",
				},
				"gateway":    {Type: framework.TypeString, Required: true, Description: "Address of the portal's gateway."},
				"base_url":   {Type: framework.TypeString, Required: true, Description: "Address of Harmony Email's API there."},
				"expires_at": {Type: framework.TypeString, Required: true, Description: "When the token expires, RFC 3339."},
			},
			answer: infinityCreds,
		},
	}
}

func infinityFields() []field {
	return []field{
		regionField(infinity.Regions()),
		publicField("client_id", "Client id of the API key. It is public."),
		{
			name: "access_key", kind: secretField, required: true, account: true,
			help: "Access key of the API key. It is sent to the gateway as it is.",
		},
		{
			name: "base_url", bound: true, account: true,
			rules: append(addressRules(),
				endsIn("which is added for calls", infinity.APIPath, infinity.APIPath+"/v1.0")),
			clean: func(value string) string { return infinity.TrimLoginPath(cleanAddress(value)) },
			help: "Address of the gateway, instead of the region's: " + baseurl.Rule + ". The key's \"Authentication URL\" can be pasted as it " +
				"is: /auth/external at its end is removed. Without /app/hec-api, which is added for calls.",
		},
		minTTLField(),
		requestTimeoutField("Limit for one login, retries included."),
		caCertField(),
		secretExpiresAt(),
		secretWrittenAt(),
		verifyParameter(true, "Whether a write that changes what a login uses does one first. If it fails, nothing is stored. If given as "+
			"true, any write does one. It is not stored itself."),
	}
}

// infinityGateway is base_url, or the gateway of the region; "" if there is neither.
func infinityGateway(c config) string {
	if baseURL := c.text("base_url"); baseURL != "" {
		return baseURL
	}
	return infinity.GatewayURL(c.text("region"))
}

// infinityExchange logs in.
func infinityExchange(ctx context.Context, by exchanger, c config, _ string) (exchanged, error) {
	ctx, cancel := context.WithTimeout(ctx, by.timeout)
	defer cancel()
	got, err := infinity.Login(ctx, by.Client, infinity.Account{
		ClientID: c.text("client_id"), AccessKey: c.secret("access_key"), BaseURL: infinityGateway(c), CACert: c.text("ca_cert"),
	})
	if err != nil {
		return exchanged{}, err
	}
	return exchanged{token: got.Token, status: got.Status, timing: got.Timing}, nil
}

// infinityCreds is the answer of creds/infinity.
func infinityCreds(s serving) (answer, error) {
	reqID, err := s.newID()
	if err != nil {
		return answer{}, fmt.Errorf("making a request id: %w", err)
	}
	gateway := infinityGateway(s.config)
	return answer{
		headers: infinity.Headers(s.token.Value, reqID),
		fields: map[string]any{
			"token":      s.token.Value.Reveal(),
			"region":     s.config.text("region"),
			"gateway":    gateway,
			"base_url":   gateway + infinity.APIPath,
			"expires_at": rfc3339(s.token.ExpiresAt),
		},
	}, nil
}

const infinityConfigHelp = `
Stores an API key of Check Point's Infinity Portal, for Harmony Email. Applications then read creds/infinity/<name>.

    vault write apisig/config/infinity/us client_id=... access_key=-

A write that changes what a login uses does one first, and stores nothing if the portal rejects it. Because the key itself is
sent, a write that contains it must also name base_url and ca_cert, if the config has them.
`

const infinityCredsHelp = `
Returns a bearer token of the Infinity Portal, leased, and the headers of a call with it:

    vault read -format=table -field=header_lines apisig/creds/infinity/us |
        curl -fsS -H @- https://cloudinfra-gw-us.portal.checkpoint.com/app/hec-api/v1.0/scopes

The token alone opens everything that its key may do, for about half an hour: nothing is signed, so a policy cannot limit a
reader to some calls. Readers share it while enough of its life remains. The lease ends a minute before the token, and cannot
be renewed or revoked at the portal.
`
