package backend

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/avanan"
	"github.com/apisig/vault-plugin-apisig/internal/baseurl"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// avananConfig is one region's app at Avanan, stored under config/avanan/:name.
type avananConfig struct {
	// Region is one of avanan.Regions, or "" where BaseURL stands for it.
	Region string `json:"region"`
	// AppID goes out as x-av-app-id. Printable ASCII without spaces.
	AppID string `json:"app_id"`
	// SecretKey is what calls are signed with, as Avanan gave it.
	SecretKey secret.Text `json:"secret_key"`
	// BaseURL overrides the region's address, without a slash at its end; "" for the region's.
	BaseURL string `json:"base_url"`
	// DateFormat is how x-av-date is written.
	DateFormat avanan.DateFormat `json:"date_format"`
	// DetectedDateFormat is what a verified write found to work under auto; "" where none was found yet.
	DetectedDateFormat avanan.DateFormat `json:"detected_date_format"`
	// MinTTL is the least life that a JWT must still have to be handed out again, in seconds.
	MinTTL int `json:"min_ttl"`
	// RequestTimeout is for one handshake, retries included, in seconds.
	RequestTimeout int `json:"request_timeout"`
	// CACert is PEM: certificates to trust beside the system's roots; "" for none.
	CACert string `json:"ca_cert"`
}

// Defaults and bounds, in seconds. Nothing is gained by a min_ttl above the hour that a JWT lives; a day is the most
// that its exp is believed.
const (
	defaultMinTTL         = 10 * 60
	mostMinTTL            = 24 * 60 * 60
	defaultRequestTimeout = 10
	leastRequestTimeout   = 1
	mostRequestTimeout    = 30

	avananParameters = "region=... app_id=... secret_key=-"
)

func newAvananConfig() avananConfig {
	return avananConfig{DateFormat: avanan.Auto, MinTTL: defaultMinTTL, RequestTimeout: defaultRequestTimeout}
}

func (c avananConfig) fields() map[string]any {
	return map[string]any{
		"region":               c.Region,
		"app_id":               c.AppID,
		"base_url":             c.BaseURL,
		"date_format":          string(c.DateFormat),
		"detected_date_format": string(c.DetectedDateFormat),
		"min_ttl":              c.MinTTL,
		"request_timeout":      c.RequestTimeout,
		"ca_cert":              c.CACert,
	}
}

func (c avananConfig) secret() (string, secret.Text) { return "secret_key", c.SecretKey }

// address is where calls go: the base URL, or the region's.
func (c avananConfig) address() string {
	if c.BaseURL != "" {
		return c.BaseURL
	}
	return avanan.RegionURL(c.Region)
}

func (c avananConfig) credentials() avanan.Credentials {
	return avanan.Credentials{AppID: c.AppID, SecretKey: c.SecretKey}
}

// account is what a handshake uses.
func (c avananConfig) account() avanan.Account {
	return avanan.Account{Credentials: c.credentials(), BaseURL: c.address(), DateFormat: c.DateFormat, CACert: c.CACert}
}

func (c avananConfig) minTTL() time.Duration { return time.Duration(c.MinTTL) * time.Second }
func (c avananConfig) requestTimeout() time.Duration {
	return time.Duration(c.RequestTimeout) * time.Second
}

// with returns the config with what a write names, and refuses what may not be. Where that changes what a handshake
// uses, the detected date format is unknown again.
func (c avananConfig) with(name string, p parameters) (avananConfig, error) {
	next := c
	p.text(&next.Region, "region")
	p.text(&next.AppID, "app_id")
	p.secret(&next.SecretKey, "secret_key")
	p.text(&next.BaseURL, "base_url")
	p.text((*string)(&next.DateFormat), "date_format")
	p.seconds(&next.MinTTL, "min_ttl")
	p.seconds(&next.RequestTimeout, "request_timeout")
	p.text(&next.CACert, "ca_cert")
	if next.Region == "" && avanan.RegionURL(name) != "" {
		next.Region = name
	}
	if parsed, err := baseurl.Parse(next.BaseURL); err == nil {
		next.BaseURL = parsed
	}
	if clean, fault := certificates(next.CACert); fault == "" && p.given("ca_cert") {
		next.CACert = clean
	}
	if next.account() != c.account() {
		next.DetectedDateFormat = ""
	}
	return next, firstOf(
		next.check(),
		checkBound(p, "secret_key",
			boundField{"region", c.Region, next.Region},
			boundField{"base_url", c.BaseURL, next.BaseURL},
			boundField{"app_id", c.AppID, next.AppID}),
	)
}

