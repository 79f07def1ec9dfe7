package backend

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/hashicorp/vault/sdk/framework"

	"github.com/apisig/vault-plugin-apisig/internal/baseurl"
	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

const schemeField = "scheme"

// customVendor is any API whose signature is declared: a config has a scheme, which says what else it has.
func customVendor() *vendor {
	return &vendor{
		name: "custom", title: "a declared API",
		firstWrite: "scheme=@scheme.yml base_url=https://... and the scheme's secrets and fields",
		configHelp: customConfigHelp,
		fields: []field{
			{
				name: schemeField, required: true, bound: true, account: true,
				help: "How the API signs, as YAML of at most 64 KiB. docs/schemes.md describes it, and schemes/ has some that are ready to use. " +
					"The config has a parameter for each of its secrets and fields. A write that changes the scheme starts over: what was " +
					"stored under the old one is erased.",
			},
			{
				name: "base_url", required: true, bound: true, account: true, rules: addressRules(), clean: cleanAddress,
				help: "Address of the API, " + baseurl.Rule + ", and at most 512 bytes. Readers are told it; the engine itself calls nobody.",
			},
			secretExpiresAt(),
			secretWrittenAt(),
		},
		check: func(c config) error {
			_, err := customSigner(c)
			return err
		},
		address: func(c config) string { return c.text("base_url") },
		declares: &declares{
			from:     []string{schemeField},
			compile:  customDeclaration,
			hidden:   customHidden,
			prove:    customProve,
			prepare:  customPrepare,
			readable: customReadable,
			schema:   customReadableFields(),
			warnings: customWarnings,
			answer:   customAnswer,
			creds: &creds{
				synopsis: "Get freshly signed headers of a declared API.",
				help:     customCredsHelp,
				headers:  "The headers by name; absent if the scheme declares query parameters only.",
				fields:   customAnswerFields(refreshFields("half of the scheme's ttl")),
			},
			sign: &creds{
				synopsis: "Sign one call to a declared API.",
				help:     customSignHelp,
				headers:  "The headers by name; absent if the scheme declares query parameters only.",
				fields: customAnswerFields(map[string]*framework.FieldSchema{"url": {
					Type: framework.TypeString, Description: "Where to send the call: base URL, request string and query parameters; absent if " +
						"the scheme has no request_string.",
				}}),
			},
		},
	}
}

// customScheme is the scheme that the declaration of a config was compiled to; nil if it has a problem.
func customScheme(c config) *scheme.Scheme {
	compiled, _ := c.declaration().compiled.(*scheme.Scheme)
	return compiled
}

// customDeclaration compiles the scheme. The config's fields follow from it.
func customDeclaration(c config) (*declaration, error) {
	parsed, err := scheme.ParseStored(c.text(schemeField))
	if err != nil {
		return nil, invalidf("%s", err)
	}
	found := &declaration{reads: parsed.Request(), compiled: parsed, outdated: parsed.Outdated()}
	for _, name := range parsed.Secrets() {
		found.fields = append(found.fields, field{
			name: name, kind: secretField, required: true, account: true, group: groupSecrets, help: "A secret of the scheme.",
			rules: []rule{func(value string) string { return fault(parsed.CheckSecret(name, secret.Text(value))) }},
		})
	}
	for _, name := range parsed.Fields() {
		own := field{
			name: name, bound: true, account: true, credential: true, group: groupFields,
			help:  "A field of the scheme.",
			rules: []rule{secret.Damage, func(value string) string { return fault(parsed.CheckField(name, value)) }},
		}
		if fallback, has := parsed.Default(name); !has {
			own.required = true
		} else if fallback != "" {
			own.fallback = fallback
		} else {
			own.omitEmpty = true
		}
		found.fields = append(found.fields, own)
	}
	return found, nil
}

