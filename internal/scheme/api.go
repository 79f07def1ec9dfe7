package scheme

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// API is any API whose signature is declared: a config has a scheme, which says what else it has.
func API() *api.API {
	const headers = "The headers by name; absent if the scheme declares query parameters only."
	outputs := []api.Output{
		{
			Name: "query", Kind: api.OutputMap, Optional: true,
			Help: "The query parameters by name, not encoded; absent if the scheme declares none.",
		},
		{
			Name: "values", Kind: api.OutputMap, Optional: true,
			Help: "The values by name, which are not sent with a call; absent if the scheme declares none.",
		},
		{
			Name: "body", Optional: true,
			Help: "What the call must carry, with the Content-Type in headers; absent if the scheme declares none.",
		},
		{Name: "base_url", Help: "Address of the API."},
		{
			Name: "expires_at",
			Help: "Until when the result is good, RFC 3339. That is by the scheme's ttl and, with a login, no longer than " +
				"what that gave.",
		},
	}
	return &api.API{
		Name:  "custom",
		Title: "a declared API",
		FirstWrite: "scheme=@scheme.yml base_url=https://... and the scheme's secrets and fields; LIST schemes has " +
			"names that scheme= takes too",
		ConfigHelp: configHelp,
		Form: api.Form{Fields: []api.Field{
			schemeField, schemeName, schemeUpgrade, baseURL, api.SecretExpiresAt, api.SecretWrittenAt,
		}},
		Document: &api.Document{
			Field:     schemeField,
			Read:      form,
			Catalogue: catalogue(),
			Readable: []api.Output{
				{Name: "secrets", Kind: api.OutputTexts, Optional: true, Help: "Names of the scheme's secrets."},
				{
					Name: "fields", Kind: api.OutputTexts, Optional: true,
					Help: "Names of the scheme's fields. Each is also in the answer by its name.",
				},
				{
					Name: "request", Kind: api.OutputTexts, Optional: true,
					Help: "Names of the parameters of sign/<vendor>/<name>; none if the config serves creds/<vendor>/<name>.",
				},
				{
					Name: "allow_static", Kind: api.OutputFlag, Optional: true,
					Help: "True if the scheme lets a signature stay the same; else absent.",
				},
				{
					Name: "allow_extension", Kind: api.OutputFlag, Optional: true,
					Help: "True if the scheme lets a hash be extended by callers; else absent.",
				},
				{
					Name: "allow_shared_key", Kind: api.OutputFlag, Optional: true,
					Help: "True if the scheme lets a key of its login sign what callers choose too; else absent.",
				},
			},
			Login: loginFields,
		},
		Calls: true,
		Lease: &api.Lease{Type: "custom_token"},
		Creds: &api.Path{
			Synopsis: "Get headers of a declared API, signed now or with a shared token.",
			Help:     credsHelp,
			Headers:  headers,
			Outputs:  outputs,
			Refresh:  "half of the scheme's ttl; absent with a lease",
		},
		Sign: &api.Path{
			Synopsis: "Sign one call to a declared API.",
			Help:     signHelp,
			Headers:  headers,
			Outputs: append([]api.Output{{
				Name: "url", Optional: true,
				Help: "Where to send the call: base URL, request string and query parameters; absent if the scheme has no " +
					"request_string.",
			}}, outputs...),
		},
	}
}

// The fields of a config, beside those of its scheme.
var (
	schemeField = api.Field{
		Name: "scheme", Required: true, Bound: true, Account: true,
		Help: "How the API signs: the name of a scheme in the catalogue (list schemes), or YAML of at most 64 KiB, which " +
			"docs/schemes.md describes. The config has its own copy, and a parameter for each of the scheme's secrets and " +
			"fields. A write that changes the scheme starts over: what was stored under the old one is erased.",
	}
	baseURL = baseURLField()

	requestTimeout = api.RequestTimeout("Limit for one login, retries included.")
	// loginFields are those of configs whose scheme has a login.
	loginFields = []api.Field{
		api.MinTTL, requestTimeout, api.CACert,
		api.Verify(true, "Whether a write that changes what a login uses does one first. If it fails, nothing is stored. If "+
			"given as true, any write does one. It is not stored itself."),
	}
)

