package avanan

import (
	"fmt"
	"strings"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/api"
)

// API is Avanan, now Check Point Harmony Email: a handshake gives a JWT, and each call is signed.
func API() *api.API {
	return &api.API{
		Name:       "avanan",
		Title:      "Avanan",
		FirstWrite: "region=... app_id=... secret_key=-",
		ConfigHelp: configHelp,
		Form: api.Form{
			Fields: []api.Field{
				region, appID, secretKey, baseURL, dateFormat, detectedFormat, api.MinTTL, requestTimeout, api.CACert,
				api.SecretExpiresAt, api.SecretWrittenAt,
				api.Verify(true, "Whether a write that changes what a handshake uses does one first. If it fails, nothing is "+
					"stored. If given as true, any write does one. It is not stored itself."),
			},
			Open: open,
		},
		Calls:   true,
		Lease:   &api.Lease{Type: "avanan_token", TokenID: true},
		Format:  &api.Format{Chosen: dateFormat, Detected: detectedFormat},
		OwnURLs: ownURLs(),
		Creds: &api.Path{
			Synopsis: "Get a leased JWT of Avanan.",
			Help:     credsHelp,
			Outputs: []api.Output{
				{Name: "token", Help: "The JWT."},
				{Name: "app_id", Help: "The app id that it was given to."},
				{Name: "region", Help: "Region of the config; empty if there is none. A base_url replaces its address."},
				{Name: "base_url", Help: "Address of the API."},
				{Name: "expires_at", Help: "When the JWT expires, RFC 3339."},
			},
		},
		Sign: &api.Path{
			Synopsis: "Sign one call to Avanan.",
			Help:     signHelp,
			Inputs:   inputs,
			Headers:  "The five headers by name.",
			Outputs: []api.Output{
				{Name: "url", Help: "Where to send the call: base URL and request string."},
				{Name: "expires_at", Help: "When the token in the headers expires, RFC 3339."},
			},
		},
	}
}

// requestString is the one input of a call.
const requestString = "request_string"

var inputs = []api.Input{{
	Name: requestString,
	Help: "Path and query of the call exactly as they will be sent, such as /v1.0/event/query. Required. It starts with " +
		"/ and is printable ASCII of at most 8 KiB, without #, \\, a comma (write %2C), // or a . or .. segment in its " +
		"path, or a ? at its end. docs/reference.md lists all rules.",
}}

// The fields of a config.
var (
	region    = api.Region(Regions())
	appID     = api.Public("app_id", "App id that Avanan gave. It is public: it is sent in the header x-av-app-id.")
	secretKey = api.SecretField("secret_key", "Secret key that Avanan gave, which calls are signed with.")
	baseURL   = api.BaseURL("Address of the API, instead of the region's: "+api.AddressRule+". Without /v1.0. A path in "+
		"it must be one that a gateway removes, because it is not signed.",
		api.EndsIn("which is part of each request string", "/v1.0", "/v1.0/auth"))
	dateFormat = api.Field{
		Name: "date_format", Default: api.FormatAuto, OneOf: formatNames(), Account: true,
		Help: "How the header x-av-date is written: zoneless (2026-01-02T03:04:05.123456, what working clients send), zulu " +
			"(2026-01-02T03:04:05.123Z, what Avanan's page says), or auto, which tries both in a handshake and keeps the one " +
			"that worked.",
	}
	detectedFormat = api.Field{
		Name: "detected_date_format", Learned: true,
		Help: "The date format that auto found in a check or a verified write; empty if none was found yet. It cannot be " +
			"written.",
	}
	requestTimeout = api.RequestTimeout("Limit for one handshake, retries included.")
)

func formatNames() []string {
	var names []string
	for _, format := range DateFormats() {
		names = append(names, string(format))
	}
	return names
}

func ownURLs() []string {
	var urls []string
	for _, region := range Regions() {
		urls = append(urls, RegionURL(region))
	}
	return urls
}

