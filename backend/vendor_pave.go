package backend

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/vault/sdk/framework"

	"github.com/apisig/vault-plugin-apisig/internal/baseurl"
	"github.com/apisig/vault-plugin-apisig/internal/pave"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// paveVendor is PAVE: every read of creds/pave is signed anew.
func paveVendor() *vendor {
	return &vendor{
		name: "pave", title: "PAVE",
		firstWrite: "username=... api_key=... api_secret=-",
		configHelp: paveConfigHelp,
		refusal:    paveRefusal,
		fields:     paveFields(),
		format:     formatFields{chosen: "timestamp_format", detected: "detected_timestamp_format"},
		exchange:   paveExchange,
		address:    func(c config) string { return c.text("base_url") },
		owns:       func(baseURL string) bool { return baseURL == pave.DefaultBaseURL },
		creds: &creds{
			synopsis: "Get freshly signed headers for PAVE.",
			help:     paveCredsHelp,
			headers:  "The three headers by name. PAVE accepts them for five minutes.",
			fields:   paveCredsFields(),
			answer:   paveCreds,
		},
	}
}

func paveFields() []field {
	formats := []string{formatAuto}
	for _, format := range pave.TimestampFormats() {
		formats = append(formats, string(format))
	}
	return []field{
		{
			name: "username", required: true, bound: true, account: true, credential: true,
			rules: []rule{atMost(maxText), plainText, secret.Damage},
			help:  "Primary account name that PAVE gave, not a user of its dashboard.",
		},
		publicField("api_key", "API key that PAVE gave, a UUID. It is public: it is sent in the header API-Key."),
		{
			name: "api_secret", kind: secretField, required: true, account: true,
			help: "API secret that PAVE gave, which headers are signed with.",
		},
		{
			// An entry without the field is from a version that knew no auto.
			name: "timestamp_format", fallback: formatAuto, absent: string(pave.RFC3339), oneOf: formats, account: true,
			help: "How the header API-Timestamp is written: rfc3339 (2026-01-02T03:04:05Z), rfc3339-ms (2026-01-02T03:04:05.123Z), " +
				"http-date (Fri, 02 Jan 2026 03:04:05 GMT), unix (1767323045), or auto: what a check or a verified write found to work, " +
				"and rfc3339 until then. PAVE's pages disagree about the format.",
		},
		{
			name: "detected_timestamp_format", learned: true,
			help: "The timestamp format that auto found in a check or a verified write; empty if none was found yet. It cannot be written.",
		},
		{
			name: "ttl", kind: secondsField, fallback: 150, least: 1, most: 240,
			help: "How long readers are told to use the headers before they read again. PAVE accepts them for five minutes; the rest is " +
				"for retries and clocks that differ.",
		},
		{
			name: "base_url", fallback: pave.DefaultBaseURL, bound: true, account: true, rules: addressRules(),
			clean: func(value string) string {
				if value == "" {
					return pave.DefaultBaseURL
				}
				return cleanAddress(value)
			},
			help: "Address of the API, " + baseurl.Rule + ". Readers are told it; the engine itself calls PAVE only for a check or a " +
				"verified write.",
		},
		requestTimeoutField("Limit for one call of a check."),
		caCertField(),
		secretExpiresAt(),
		secretWrittenAt(),
		verifyParameter(false, "Whether a write checks the credentials with PAVE first, by GET /v1/callbacks, whose answer is not read. If "+
			"that fails, nothing is stored. It is not stored itself."),
	}
}

func paveCredsFields() map[string]*framework.FieldSchema {
	fields := refreshFields("the config's ttl")
	for name, description := range map[string]string{
		"api_key":       "Value of the header API-Key.",
		"api_token":     "Value of the header API-Token.",
		"api_timestamp": "Value of the header API-Timestamp.",
		"base_url":      "Address of the API.",
		"expires_at":    "When PAVE stops accepting the headers, RFC 3339.",
	} {
		fields[name] = &framework.FieldSchema{Type: framework.TypeString, Required: true, Description: description}
	}
	return fields
}

func paveCredentials(c config) pave.Credentials {
	return pave.Credentials{Username: c.text("username"), APIKey: c.text("api_key"), APISecret: c.secret("api_secret")}
}

// paveFormat is the timestamp format that headers are signed with.
func paveFormat(c config) pave.TimestampFormat {
	if format := c.text("timestamp_format"); format != formatAuto {
		return pave.TimestampFormat(format)
	}
	if detected := c.text("detected_timestamp_format"); detected != "" {
		return pave.TimestampFormat(detected)
	}
	return pave.RFC3339
}

// paveExchange tries the credentials: under auto in every format, beginning with the one that worked last.
func paveExchange(ctx context.Context, by exchanger, c config, learned string) (exchanged, error) {
	formats := []pave.TimestampFormat{paveFormat(c)}
	if c.text("timestamp_format") == formatAuto {
		formats = pave.TimestampFormats()
		if worked := pave.TimestampFormat(learned); slices.Contains(formats, worked) {
			formats = append([]pave.TimestampFormat{worked}, slices.DeleteFunc(formats, func(f pave.TimestampFormat) bool { return f == worked })...)
		}
	}
	account := pave.Account{Credentials: paveCredentials(c), BaseURL: c.text("base_url"), CACert: c.text("ca_cert")}
	got, err := pave.Check(ctx, by.Client, account, formats, by.timeout)
	if err != nil {
		return exchanged{}, err
	}
	return exchanged{format: string(got.Format), tried: got.Tried, status: got.Status, timing: got.Timing}, nil
}

// paveRefusal is what to check. Nobody knows what PAVE answers to a timestamp in another format.
func paveRefusal(c config) string {
	text := "check username, api_key, api_secret, and this server's clock"
	if c.text("timestamp_format") != formatAuto {
		text += "; timestamp_format=auto tries the others"
	}
	return text
}

// paveCreds signs the headers of creds/pave.
func paveCreds(s serving) (answer, error) {
	credentials := paveCredentials(s.config)
	headers, err := credentials.Sign(s.now, paveFormat(s.config))
	if err != nil {
		return answer{}, fmt.Errorf("signing: %w", err)
	}
	fields := refresh(s.now, s.config.seconds("ttl"))
	fields["api_key"], fields["api_token"], fields["api_timestamp"] = headers.APIKey, headers.APIToken, headers.APITimestamp
	fields["base_url"], fields["expires_at"] = s.config.text("base_url"), rfc3339(s.now.Add(pave.TokenLife))
	return answer{
		headers: map[string]string{
			pave.HeaderAPIKey:       headers.APIKey,
			pave.HeaderAPIToken:     headers.APIToken,
			pave.HeaderAPITimestamp: headers.APITimestamp,
		},
		fields: fields,
	}, nil
}

const paveConfigHelp = `
Stores the credentials of one account at PAVE. Applications then read creds/pave/<name>.

    vault write apisig/config/pave/main username=acme api_key=09bc91b9-... api_secret=-

PAVE's pages disagree about the format of timestamps. Find out which one works:

    vault write -f apisig/check/pave/main
`

const paveCredsHelp = `
Returns the three headers of a call to PAVE, signed now, as a map, as text and one by one:

    vault read apisig/creds/pave/main
    vault read -format=table -field=header_lines apisig/creds/pave/main |
        curl -fsS -H @- https://openapi.paveapi.com/v1/sessions

PAVE accepts them for five minutes and for every endpoint of the account: they cover neither method, path nor body. There
is no lease. Read again after ttl seconds; Vault Agent and the Secrets Operator do so by themselves.
`