func baseURLField() api.Field {
	f := api.BaseURL("Address of the API, " + api.AddressRule + ", and at most 512 bytes. Readers are told it. The " +
		"engine itself calls it only to log in.")
	f.Help += " Required, unless the scheme has one, which is the default."
	return f
}

// form reads a scheme. The fields of its configs follow from it.
func form(text string) (api.Form, error) {
	s, err := ParseStored(text)
	if err != nil {
		return api.Form{}, api.Invalidf("%s", err)
	}
	f := api.Form{
		Open:     func(v api.Values) (*api.Account, error) { return open(s, v) },
		Outdated: s.Outdated(),
		Readable: map[string]any{"secrets": s.Secrets(), "fields": s.Fields(), "request": s.Request()},
		Warnings: s.warnings,
	}
	if s.AllowStatic() {
		f.Readable["allow_static"] = true
	}
	if s.AllowExtension() {
		f.Readable["allow_extension"] = true
	}
	if s.AllowSharedKey() {
		f.Readable["allow_shared_key"] = true
	}
	address := baseURL
	if fallback := s.BaseURL(); fallback != "" {
		address.Default = fallback
	} else {
		address.Required = true
	}
	f.Fields = append(f.Fields, address)
	for _, of := range s.document.secrets {
		own := api.Field{
			Name: of.name, Kind: api.Secret, Required: true, Account: true, Group: api.GroupSecrets,
			Help:  "A secret of the scheme.",
			Rules: []api.Rule{func(value string) string { return fault(of.check(secret.Text(value))) }},
		}
		if of.key != "" {
			own.Help = "A private key of the scheme, " + string(of.key) + "."
			own.Clean = plainKey
		}
		f.Fields = append(f.Fields, own)
	}
	for _, name := range s.Fields() {
		own := api.Field{
			Name: name, Bound: true, Account: true, Credential: true, Group: api.GroupFields, Help: "A field of the scheme.",
			Rules: []api.Rule{secret.Damage, func(value string) string { return fault(s.CheckField(name, value)) }},
		}
		if s.IsAddress(name) {
			own.Address, own.Clean = true, api.CleanAddress
		}
		if fallback, has := s.Default(name); !has {
			own.Required = true
		} else if fallback != "" {
			own.Default = fallback
		} else {
			own.OmitEmpty = true
		}
		f.Fields = append(f.Fields, own)
	}
	if s.HasLogin() {
		f.Fields = append(f.Fields, loginFields...)
	}
	return f, nil
}

