package backend

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/exchange"
)

// verifyField is the parameter that says whether a write tries the credentials first. A vendor declares it if it can.
const verifyField = "verify"

// pathConfig is config/<vendor>/:name.
func (b *backend) pathConfig(s *store) *framework.Path {
	v := s.vendor
	answer := map[string]*framework.FieldSchema{}
	for _, f := range v.fields {
		if f.readable() {
			answer[f.name] = f.schema()
			answer[f.name].Required = !f.omitEmpty
		}
	}
	if v.declares != nil {
		maps.Copy(answer, v.declares.schema)
	}
	written := map[int][]framework.Response{
		http.StatusNoContent: {{Description: "The config was stored."}},
		http.StatusOK:        {{Description: "The config was stored. Warnings say what may be a mistake."}},
	}
	return &framework.Path{
		Pattern: s.prefix() + framework.GenericNameRegex(nameField),
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: operationPrefix, OperationSuffix: v.name + "-configuration",
		},
		Fields: writable(v.fields),
		// A declaration has parameters of its own.
		TakesArbitraryInput: v.declares != nil,
		ExistenceCheck:      b.configExists(s),
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.CreateOperation: forwarded(b.named(s, b.configWrite), "Write a config of "+v.title+".", written),
			logical.UpdateOperation: forwarded(b.named(s, b.configWrite), "Change the given fields of a config of "+v.title+".", written),
			logical.PatchOperation: forwarded(b.named(s, b.configWrite),
				"Change the given fields of an existing config of "+v.title+"; null sets a field to its default.", written),
			logical.DeleteOperation: forwarded(b.named(s, b.configDelete), "Delete a config of "+v.title+".",
				map[int][]framework.Response{http.StatusNoContent: {{Description: "The config does not exist any more."}}}),
			logical.ReadOperation: &framework.PathOperation{
				Callback: b.named(s, b.configRead), Summary: "Read a config of " + v.title + ", without its secret.",
				Responses: map[int][]framework.Response{http.StatusOK: {{Description: "Every field except the secret.", Fields: answer}}},
			},
		},
		HelpSynopsis:    "Configure credentials for " + v.title + ".",
		HelpDescription: strings.TrimSpace(v.configHelp) + configHelp,
	}
}

// forwarded is an operation that only the node can do that may write.
func forwarded(callback framework.OperationFunc, summary string, responses map[int][]framework.Response) *framework.PathOperation {
	return &framework.PathOperation{
		Callback: callback, Summary: summary, Responses: responses,
		ForwardPerformanceStandby: true, ForwardPerformanceSecondary: true,
	}
}

// pathConfigList is LIST config/<vendor>.
func (b *backend) pathConfigList(s *store) *framework.Path {
	return b.listOf(s, s.prefix(), "configurations")
}

// listOf is the LIST of a prefix below which each config has a path.
func (b *backend) listOf(s *store, prefix, what string) *framework.Path {
	summary := "List the names of the configs of " + s.vendor.title + "."
	return &framework.Path{
		Pattern: prefix + "?$",
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: operationPrefix, OperationVerb: "list", OperationSuffix: s.vendor.name + "-" + what,
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ListOperation: &framework.PathOperation{
				Callback: func(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
					names, err := req.Storage.List(ctx, s.prefix())
					if err != nil {
						return nil, fmt.Errorf("listing %s: %w", s.prefix(), err)
					}
					return logical.ListResponse(names), nil
				},
				Summary: summary,
				Responses: map[int][]framework.Response{http.StatusOK: {{
					Description: "The names.",
					Fields: map[string]*framework.FieldSchema{
						"keys": {Type: framework.TypeStringSlice, Description: "Names of configs.", Required: true},
					},
				}}},
			},
		},
		HelpSynopsis:    summary,
		HelpDescription: "Returns names only: read a config by its name for its fields. If there is none, Vault answers 404.",
	}
}

// pathVendors is LIST of a prefix below which each vendor has a list.
func (b *backend) pathVendors(prefix string) *framework.Path {
	summary := "List the vendors."
	return &framework.Path{
		Pattern: prefix + "/?$",
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: operationPrefix, OperationVerb: "list", OperationSuffix: prefix + "-vendors",
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ListOperation: &framework.PathOperation{
				Callback: func(context.Context, *logical.Request, *framework.FieldData) (*logical.Response, error) {
					var vendors []string
					for _, s := range b.stores {
						vendors = append(vendors, s.vendor.name+"/")
					}
					slices.Sort(vendors)
					return logical.ListResponse(vendors), nil
				},
				Summary: summary,
				Responses: map[int][]framework.Response{http.StatusOK: {{
					Description: "The vendors, whether there are configs or not. Each is a prefix to list.",
					Fields: map[string]*framework.FieldSchema{
						"keys": {
							Type: framework.TypeStringSlice, Required: true,
							Description: "Names of vendors, with a slash at their end.",
						},
					},
				}}},
			},
		},
		HelpSynopsis:    summary,
		HelpDescription: "Returns the vendors that the engine knows. List " + prefix + "/<vendor> for the names of configs.",
	}
}

// configExists is the existence check, which decides whether Vault wants the policy capability create or update. For a name
// that no config can have it answers that there is one, so that the caller sees the request's own error.
func (b *backend) configExists(s *store) framework.ExistenceFunc {
	return func(ctx context.Context, req *logical.Request, data *framework.FieldData) (bool, error) {
		name := nameOf(data)
		if nameFault(s, name) != "" {
			return true, nil
		}
		entry, err := req.Storage.Get(ctx, s.key(name))
		if err != nil {
			return false, fmt.Errorf("reading from storage: %w", err)
		}
		return entry != nil, nil
	}
}