// check says what is wrong with a config, by its parameters' names: one that a caller wrote, or one that was stored by
// another version.
func (c avananConfig) check() error {
	regions := func(value string) string {
		switch {
		case value == "" && c.BaseURL == "":
			return fmt.Sprintf("is required where the config's name is none of them: one of %q, or a base_url", avanan.Regions())
		case value == "":
			return ""
		}
		return oneOf(avanan.Regions())(value)
	}
	return firstOf(
		broken("region", c.Region, regions),
		broken("app_id", c.AppID, required, atMost(maxText), headerText),
		secretRules("secret_key", c.SecretKey),
		broken("base_url", c.BaseURL, atMost(maxText), unlessEmpty(address)),
		broken("date_format", string(c.DateFormat), oneOf(avanan.DateFormats())),
		outside("min_ttl", c.MinTTL, 0, mostMinTTL),
		outside("request_timeout", c.RequestTimeout, leastRequestTimeout, mostRequestTimeout),
		broken("ca_cert", c.CACert, unlessEmpty(certificatesRule)),
	)
}

// certificates returns the certificates in a PEM text and nothing else of it, since it is read back and a key may have
// come along: as a block of its own, which is refused, or as text that is damaged, which is left out like any comment.
// fault is "" or what is wrong.
func certificates(text string) (clean, fault string) {
	if len(text) > maxValue {
		return "", atMost(maxValue)(text)
	}
	var certificates strings.Builder
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return "", "holds something that is not PEM"
		}
		if block.Type != "CERTIFICATE" {
			return "", "holds PEM that is not a certificate"
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return "", "holds a certificate that can not be parsed"
		}
		_ = pem.Encode(&certificates, &pem.Block{Type: block.Type, Bytes: block.Bytes})
		if len(bytes.TrimSpace(rest)) == 0 {
			return certificates.String(), ""
		}
	}
}

// certificatesRule holds for what certificates takes.
func certificatesRule(value string) string {
	_, fault := certificates(value)
	return fault
}

func pathConfigAvanan(b *backend) *framework.Path {
	answer := answerFields(pathConfigAvananFields(), "secret_key", "verify")
	answer["detected_date_format"] = &framework.FieldSchema{
		Type: framework.TypeString, Required: true,
		Description: "Under auto, the date_format that a verified write found to work; empty where none was found yet.",
	}
	return &framework.Path{
		Pattern: avananPrefix + framework.GenericNameRegex(nameField),
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: operationPrefix, OperationSuffix: "avanan-configuration",
		},
		Fields:         pathConfigAvananFields(),
		ExistenceCheck: configExists(avananPrefix),
		Operations: configOperations("Avanan",
			b.pathConfigAvananWrite, b.pathConfigAvananRead, b.pathConfigAvananDelete, answer),
		HelpSynopsis:    "Configure the credentials of an app at Avanan, for one region.",
		HelpDescription: pathConfigAvananHelp,
	}
}