// fault is the text of an error, "" for none.
func fault(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// warnings are for a write of the scheme.
func (s *Scheme) warnings() []string {
	warnings := s.Lints()
	if s.AllowStatic() {
		warnings = append(warnings, "allow_static: a signature of this scheme can stay the same, so anyone who sees one can "+
			"use it for as long as the API accepts the secret")
	}
	if s.AllowExtension() {
		warnings = append(warnings, "allow_extension: anyone who sees a signature of this scheme may be able to compute "+
			"that of a longer request")
	}
	if s.AllowSharedKey() {
		warnings = append(warnings, "allow_shared_key: a key of the login signs what callers choose too, so a caller may be "+
			"able to have a login signed")
	}
	return warnings
}

// account is an opened config.
type account struct {
	scheme *Scheme
	signer *Signer
	values Values
	inputs []api.Input
	// caCert and timeout are for the login.
	caCert  string
	timeout time.Duration
}

func open(s *Scheme, v api.Values) (*api.Account, error) {
	a := &account{scheme: s, values: Values{
		Secrets: map[string]secret.Text{}, Fields: map[string]string{}, BaseURL: v.Text(baseURL),
	}}
	for _, f := range v.Fields() {
		switch {
		case f.Group == api.GroupSecrets:
			a.values.Secrets[f.Name] = v.Secret(f)
		case f.Group == api.GroupFields && (!f.OmitEmpty || v.Text(f) != ""):
			a.values.Fields[f.Name] = v.Text(f)
		}
	}
	var err error
	if a.signer, err = s.Signer(a.values); err != nil {
		return nil, api.Invalidf("%s", err)
	}
	for _, name := range s.Request() {
		a.inputs = append(a.inputs, api.Input{Name: name})
	}
	opened := &api.Account{Declared: a, MaxBatch: s.MaxBatch()}
	if s.HasLogin() {
		a.caCert, a.timeout = v.Text(api.CACert), v.Seconds(requestTimeout)
		opened.Login, opened.SendsSecret, opened.Exclusive = a, s.SendsSecret(), s.Exclusive()
		opened.LoginAddress = api.Address{Field: s.login.address, URL: a.signer.LoginAddress()}
	}
	if len(a.inputs) == 0 {
		opened.Creds = a
	} else {
		opened.Signer = a
	}
	return opened, nil
}

// CheckHidden makes sure that no secret is in the scheme, a field or base_url.
func (a *account) CheckHidden() error { return invalid(a.scheme.CheckHidden(a.values)) }

// CheckExamples signs the scheme's examples. The error shows what they give, unless a secret is in the document: one
// that an earlier version stored was held to the rule of its time.
func (a *account) CheckExamples() error {
	err := a.scheme.CheckExamples()
	if err == nil {
		return nil
	}
	if hidden := a.scheme.CheckHidden(a.values); hidden != nil {
		return api.Invalidf("an example is not reproduced, and not shown, because %s", hidden)
	}
	return invalid(err)
}

// Warnings are about what the config's values give.
func (a *account) Warnings() []string { return a.scheme.Warnings(a.values) }

func invalid(err error) error {
	if err == nil {
		return nil
	}
	return api.Invalidf("%s", err)
}

// Inputs are the scheme's request.
func (a *account) Inputs() []api.Input { return a.inputs }

// Check refuses a text that is not what the reader has. Sign checks the rest, unless a login comes before.
func (a *account) Check(given api.Inputs) error {
	for _, input := range a.inputs {
		if secret.NotUTF8(given[input.Name]) {
			return &api.InputError{Input: input.Name, Fault: "contains U+FFFD, which stands in place of bytes that are not " +
				"UTF-8, so its signature would be of something else; if the scheme takes the hash (body_sha256) or the base64 of " +
				"such bytes, give that"}
		}
	}
	if !a.scheme.HasLogin() {
		return nil
	}
	if err := a.signer.CheckRequest(anyMoment, given); err != nil {
		return a.explain(err)
	}
	return nil
}

// anyMoment has texts as long as those of another moment.
var anyMoment = Moment{
	Now:   time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	UUID:  "00000000-0000-4000-8000-000000000000",
	Nonce: "00000000000000000000000000000000",
}

// Creds signs a call that nobody describes.
func (a *account) Creds(m api.Moment) (api.Answer, error) {
	answer, err := a.Sign(m, nil)
	half := max(1, int(a.scheme.TTL().Seconds())/2)
	switch {
	case !a.scheme.HasLogin():
		// Agent and the Secrets Operator read again about a second after ttl, so what they have must be good for longer.
		answer.Refresh = half
	case a.scheme.TTL() > 0:
		answer.MaxLease = time.Duration(half) * time.Second
	}
	return answer, err
}

// Sign signs a call.
func (a *account) Sign(m api.Moment, given api.Inputs) (api.Answer, error) {
	moment, err := a.moment(m)
	if err != nil {
		return api.Answer{}, err
	}
	signed, err := a.scheme.inTurn(m.Context, func() (Signed, error) { return a.signer.Sign(moment, given) })
	if errors.Is(err, api.ErrBusy) {
		return api.Answer{}, err
	}
	if err != nil {
		return api.Answer{}, a.explain(err)
	}
	answer := api.Answer{
		Headers:   signed.Headers,
		PerCall:   a.scheme.PerCall(),
		Query:     signed.Query,
		Values:    signed.Values,
		Fields:    map[string]any{"base_url": a.values.BaseURL},
		ExpiresAt: a.expires(m),
	}
	if signed.URL != "" {
		answer.Fields["url"] = signed.URL
	}
	if a.scheme.HasBody() {
		answer.Fields["body"] = signed.Body
	}
	if len(signed.Headers) == 0 {
		answer.Headers = nil
	}
	return answer, nil
}

// expires is until when what is signed now is good.
func (a *account) expires(m api.Moment) time.Time {
	at := m.Now.Add(a.scheme.TTL())
	if a.scheme.HasLogin() && (a.scheme.TTL() == 0 || m.Token.ExpiresAt.Before(at)) {
		return m.Token.ExpiresAt
	}
	return at
}

// moment makes what the scheme uses.
func (a *account) moment(m api.Moment) (Moment, error) {
	moment := Moment{Now: m.Now, Gives: m.Token.Values}
	var err error
	if unit := a.scheme.Unit(); unit > 0 {
		if moment.Now, err = m.Later(unit); err != nil {
			return Moment{}, err
		}
	}
	if a.scheme.Uses("uuid") {
		if moment.UUID, err = m.NewID(); err != nil {
			return Moment{}, fmt.Errorf("making a uuid: %w", err)
		}
	}
	if a.scheme.Uses("nonce") {
		if moment.Nonce, err = m.NewID(); err != nil {
			return Moment{}, fmt.Errorf("making a nonce: %w", err)
		}
		moment.Nonce = strings.ReplaceAll(moment.Nonce, "-", "")
	}
	return moment, nil
}

// explain says what to change after a signing that failed.
func (a *account) explain(err error) error {
	wrong, is := errors.AsType[*RequestError](err)
	switch {
	case !is:
		return fmt.Errorf("signing: %w", err)
	case len(a.scheme.Request()) == 0:
		return api.Invalidf("%s; the config's fields or its scheme must be changed", wrong)
	default:
		return api.Invalidf("%s; %s", wrong, api.Accepts(a.scheme.Request()))
	}
}

const configHelp = `
Stores a scheme, which declares how an API signs its calls or logs in, together with the API's secrets. The scheme's
secrets and fields are parameters of their own, and with a login so are min_ttl, request_timeout, ca_cert and verify.
Read the config to see which they are.

    vault write apisig/config/custom/ovh scheme=ovhcloud base_url=https://eu.api.ovh.com \
        application_key=... consumer_key=... application_secret=-

A scheme is the name of one in the catalogue, which apisig/schemes lists, or a file (scheme=@scheme.yml). Read
apisig/schemes/<name> for the command to write.

A scheme that could give a secret away is refused, and so is one that does not reproduce its own examples. A write that
changes what a login uses does one first, and stores nothing if the API rejects it.
`

const credsHelp = `
Returns headers for a config whose scheme has no request:

    vault read apisig/creds/custom/<name>

Where the scheme has no login they are signed now, without a lease. Read again after ttl seconds; Vault Agent and the
Secrets Operator do so by themselves. Where it has one they are leased: readers share what the login gave while enough
of its life remains. The lease ends before that does, and cannot be renewed or revoked at the API.
`

const signHelp = `
Returns the headers and query parameters of one call, and where to send it. The config's scheme says which parameters
describe a call; read the config to see them:

    vault write apisig/sign/custom/<name> method=GET request_string=/1.0/me
`
