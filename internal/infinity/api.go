package infinity

import (
	"fmt"
	"strings"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// API is Check Point's Infinity Portal: a login gives a bearer token, and nothing is signed.
func API() *api.API {
	return &api.API{
		Name:       "infinity",
		Title:      "Infinity Portal",
		FirstWrite: "region=... client_id=... access_key=-",
		ConfigHelp: configHelp,
		Form: api.Form{
			Fields: []api.Field{
				region, clientID, accessKey, baseURL, api.MinTTL, requestTimeout, api.CACert,
				api.SecretExpiresAt, api.SecretWrittenAt,
				api.Verify(true, "Whether a write that changes what a login uses does one first. If it fails, nothing is stored. "+
					"If given as true, any write does one. It is not stored itself."),
			},
			Open: open,
		},
		Calls:   true,
		Lease:   &api.Lease{Type: "infinity_token"},
		OwnURLs: gatewayURLs(),
		Creds: &api.Path{
			Synopsis: "Get a leased token of the Infinity Portal.",
			Help:     credsHelp,
			Headers:  "The two headers of one call by name: the token, and a fresh request id.",
			Outputs: []api.Output{
				{Name: "token", Help: "The bearer token. It opens everything that the key may do."},
				{Name: "region", Help: "Region of the config; empty if there is none. A base_url replaces its address."},
				{Name: "gateway", Help: "Address of the portal's gateway."},
				{Name: "base_url", Help: "Address of Harmony Email's API there."},
				{Name: "expires_at", Help: "When the token expires, RFC 3339."},
			},
		},
	}
}

// The fields of a config.
var (
	region    = api.Region(Regions())
	clientID  = api.Public("client_id", "Client id of the API key. It is public.")
	accessKey = api.SecretField("access_key", "Access key of the API key. It is sent to the gateway as it is.")
	baseURL   = baseURLField()

	requestTimeout = api.RequestTimeout("Limit for one login, retries included.")
)

func baseURLField() api.Field {
	f := api.BaseURL("Address of the gateway, instead of the region's: "+api.AddressRule+". The key's \"Authentication "+
		"URL\" can be pasted as it is: /auth/external at its end is removed. Without /app/hec-api, which is added for calls.",
		api.EndsIn("which is added for calls", APIPath, APIPath+"/v1.0"))
	f.Clean = func(value string) string { return TrimLoginPath(api.CleanAddress(value)) }
	return f
}

func gatewayURLs() []string {
	var urls []string
	for _, region := range Regions() {
		urls = append(urls, GatewayURL(region))
	}
	return urls
}

// Account is an opened config.
type Account struct {
	// ClientID is public.
	ClientID string
	// AccessKey is sent as it is.
	AccessKey secret.Text
	// Region is one of Regions, or "".
	Region string
	// Gateway is its address, without a slash at its end.
	Gateway string
	// CACert is PEM: certificates to trust beside the system's roots; "" for none.
	CACert string
	// Timeout is the limit for one login, retries included.
	Timeout time.Duration
}

func open(v api.Values) (*api.Account, error) {
	a := Account{
		ClientID:  v.Text(clientID),
		AccessKey: v.Secret(accessKey),
		Region:    v.Text(region),
		Gateway:   v.Text(baseURL),
		CACert:    v.Text(api.CACert),
		Timeout:   v.Seconds(requestTimeout),
	}
	if a.Gateway == "" {
		a.Gateway = GatewayURL(a.Region)
	}
	if a.Gateway == "" {
		return nil, api.Invalidf("region is required if the config's name is not a region: one of %s; or base_url",
			strings.Join(Regions(), ", "))
	}
	return &api.Account{Creds: a, Login: a, SendsSecret: true}, nil
}

// Creds returns the token and the headers of a call with it.
func (a Account) Creds(m api.Moment) (api.Answer, error) {
	reqID, err := m.NewID()
	if err != nil {
		return api.Answer{}, fmt.Errorf("making a request id: %w", err)
	}
	return api.Answer{
		Headers: Headers(m.Token.Value, reqID),
		PerCall: []string{HeaderReqID},
		Fields: map[string]any{
			"token":    m.Token.Value.Reveal(),
			"region":   a.Region,
			"gateway":  a.Gateway,
			"base_url": a.Gateway + APIPath,
		},
		ExpiresAt: m.Token.ExpiresAt,
	}, nil
}

const configHelp = `
Stores an API key of Check Point's Infinity Portal, for Harmony Email. Applications then read creds/infinity/<name>.

    vault write apisig/config/infinity/us client_id=... access_key=-

A write that changes what a login uses does one first, and stores nothing if the portal rejects it. Because the key
itself is sent, a write that contains it must also name base_url and ca_cert, if the config has them.
`

const credsHelp = `
Returns a bearer token of the Infinity Portal, leased, and the headers of a call with it:

    vault read -format=table -field=header_lines apisig/creds/infinity/us |
        curl -fsS -H @- https://cloudinfra-gw-us.portal.checkpoint.com/app/hec-api/v1.0/scopes

The token alone opens everything that its key may do, for about half an hour: nothing is signed, so a policy cannot
limit a reader to some calls. Readers share it while enough of its life remains. The lease ends a minute before the
token, and cannot be renewed or revoked at the portal.
`
