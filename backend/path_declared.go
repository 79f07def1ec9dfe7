package backend

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// pathDeclared is creds/<vendor>/:name or sign/<vendor>/:name, path being readCreds or readSign, of a vendor whose configs declare what a
// reader gives.
func (b *backend) pathDeclared(s *store, path int) *framework.Path {
	v := s.vendor
	texts, verb, suffix := v.declares.creds, "generate", v.name+"-credentials"
	if path == readSign {
		texts, verb, suffix = v.declares.sign, "sign", v.name+"-request"
	}
	fields := headerFields(texts.fields, texts.headers)
	fields["headers"].Required, fields["header_lines"].Required = false, false // a declaration may have query parameters only
	return &framework.Path{
		Pattern:      readPathNames[path] + "/" + v.name + "/" + framework.GenericNameRegex(nameField),
		DisplayAttrs: &framework.DisplayAttributes{OperationPrefix: operationPrefix, OperationVerb: verb, OperationSuffix: suffix},
		Fields:       map[string]*framework.FieldSchema{nameField: nameSchema(), unauthorizedField: unauthorizedSchema(v)},
		// The config says which parameters there are.
		TakesArbitraryInput: true,
		Operations: readAndUpdate(framework.PathOperation{
			Callback: b.named(s, func(
				ctx context.Context, s *store, req *logical.Request, name string, data *framework.FieldData,
			) (*logical.Response, error) {
				return b.declaredRead(ctx, s, req, name, data, path)
			}),
			Summary: texts.synopsis,
			Responses: map[int][]framework.Response{http.StatusOK: {{
				Description: "Signed headers. There is no lease.", Fields: fields,
			}}},
		}, verb, suffix),
		HelpSynopsis:    texts.synopsis,
		HelpDescription: texts.help,
	}
}

func (b *backend) declaredRead(
	ctx context.Context, s *store, req *logical.Request, name string, data *framework.FieldData, path int,
) (resp *logical.Response, err error) {
	// A scheme is a stranger's program.
	defer b.recovered("while signing for "+s.key(name), "signing panicked", s.vendor, &err)
	check := func(c config) error {
		found := c.declaration()
		if serves := found.serves(); serves != path {
			return invalidf("the config %s serves %s%s/%s/%s", s.key(name), req.MountPoint, readPathNames[serves], s.vendor.name, name)
		}
		return found.checkGiven(req)
	}
	answer := func(serving serving) (*logical.Response, error) {
		if serving.prepared == nil {
			return nil, fmt.Errorf("%s cannot be used; status says why", s.key(name))
		}
		answer, err := s.vendor.declares.answer(serving, serving.config.declaration().given(req))
		if err != nil {
			return nil, err
		}
		return &logical.Response{Data: answer.data()}, nil
	}
	return b.serve(ctx, s, req, name, data, reading{path: path, calls: 1, check: check, answer: answer})
}

// serves is the path that a config serves: readCreds or readSign.
func (d *declaration) serves() int {
	if len(d.reads) == 0 {
		return readCreds
	}
	return readSign
}

// checkGiven refuses what a reader gives if the declaration does not know it, or if it is not the text that the reader
// has.
func (d *declaration) checkGiven(req *logical.Request) error {
	for _, name := range slices.Sorted(maps.Keys(req.Data)) {
		if name == unauthorizedField {
			continue
		}
		if !slices.Contains(d.reads, name) {
			return invalidf("unknown parameter%s; %s", quoted(name), accepts(d.reads))
		}
		value, is := req.Data[name].(string)
		if !is {
			return invalidf("%s must be a string, given once", name)
		}
		if secret.NotUTF8(value) {
			return invalidf("%s contains U+FFFD, which stands in place of bytes that are not UTF-8, so its signature would be "+
				"of something else; if the scheme takes the hash (body_sha256) or the base64 of such bytes, give that", name)
		}
	}
	return nil
}

// given is what a reader gives, which was checked.
func (d *declaration) given(req *logical.Request) map[string]string {
	given := map[string]string{}
	for _, name := range d.reads {
		if value, is := req.Data[name].(string); is {
			given[name] = value
		}
	}
	return given
}

// pathCheckDeclared is check/<vendor>/:name, of a vendor that is not called.
func (b *backend) pathCheckDeclared(s *store) *framework.Path {
	v := s.vendor
	summary := "Check a config of " + v.title + " against its own examples."
	return &framework.Path{
		Pattern: "check/" + v.name + "/" + framework.GenericNameRegex(nameField),
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: operationPrefix, OperationVerb: "check", OperationSuffix: v.name + "-configuration",
		},
		Fields: map[string]*framework.FieldSchema{nameField: nameSchema()},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.UpdateOperation: forwarded(b.named(s, b.checkDeclared), summary, map[int][]framework.Response{http.StatusOK: {{
				Description: "The examples give what they want.",
				Fields: map[string]*framework.FieldSchema{
					"verified_at": {Type: framework.TypeString, Required: true, Description: "When the examples were signed, RFC 3339."},
				},
			}}}),
		},
		HelpSynopsis:    summary,
		HelpDescription: checkDeclaredHelp,
	}
}

// checkDeclared reads the config from storage, so that what is checked is what another node would use.
func (b *backend) checkDeclared(
	ctx context.Context, s *store, req *logical.Request, name string, _ *framework.FieldData,
) (*logical.Response, error) {
	current, err := s.fetch(ctx, req, name)
	if err != nil {
		return nil, err
	}
	if err := s.vendor.declares.prove(current.config); err != nil {
		return nil, err
	}
	return &logical.Response{Data: map[string]any{"verified_at": rfc3339(b.now())}}, nil
}

const checkDeclaredHelp = `
Signs the examples of the stored config again and compares the results. It calls nobody, so it does not show whether the API accepts
the secrets:

    vault write -f apisig/check/<vendor>/<name>
`
