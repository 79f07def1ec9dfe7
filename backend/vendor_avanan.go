package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/vault/sdk/framework"

	"github.com/apisig/vault-plugin-apisig/internal/avanan"
	"github.com/apisig/vault-plugin-apisig/internal/baseurl"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// avananVendor is Avanan, now Check Point Harmony Email: a handshake gives a JWT, and each call is signed.
func avananVendor() *vendor {
	return &vendor{
		name: "avanan", title: "Avanan",
		firstWrite: "region=... app_id=... secret_key=-",
		configHelp: avananConfigHelp,
		refusal:    func(config) string { return "check app_id, secret_key, region or base_url, and this server's clock" },
		fields:     avananFields(),
		complete: func(name string, c config) {
			if c.text("region") == "" && avanan.RegionURL(name) != "" {
				c["region"] = name
			}
		},
		check: func(c config) error {
			if avananAddress(c) == "" {
				return invalidf("region is required if the config's name is not a region: one of %s; or base_url",
					strings.Join(avanan.Regions(), ", "))
			}
			return nil
		},
		format:  formatFields{chosen: "date_format", detected: "detected_date_format"},
		address: avananAddress,
		owns: func(baseURL string) bool {
			return slices.ContainsFunc(avanan.Regions(), func(region string) bool { return avanan.RegionURL(region) == baseURL })
		},
		exchange: avananExchange,
		tokens: &tokens{
			leaseType: "avanan_token",
			lease: func(config string, t token.Token) map[string]any {
				return map[string]any{leaseConfig: config, leaseTokenID: tokenID(t.Value)}
			},
		},
		creds: &creds{
			synopsis: "Get a leased JWT of Avanan.",
			help:     avananCredsHelp,
			fields: map[string]*framework.FieldSchema{
				"token":  {Type: framework.TypeString, Required: true, Description: "The JWT."},
				"app_id": {Type: framework.TypeString, Required: true, Description: "The app id that it was given to."},
				"region": {
					Type: framework.TypeString, Required: true,
					Description: "Region of the config; empty if there is none. A base_url replaces its address.",
				},
				"base_url":   {Type: framework.TypeString, Required: true, Description: "Address of the API."},
				"expires_at": {Type: framework.TypeString, Required: true, Description: "When the JWT expires, RFC 3339."},
			},
			answer: func(s serving) (answer, error) {
				return answer{fields: map[string]any{
					"token":      s.token.Value.Reveal(),
					"app_id":     s.config.text("app_id"),
					"region":     s.config.text("region"),
					"base_url":   avananAddress(s.config),
					"expires_at": rfc3339(s.token.ExpiresAt),
				}}, nil
			},
		},
		sign: &signing{
			synopsis: "Sign one call to Avanan.",
			help:     avananSignHelp,
			headers:  "The five headers by name.",
			check: func(c config, requestString string) error {
				return avanan.CheckRequestString(c.text("app_id"), requestString)
			},
			sign: avananSign,
			size: avananHeadersSize,
		},
	}
}

func avananFields() []field {
	return []field{
		regionField(avanan.Regions()),
		publicField("app_id", "App id that Avanan gave. It is public: it is sent in the header x-av-app-id."),
		{
			name: "secret_key", kind: secretField, required: true, account: true,
			help: "Secret key that Avanan gave, which calls are signed with.",
		},
		{
			name: "base_url", bound: true, account: true, clean: cleanAddress,
			rules: append(addressRules(), endsIn("which is part of each request string", "/v1.0", "/v1.0/auth")),
			help: "Address of the API, instead of the region's: " + baseurl.Rule + ". Without /v1.0. A path in it must be " +
				"one that a gateway removes, because it is not signed.",
		},
		{
			name: "date_format", fallback: string(avanan.Auto), oneOf: dateFormats(), account: true,
			help: "How the header x-av-date is written: zoneless (2026-01-02T03:04:05.123456, what working clients send), zulu " +
				"(2026-01-02T03:04:05.123Z, what Avanan's page says), or auto, which tries both in a handshake and keeps the one that worked.",
		},
		{
			name: "detected_date_format", learned: true,
			help: "The date format that auto found in a check or a verified write; empty if none was found yet. It cannot be written.",
		},
		minTTLField(),
		requestTimeoutField("Limit for one handshake, retries included."),
		caCertField(),
		secretExpiresAt(),
		secretWrittenAt(),
		verifyParameter(true, "Whether a write that changes what a handshake uses does one first. If it fails, nothing is stored. If given "+
			"as true, any write does one. It is not stored itself."),
	}
}