// configRead answers a read of a config; of none, with nothing, which Vault makes a 404.
func (b *backend) configRead(
	ctx context.Context, s *store, req *logical.Request, name string, _ *framework.FieldData,
) (*logical.Response, error) {
	c, stored, err := s.load(ctx, req.Storage, name)
	if err != nil || stored == nil {
		return nil, err
	}
	resp := &logical.Response{Data: c.readable(s.vendor.fieldsOf(c))}
	if warning := expiryWarning(c.secretDates().expires, b.now()); warning != "" {
		resp.AddWarning(warning)
	}
	if s.vendor.declares != nil {
		maps.Copy(resp.Data, s.vendor.declares.readable(c))
		if problem := s.vendor.checkUsable(c); problem != nil {
			resp.AddWarning("this config cannot be used: " + problem.Error())
		}
		if outdated := c.outdated(); outdated != "" {
			resp.AddWarning(outdated)
		}
	}
	return resp, nil
}

func (b *backend) configDelete(
	ctx context.Context, s *store, req *logical.Request, name string, _ *framework.FieldData,
) (*logical.Response, error) {
	return nil, s.remove(ctx, req.Storage, name)
}

// configWrite creates, updates and patches. If the write changes what an exchange with the vendor uses, or contains
// verify=true, it does one first, and readers get its token.
func (b *backend) configWrite(
	ctx context.Context, s *store, req *logical.Request, name string, data *framework.FieldData,
) (*logical.Response, error) {
	write := parameters{data, req}
	if len(req.Data) == 0 {
		return nil, invalidf("the request contains no parameters; %s", accepts(parametersOf(req.Operation, writable(s.vendor.fields))))
	}
	var relied, outlived string
	var warnings []string
	var tried config // what got is from; a write that starts over need not try it again
	var got exchanged
	err := s.change(ctx, req.Storage, name, func(old found) (config, error) {
		if req.Operation == logical.PatchOperation && !old.exists {
			return nil, s.noConfig(req, name)
		}
		next, err := s.vendor.merge(name, old.config, write)
		if err != nil {
			return nil, err
		}
		fields := s.vendor.fieldsOf(next)
		if slices.ContainsFunc(secretNames(fields), write.given) {
			next[writtenField] = rfc3339(b.now())
			outlived = outlivedWarning(next, write)
		}
		if relied = s.vendor.trusted(old.config, next, write); relied != "" && s.vendor.sendsSecret {
			return nil, invalidf("this write relies on %s; name it again in the same write, because the secret itself is sent there", relied)
		}
		warnings = next.blanks(fields, write)
		if s.vendor.declares != nil && slices.ContainsFunc(s.vendor.declares.from, write.given) {
			warnings = append(warnings, s.vendor.declares.warnings(next)...)
		}
		if !verifies(s.vendor, old.config, next, write) {
			tried = nil
			return next, nil
		}
		if tried == nil || !tried.sameAccount(fields, next) {
			tried = next
			if got, err = b.exchange(ctx, s.vendor, next, next.text(s.vendor.format.detected)); err != nil {
				return nil, withWarnings(notStored(s.key(name), err), append(warnings, reliedWarning(relied)...))
			}
		}
		s.vendor.learn(next, got.format)
		return next, nil
	}, func(e *entry) {
		if tried != nil {
			b.proven(e, got)
		}
	})
	if err != nil {
		return nil, err
	}
	warnings = append(warnings, reliedWarning(relied)...)
	if outlived != "" {
		warnings = append(warnings, outlived)
	}
	if clock := clockWarning(got.timing); tried != nil && clock != "" {
		warnings = append(warnings, clock)
	}
	if len(warnings) == 0 {
		return nil, nil
	}
	return &logical.Response{Warnings: warnings}, nil
}

// proven records a successful exchange with the config of an entry: its token replaces the shared one.
func (b *backend) proven(e *entry, got exchanged) {
	e.exchanged(b.now(), got, nil)
	if e.token != nil {
		e.token.Replace(got.token)
	}
}

// verifies says whether a write tries the credentials first.
func verifies(v *vendor, old, next config, write parameters) bool {
	if v.exchange == nil {
		return false
	}
	verify, _ := write.value(verifyField).(bool)
	explicit := write.given(verifyField) && !write.null(verifyField)
	return verify && (explicit || !old.sameAccount(v.fields, next))
}

// notStored is the error of a write whose try failed.
func notStored(key string, err error) error {
	err = fmt.Errorf("%s was not stored: %w", key, err)
	if failure, is := errors.AsType[*exchange.Error](err); is && failure.Kind != exchange.Refused {
		err = fmt.Errorf("%w; verify=false stores it without trying it", err)
	}
	return err
}

// reliedWarning warns of stored values that a new secret is used with; of none, not at all.
func reliedWarning(relied string) []string {
	if relied == "" {
		return nil
	}
	return []string{
		"the new secret is used with " + relied + "; if that is not your setting, write it again together with the secret",
	}
}

// withWarnings adds warnings to an error, because Vault drops warnings from errors.
func withWarnings(err error, warnings []string) error {
	for _, warning := range warnings {
		err = fmt.Errorf("%w; %s", err, warning)
	}
	return err
}

const configHelp = `

An update changes only the fields that it names. So does a patch, in which null sets a field to its default. A read returns
every field except the secret.

The stored secret is used only for the address that it was written for: changing an address or an account, or adding a
certificate, needs the secret in the same write.
`