// fault is the text of an error, "" for none.
func fault(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// customValues are what a config whose fields are complete has for its scheme.
func customValues(c config) scheme.Values {
	values := scheme.Values{Secrets: map[string]secret.Text{}, Fields: map[string]string{}, BaseURL: c.text("base_url")}
	for _, own := range c.declaration().fields {
		switch {
		case own.kind == secretField:
			values.Secrets[own.name] = c.secret(own.name)
		case !own.omitEmpty || c.text(own.name) != "":
			values.Fields[own.name] = c.text(own.name)
		}
	}
	return values
}

// customSigner makes the signer of a config whose fields are complete. It decodes the secrets.
func customSigner(c config) (*scheme.Signer, error) {
	signer, err := customScheme(c).Signer(customValues(c))
	if err != nil {
		return nil, invalidf("%s", err)
	}
	return signer, nil
}

// customPrepare is customSigner for a config that was checked.
func customPrepare(c config) any {
	signer, err := customSigner(c)
	if err != nil {
		return nil // and no *scheme.Signer that is nil
	}
	return signer
}

// customHidden makes sure that no secret is in the scheme, a field or base_url.
func customHidden(c config) error {
	if err := customScheme(c).CheckHidden(customValues(c)); err != nil {
		return invalidf("%s", err)
	}
	return nil
}

// customProve signs the scheme's examples.
func customProve(c config) error {
	if err := customScheme(c).CheckExamples(); err != nil {
		return invalidf("%s", err)
	}
	return nil
}

// customReadable is what a read of a config says of its scheme.
func customReadable(c config) map[string]any {
	parsed := customScheme(c)
	if parsed == nil {
		return nil
	}
	read := map[string]any{"secrets": parsed.Secrets(), "fields": parsed.Fields(), "request": parsed.Request()}
	if parsed.AllowStatic() {
		read["allow_static"] = true
	}
	if parsed.AllowExtension() {
		read["allow_extension"] = true
	}
	return read
}

func customReadableFields() map[string]*framework.FieldSchema {
	return map[string]*framework.FieldSchema{
		"secrets": {Type: framework.TypeStringSlice, Description: "Names of the scheme's secrets."},
		"fields":  {Type: framework.TypeStringSlice, Description: "Names of the scheme's fields. Each is also in the answer by its name."},
		"request": {
			Type:        framework.TypeStringSlice,
			Description: "Names of the parameters of sign/<vendor>/<name>; none if the config serves creds/<vendor>/<name>.",
		},
		"allow_static":    {Type: framework.TypeBool, Description: "True if the scheme lets a signature stay the same; else absent."},
		"allow_extension": {Type: framework.TypeBool, Description: "True if the scheme lets a hash be extended by callers; else absent."},
	}
}

// customWarnings are those of a write that contains the scheme.
func customWarnings(c config) []string {
	parsed := customScheme(c)
	warnings := parsed.Lints()
	if parsed.AllowStatic() {
		warnings = append(warnings, "allow_static: a signature of this scheme can stay the same, so anyone who sees one can use it for as long "+
			"as the API accepts the secret")
	}
	if parsed.AllowExtension() {
		warnings = append(warnings, "allow_extension: anyone who sees a signature of this scheme may be able to compute that of a longer request")
	}
	return warnings
}

// customAnswerFields are those of every answer, and more.
func customAnswerFields(more map[string]*framework.FieldSchema) map[string]*framework.FieldSchema {
	fields := map[string]*framework.FieldSchema{
		"query":      {Type: framework.TypeMap, Description: "The query parameters by name, not encoded; absent if the scheme declares none."},
		"base_url":   {Type: framework.TypeString, Required: true, Description: "Address of the API."},
		"expires_at": {Type: framework.TypeString, Required: true, Description: "Until when the result is good, by the scheme's ttl, RFC 3339."},
	}
	maps.Copy(fields, more)
	return fields
}

// customAnswer signs a request.
func customAnswer(s serving, given map[string]string) (answer, error) {
	signer, is := s.prepared.(*scheme.Signer)
	if !is {
		return answer{}, errors.New("the config has no signer")
	}
	parsed := customScheme(s.config)
	moment := scheme.Moment{Now: s.now}
	var err error
	if unit := parsed.Unit(); unit > 0 {
		if moment.Now, err = s.growing(unit); err != nil {
			return answer{}, err
		}
	}
	if parsed.Uses("uuid") {
		if moment.UUID, err = s.newID(); err != nil {
			return answer{}, fmt.Errorf("making a uuid: %w", err)
		}
	}
	if parsed.Uses("nonce") {
		if moment.Nonce, err = s.newID(); err != nil {
			return answer{}, fmt.Errorf("making a nonce: %w", err)
		}
		moment.Nonce = strings.ReplaceAll(moment.Nonce, "-", "")
	}
	signed, err := signer.Sign(moment, given)
	if err != nil {
		if wrong, is := errors.AsType[*scheme.RequestError](err); is && len(parsed.Request()) > 0 {
			return answer{}, invalidf("%s; %s", wrong, accepts(parsed.Request()))
		} else if is {
			return answer{}, invalidf("%s; the config's fields or its scheme must be changed", wrong)
		}
		return answer{}, fmt.Errorf("signing: %w", err)
	}
	fields := map[string]any{"base_url": s.config.text("base_url"), "expires_at": rfc3339(s.now.Add(parsed.TTL()))}
	if signed.Query != nil {
		fields["query"] = signed.Query
	}
	if signed.URL != "" {
		fields["url"] = signed.URL
	}
	if len(parsed.Request()) == 0 {
		// Agent and the Secrets Operator read again about a second after ttl, so what they have must be good for longer.
		maps.Copy(fields, refresh(s.now, max(1, int(parsed.TTL().Seconds())/2)))
	}
	if len(signed.Headers) == 0 {
		signed.Headers = nil
	}
	return answer{headers: signed.Headers, fields: fields}, nil
}

const customConfigHelp = `
Stores a scheme, which declares how an API signs its calls, together with the API's secrets. The scheme's secrets and fields are
parameters of their own. Read the config to see which they are.

    vault write apisig/config/custom/ovh scheme=@schemes/ovhcloud.yml base_url=https://eu.api.ovh.com \
        application_key=... consumer_key=... application_secret=-

A scheme that could give a secret away is refused, and so is one that does not reproduce its own examples.
`

const customCredsHelp = `
Returns headers, signed now, for a config whose scheme has no request. There is no lease. Read again after ttl seconds; Vault Agent and
the Secrets Operator do so by themselves:

    vault read apisig/creds/custom/<name>
`

const customSignHelp = `
Returns the headers and query parameters of one call, and where to send it. The config's scheme says which parameters describe a call;
read the config to see them:

    vault write apisig/sign/custom/<name> method=GET request_string=/1.0/me
`
