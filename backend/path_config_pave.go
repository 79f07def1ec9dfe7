package backend

import (
	"context"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/baseurl"
	"github.com/apisig/vault-plugin-apisig/internal/pave"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// paveConfig is one account at PAVE, stored under config/pave/:name.
type paveConfig struct {
	// Username is the primary account name at PAVE: any text without control characters.
	Username string `json:"username"`
	// APIKey is public; PAVE's are UUIDs. Printable ASCII without spaces.
	APIKey string `json:"api_key"`
	// APISecret is the HMAC's key, as PAVE gave it.
	APISecret secret.Text `json:"api_secret"`
	// TimestampFormat is how API-Timestamp is written.
	TimestampFormat pave.TimestampFormat `json:"timestamp_format"`
	// TTL is what readers are told as ttl, in seconds.
	TTL int `json:"ttl"`
	// BaseURL is the API's address, told to readers; without a slash at its end.
	BaseURL string `json:"base_url"`
}

const (
	defaultPaveTTL = 150
	minPaveTTL     = 1
	maxPaveTTL     = 240

	paveParameters = "username=... api_key=... api_secret=-"
)

func newPaveConfig() paveConfig {
	return paveConfig{TimestampFormat: pave.RFC3339, TTL: defaultPaveTTL, BaseURL: pave.DefaultBaseURL}
}

func (c paveConfig) fields() map[string]any {
	return map[string]any{
		"username":         c.Username,
		"api_key":          c.APIKey,
		"timestamp_format": string(c.TimestampFormat),
		"ttl":              c.TTL,
		"base_url":         c.BaseURL,
	}
}

func (c paveConfig) secret() (string, secret.Text) { return "api_secret", c.APISecret }

// with returns the config with what a write names, and refuses what may not be.
func (c paveConfig) with(p parameters) (paveConfig, error) {
	next := c
	p.text(&next.Username, "username")
	p.text(&next.APIKey, "api_key")
	p.secret(&next.APISecret, "api_secret")
	p.text((*string)(&next.TimestampFormat), "timestamp_format")
	p.seconds(&next.TTL, "ttl")
	p.text(&next.BaseURL, "base_url")
	if next.BaseURL == "" {
		next.BaseURL = pave.DefaultBaseURL
	}
	if parsed, err := baseurl.Parse(next.BaseURL); err == nil {
		next.BaseURL = parsed
	}
	return next, firstOf(
		next.check(),
		checkBound(p, "api_secret",
			boundField{"username", c.Username, next.Username},
			boundField{"api_key", c.APIKey, next.APIKey},
			boundField{"base_url", c.BaseURL, next.BaseURL}),
	)
}

// check says what is wrong with a config, by its parameters' names: one that a caller wrote, or one that was stored by
// another version.
func (c paveConfig) check() error {
	return firstOf(
		broken("username", c.Username, required, atMost(maxText), plainText),
		broken("api_key", c.APIKey, required, atMost(maxText), headerText),
		secretRules("api_secret", c.APISecret),
		broken("timestamp_format", string(c.TimestampFormat), oneOf(pave.TimestampFormats())),
		outside("ttl", c.TTL, minPaveTTL, maxPaveTTL),
		broken("base_url", c.BaseURL, atMost(maxText), address),
	)
}

func pathConfigPave(b *backend) *framework.Path {
	return &framework.Path{
		Pattern: pavePrefix + framework.GenericNameRegex(nameField),
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: operationPrefix, OperationSuffix: "pave-configuration",
		},
		Fields:         pathConfigPaveFields(),
		ExistenceCheck: configExists(pavePrefix),
		Operations: configOperations("PAVE",
			b.pathConfigPaveWrite, b.pathConfigPaveRead, b.pathConfigPaveDelete,
			answerFields(pathConfigPaveFields(), "api_secret")),
		HelpSynopsis:    "Configure the credentials of an account at PAVE.",
		HelpDescription: pathConfigPaveHelp,
	}
}

func pathConfigPaveFields() map[string]*framework.FieldSchema {
	return map[string]*framework.FieldSchema{
		nameField: nameSchema(),
		"username": {
			Type:        framework.TypeString,
			Description: "Primary account name that PAVE gave, not a user of its dashboard. Required.",
		},
		"api_key": {
			Type:        framework.TypeString,
			Description: "API key that PAVE gave, a UUID. It is public: it goes out in the header API-Key. Required.",
		},
		"api_secret": {
			Type: framework.TypeString, DisplayAttrs: &framework.DisplayAttributes{Sensitive: true},
			Description: "API secret that PAVE gave: the key of the HMAC. Never read back. Required, and again in every write that " +
				"changes username, api_key or base_url.",
		},
		"timestamp_format": {
			Type: framework.TypeString, Default: string(pave.RFC3339),
			AllowedValues: []any{string(pave.RFC3339), string(pave.RFC3339Milli), string(pave.HTTPDate), string(pave.Unix)},
			Description: "How the header API-Timestamp is written: rfc3339 (the default, 2026-01-02T03:04:05Z), rfc3339-ms " +
				"(2026-01-02T03:04:05.123Z), http-date (Fri, 02 Jan 2026 03:04:05 GMT) or unix (1767323045). PAVE's pages disagree; " +
				"try another where PAVE refuses correct credentials.",
		},
		"ttl": {
			Type: framework.TypeDurationSecond, Default: defaultPaveTTL,
			Description: "How long readers are told to use the headers before they read again, from 1s to 240s; 150s by default. " +
				"PAVE takes them for five minutes whatever stands here: the rest is for retries and clocks that differ.",
		},
		"base_url": {
			Type: framework.TypeString, Default: pave.DefaultBaseURL,
			Description: "Address of the API, told to readers; " + pave.DefaultBaseURL + " by default. The engine itself never calls " +
				"PAVE. It must be " + baseurl.Rule + ".",
		},
	}
}

// pathConfigPaveWrite creates, updates and patches.
func (b *backend) pathConfigPaveWrite(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	name := nameOf(data)
	_, err := b.paveConfigs.change(ctx, req.Storage, name, func(old paveConfig, found bool) (paveConfig, error) {
		if err := checkWritable(req, &b.paveConfigs, name, found); err != nil {
			return old, err
		}
		return old.with(parameters{data})
	})
	return respond(err)
}

func (b *backend) pathConfigPaveRead(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	return readConfig(ctx, req, &b.paveConfigs, nameOf(data))
}

func (b *backend) pathConfigPaveDelete(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	return nil, b.paveConfigs.remove(ctx, req.Storage, nameOf(data))
}

const pathConfigPaveHelp = `
Holds what PAVE gave for one account. Applications then read creds/pave/<name>.

    vault write apisig/config/pave/main username=acme api_key=09bc91b9-... api_secret=-

An update changes only the fields that it names; so does a patch, where null sets a field to its default. Changing
username, api_key or base_url needs api_secret in the same write. A read returns every field but api_secret.
`