// Account is an opened config.
type Account struct {
	Credentials
	// Region is one of Regions, or "".
	Region string
	// BaseURL is the API's address, without a slash at its end.
	BaseURL string
	// DateFormat is how x-av-date is written. With Auto a handshake finds out which format works.
	DateFormat DateFormat
	// CACert has certificates in PEM to trust in addition to the system's roots; "" for none.
	CACert string
	// Timeout is the limit for one handshake, retries included.
	Timeout time.Duration
}

func open(v api.Values) (*api.Account, error) {
	a := Account{
		Credentials: Credentials{AppID: v.Text(appID), SecretKey: v.Secret(secretKey)},
		Region:      v.Text(region),
		BaseURL:     v.Text(baseURL),
		DateFormat:  DateFormat(v.Text(dateFormat)),
		CACert:      v.Text(api.CACert),
		Timeout:     v.Seconds(requestTimeout),
	}
	if a.BaseURL == "" {
		a.BaseURL = RegionURL(a.Region)
	}
	if a.BaseURL == "" {
		return nil, api.Invalidf("region is required if the config's name is not a region: one of %s; or base_url",
			strings.Join(Regions(), ", "))
	}
	return &api.Account{Creds: a, Signer: a, Login: a}, nil
}

// Creds returns the JWT.
func (a Account) Creds(m api.Moment) (api.Answer, error) {
	return api.Answer{
		Fields: map[string]any{
			"token":    m.Token.Value.Reveal(),
			"app_id":   a.AppID,
			"region":   a.Region,
			"base_url": a.BaseURL,
		},
		ExpiresAt: m.Token.ExpiresAt,
	}, nil
}

// Inputs are those of a call.
func (a Account) Inputs() []api.Input { return inputs }

// Check holds the request string against CheckRequestString.
func (a Account) Check(given api.Inputs) error {
	target, has := given[requestString]
	if !has {
		// Vault policies treat a missing value and an empty one differently, so neither may mean anything.
		return &api.InputError{Input: requestString, Fault: "is required: the path and query of the call exactly as they " +
			"will be sent"}
	}
	if err := CheckRequestString(a.AppID, target); err != nil {
		return &api.InputError{Input: requestString, Fault: err.Error()}
	}
	return nil
}

// Sign signs one call.
func (a Account) Sign(m api.Moment, given api.Inputs) (api.Answer, error) {
	reqID, err := m.NewID()
	if err != nil {
		return api.Answer{}, fmt.Errorf("making a request id: %w", err)
	}
	return api.Answer{
		Headers: a.Headers(Call{
			ReqID:         reqID,
			Date:          DateFormat(m.Token.Format).Date(m.Now),
			Token:         m.Token.Value,
			RequestString: given[requestString],
		}),
		Fields:    map[string]any{"url": a.BaseURL + given[requestString]},
		ExpiresAt: m.Token.ExpiresAt,
	}, nil
}

const configHelp = `
Stores the credentials of one app at Avanan, for one region. Applications then read creds/avanan/<name> or
sign/avanan/<name>.

    vault write apisig/config/avanan/us app_id=US:myapp29 secret_key=-

A write that changes what a handshake uses does one first, and stores nothing if Avanan rejects it.
`

const credsHelp = `
Returns a JWT of Avanan, leased:

    vault read apisig/creds/avanan/us

Readers share a JWT while enough of its life remains. The lease ends a minute before the JWT, or a tenth of its
remaining life where less than ten minutes are left, and cannot be renewed. Avanan cannot revoke a JWT: ending the
lease changes nothing, there or for other readers.

A JWT alone opens nothing, because every call to Avanan is signed too. Read sign/avanan/<name> for that.
`

const signHelp = `
Returns the five headers of one call to Avanan, for the path and query that it will be sent with:

    vault read apisig/sign/avanan/us request_string=/v1.0/scopes

Send the call to url, at once and unchanged: the signature fits no other request string. The signature covers neither
the method nor the body, so GET and DELETE of one path have the same one.

A policy can limit the paths that an application signs, by required_parameters and allowed_parameters for
request_string.
`