func pathConfigAvananFields() map[string]*framework.FieldSchema {
	return map[string]*framework.FieldSchema{
		nameField: nameSchema(),
		"region": {
			Type:          framework.TypeString,
			AllowedValues: []any{"us", "eu", "au", "ca", "uk", "in"},
			Description: "Region that the key belongs to: us, eu, au, ca, uk or in. It sets the host. By default the config's name, " +
				"where that is one of these; required otherwise, unless base_url is given.",
		},
		"app_id": {
			Type:        framework.TypeString,
			Description: "App id that Avanan gave. It is public: it goes out in the header x-av-app-id. Required.",
		},
		"secret_key": {
			Type: framework.TypeString, DisplayAttrs: &framework.DisplayAttributes{Sensitive: true},
			Description: "Secret key that Avanan gave, which calls are signed with. Never read back. Required, and again in every " +
				"write that changes region, base_url or app_id.",
		},
		"base_url": {
			Type:        framework.TypeString,
			Description: "Address of the API, in place of the region's; empty by default. It must be " + baseurl.Rule + ".",
		},
		"date_format": {
			Type: framework.TypeString, Default: string(avanan.Auto),
			AllowedValues: []any{string(avanan.Auto), string(avanan.Zoneless), string(avanan.Zulu)},
			Description: "How the header x-av-date is written: auto (the default) tries both at the first handshake and keeps to the one " +
				"that worked; zoneless is 2026-01-02T03:04:05.123456, what working clients send; zulu is 2026-01-02T03:04:05.123Z, " +
				"what Avanan's page says.",
		},
		"min_ttl": {
			Type: framework.TypeDurationSecond, Default: defaultMinTTL,
			Description: "Least life that a JWT must still have to be handed out again, from 0s to 24h; 10m by default. With 1h every read " +
				"gets a JWT of its own, but for reads that wait for the same handshake.",
		},
		"request_timeout": {
			Type: framework.TypeDurationSecond, Default: defaultRequestTimeout,
			Description: "Limit for one handshake, retries included, from 1s to 30s; 10s by default.",
		},
		"ca_cert": {
			Type: framework.TypeString, DisplayAttrs: &framework.DisplayAttributes{EditType: "file"},
			Description: "Certificates in PEM to trust beside the system's roots, for networks that intercept TLS; none by default.",
		},
		"verify": {
			Type: framework.TypeBool, Default: true,
			Description: "Whether a write that changes what a handshake uses does a real one before it stores; true by default. Given as " +
				"true, any write does one. A refusal stores nothing. It is not stored itself.",
		},
	}
}

// pathConfigAvananWrite creates, updates and patches. Where the write changes what a handshake uses, or says verify=true
// itself, it does one first, and readers get its JWT where they have none that lives.
func (b *backend) pathConfigAvananWrite(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	name := nameOf(data)
	verify, _ := parameters{data}.value("verify").(bool)
	always := verify && data.Raw["verify"] != nil
	var tried avanan.Account // what verified is from; a write that starts over need not try it again
	var verified avanan.Token
	stored, err := b.avananConfigs.change(ctx, req.Storage, name, func(old avananConfig, found bool) (avananConfig, error) {
		if err := checkWritable(req, &b.avananConfigs, name, found); err != nil {
			return old, err
		}
		config, err := old.with(name, parameters{data})
		if err != nil || !verify || (!always && config.account() == old.account()) {
			tried, verified = avanan.Account{}, avanan.Token{}
			return config, err
		}
		if tried != config.account() {
			tried = config.account()
			verified, err = b.verify(ctx, b.avananConfigs.key(name), config)
		}
		if config.DateFormat == avanan.Auto {
			config.DetectedDateFormat = verified.DateFormat
		}
		return config, err
	})
	if err == nil && verified.JWT != "" {
		b.tokens.adopt(name, stored, verified)
	}
	return respond(err)
}

// verify does a handshake with a config that is not stored yet.
func (b *backend) verify(ctx context.Context, key string, config avananConfig) (avanan.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, config.requestTimeout())
	defer cancel()
	token, err := b.handshakeOrError(ctx, config.account(), "")
	if err == nil {
		return token, nil
	}
	err = fmt.Errorf("%s was not stored: %w", key, err)
	if vendor, is := errors.AsType[*avanan.Error](err); is && vendor.Kind != avanan.Refused {
		return token, fmt.Errorf("%w; verify=false stores it untried", err)
	}
	return token, err
}

func (b *backend) pathConfigAvananRead(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	return readConfig(ctx, req, &b.avananConfigs, nameOf(data))
}

func (b *backend) pathConfigAvananDelete(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
	name := nameOf(data)
	err := b.avananConfigs.remove(ctx, req.Storage, name)
	if err == nil {
		b.tokens.forget(name)
	}
	return nil, err
}

const pathConfigAvananHelp = `
Holds what Avanan gave for one region. Applications then read creds/avanan/<name> or sign/avanan/<name>.

    vault write apisig/config/avanan/us app_id=US:myapp29 secret_key=-

A write that changes what a handshake uses does a real one first, and stores nothing where Avanan refuses it. An update
changes only the fields that it names; so does a patch, where null sets a field to its default. Changing region,
base_url or app_id needs secret_key in the same write. A read returns every field but secret_key, and beside them
detected_date_format: under date_format=auto, the format that was found to work.
`