func dateFormats() []string {
	var formats []string
	for _, format := range avanan.DateFormats() {
		formats = append(formats, string(format))
	}
	return formats
}

// avananAddress is base_url, or the address of the region; "" if there is neither.
func avananAddress(c config) string {
	if baseURL := c.text("base_url"); baseURL != "" {
		return baseURL
	}
	return avanan.RegionURL(c.text("region"))
}

func avananCredentials(c config) avanan.Credentials {
	return avanan.Credentials{AppID: c.text("app_id"), SecretKey: c.secret("secret_key")}
}

// avananExchange does a handshake.
func avananExchange(ctx context.Context, by exchanger, c config, learned string) (exchanged, error) {
	ctx, cancel := context.WithTimeout(ctx, by.timeout)
	defer cancel()
	account := avanan.Account{
		Credentials: avananCredentials(c), BaseURL: avananAddress(c),
		DateFormat: avanan.DateFormat(c.text("date_format")), CACert: c.text("ca_cert"),
	}
	got, err := avanan.Client{Exchange: by.Client, NewID: by.newID}.Handshake(ctx, account, avanan.DateFormat(learned))
	if err != nil {
		return exchanged{}, err
	}
	return exchanged{token: got.Token, format: got.Token.Format, status: got.Status, timing: got.Timing}, nil
}

// avananSign signs one call.
func avananSign(s serving, requestString string) (answer, error) {
	reqID, err := s.newID()
	if err != nil {
		return answer{}, fmt.Errorf("making a request id: %w", err)
	}
	return answer{
		headers: avananCredentials(s.config).Headers(avanan.Call{
			ReqID:         reqID,
			Date:          avanan.DateFormat(s.token.Format).Date(s.now),
			Token:         s.token.Value,
			RequestString: requestString,
		}),
		fields: map[string]any{"url": avananAddress(s.config) + requestString},
	}, nil
}

// avananHeadersSize measures the headers of a call that is not signed.
func avananHeadersSize(s serving) int {
	encoded, err := json.Marshal(map[string]string{
		avanan.HeaderReqID: strings.Repeat("0", 36), avanan.HeaderToken: s.token.Value.Reveal(), avanan.HeaderAppID: s.config.text("app_id"),
		avanan.HeaderDate: avanan.Zoneless.Date(s.now), avanan.HeaderSig: strings.Repeat("0", 64),
	})
	if err != nil {
		return 0
	}
	return len(encoded)
}

const avananConfigHelp = `
Stores the credentials of one app at Avanan, for one region. Applications then read creds/avanan/<name> or
sign/avanan/<name>.

    vault write apisig/config/avanan/us app_id=US:myapp29 secret_key=-

A write that changes what a handshake uses does one first, and stores nothing if Avanan rejects it.
`

const avananCredsHelp = `
Returns a JWT of Avanan, leased:

    vault read apisig/creds/avanan/us

Readers share a JWT while enough of its life remains. The lease ends a minute before the JWT, or a tenth of its remaining
life where less than ten minutes are left, and cannot be renewed. Avanan cannot revoke a JWT: ending the lease changes
nothing, there or for other readers.

A JWT alone opens nothing, because every call to Avanan is signed too. Read sign/avanan/<name> for that.
`

const avananSignHelp = `
Returns the five headers of one call to Avanan, for the path and query that it will be sent with:

    vault read apisig/sign/avanan/us request_string=/v1.0/scopes

Send the call to url, at once and unchanged: the signature fits no other request string. The signature covers neither the
method nor the body, so GET and DELETE of one path have the same one.

A policy can limit the paths that an application signs, by required_parameters and allowed_parameters for request_string.
`
