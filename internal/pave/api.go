package pave

import (
	"fmt"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// API is PAVE: every read of creds/pave is signed anew.
func API() *api.API {
	return &api.API{
		Name:       "pave",
		Title:      "PAVE",
		FirstWrite: "username=... api_key=... api_secret=-",
		ConfigHelp: configHelp,
		Form: api.Form{
			Fields: []api.Field{
				username, apiKey, apiSecret, timestampFormat, detectedFormat, ttl, baseURL, requestTimeout, api.CACert,
				api.SecretExpiresAt, api.SecretWrittenAt,
				api.Verify(false, "Whether a write checks the credentials with PAVE first, by GET /v1/callbacks, whose answer is "+
					"not read. If that fails, nothing is stored. It is not stored itself."),
			},
			Open: open,
		},
		Calls:   true,
		Format:  &api.Format{Chosen: timestampFormat, Detected: detectedFormat},
		OwnURLs: []string{DefaultBaseURL},
		Creds: &api.Path{
			Synopsis: "Get freshly signed headers for PAVE.",
			Help:     credsHelp,
			Headers:  "The three headers by name. PAVE accepts them for five minutes.",
			Outputs: []api.Output{
				{Name: "api_key", Help: "Value of the header API-Key."},
				{Name: "api_token", Help: "Value of the header API-Token."},
				{Name: "api_timestamp", Help: "Value of the header API-Timestamp."},
				{Name: "base_url", Help: "Address of the API."},
				{Name: "expires_at", Help: "When PAVE stops accepting the headers, RFC 3339."},
			},
			Refresh: "the config's ttl",
		},
	}
}

// The fields of a config.
var (
	username = api.Field{
		Name: "username", Required: true, Bound: true, Account: true, Credential: true,
		Rules: []api.Rule{api.AtMost(api.MaxText), api.PlainText, secret.Damage},
		Help:  "Primary account name that PAVE gave, not a user of its dashboard.",
	}
	apiKey    = api.Public("api_key", "API key that PAVE gave, a UUID. It is public: it is sent in the header API-Key.")
	apiSecret = api.SecretField("api_secret", "API secret that PAVE gave, which headers are signed with.")

	timestampFormat = api.Field{
		Name: "timestamp_format", Default: api.FormatAuto, OneOf: formatNames(), Account: true,
		Absent: string(RFC3339), // an entry without the field is from a version that knew no auto
		Help: "How the header API-Timestamp is written: rfc3339 (2026-01-02T03:04:05Z), rfc3339-ms " +
			"(2026-01-02T03:04:05.123Z), http-date (Fri, 02 Jan 2026 03:04:05 GMT), unix (1767323045), or auto: what a check " +
			"or a verified write found to work, and rfc3339 until then. PAVE's pages disagree about the format.",
	}
	detectedFormat = api.Field{
		Name: "detected_timestamp_format", Learned: true,
		Help: "The timestamp format that auto found in a check or a verified write; empty if none was found yet. It cannot " +
			"be written.",
	}
	ttl = api.Field{
		Name: "ttl", Kind: api.Seconds, Default: 150, Least: 1, Most: 240,
		Help: "How long readers are told to use the headers before they read again. PAVE accepts them for five minutes; " +
			"the rest is for retries and clocks that differ.",
	}
	baseURL        = baseURLField()
	requestTimeout = api.RequestTimeout("Limit for one call of a check.")
)

func formatNames() []string {
	names := []string{api.FormatAuto}
	for _, format := range TimestampFormats() {
		names = append(names, string(format))
	}
	return names
}

// baseURLField is a field that is never empty.
func baseURLField() api.Field {
	f := api.BaseURL("Address of the API, " + api.AddressRule + ". Readers are told it; the engine itself calls PAVE " +
		"only for a check or a verified write.")
	f.Default = DefaultBaseURL
	f.Clean = func(value string) string {
		if value == "" {
			return DefaultBaseURL
		}
		return api.CleanAddress(value)
	}
	return f
}

// Account is an opened config.
type Account struct {
	Credentials
	// BaseURL is the API's address, without a slash at its end.
	BaseURL string
	// CACert is PEM: certificates to trust beside the system's roots; "" for none.
	CACert string
	// Format is one of the formats, or "auto".
	Format string
	// TTL is how long readers are told to use headers, and Timeout the limit for one call of a check.
	TTL, Timeout time.Duration
}

func open(v api.Values) (*api.Account, error) {
	a := Account{
		Credentials: Credentials{Username: v.Text(username), APIKey: v.Text(apiKey), APISecret: v.Secret(apiSecret)},
		BaseURL:     v.Text(baseURL),
		CACert:      v.Text(api.CACert),
		Format:      v.Text(timestampFormat),
		TTL:         v.Seconds(ttl),
		Timeout:     v.Seconds(requestTimeout),
	}
	return &api.Account{Creds: a, Login: a}, nil
}

// timestampFormat is what headers are signed with, given what a check found.
func (a Account) timestampFormat(detected string) TimestampFormat {
	switch {
	case a.Format != api.FormatAuto:
		return TimestampFormat(a.Format)
	case detected != "":
		return TimestampFormat(detected)
	default:
		return RFC3339
	}
}

// Creds signs headers.
func (a Account) Creds(m api.Moment) (api.Answer, error) {
	headers, err := a.Sign(m.Now, a.timestampFormat(m.Format))
	if err != nil {
		return api.Answer{}, fmt.Errorf("signing: %w", err)
	}
	return api.Answer{
		Headers: map[string]string{
			HeaderAPIKey:       headers.APIKey,
			HeaderAPIToken:     headers.APIToken,
			HeaderAPITimestamp: headers.APITimestamp,
		},
		Fields: map[string]any{
			"api_key":       headers.APIKey,
			"api_token":     headers.APIToken,
			"api_timestamp": headers.APITimestamp,
			"base_url":      a.BaseURL,
		},
		ExpiresAt: m.Now.Add(TokenLife),
		Refresh:   int(a.TTL.Seconds()),
	}, nil
}

const configHelp = `
Stores the credentials of one account at PAVE. Applications then read creds/pave/<name>.

    vault write apisig/config/pave/main username=acme api_key=09bc91b9-... api_secret=-

PAVE's pages disagree about the format of timestamps. Find out which one works:

    vault write -f apisig/check/pave/main
`

const credsHelp = `
Returns the three headers of a call to PAVE, signed now, as a map, as text and one by one:

    vault read apisig/creds/pave/main
    vault read -format=table -field=header_lines apisig/creds/pave/main |
        curl -fsS -H @- https://openapi.paveapi.com/v1/sessions

PAVE accepts them for five minutes and for every endpoint of the account: they cover neither method, path nor body.
There is no lease. Read again after ttl seconds; Vault Agent and the Secrets Operator do so by themselves.
`
