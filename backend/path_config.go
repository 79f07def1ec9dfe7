package backend

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/baseurl"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// Limits of what may be stored, in bytes.
const (
	maxKey   = 256      // the storage key: config/, the vendor, and the name
	maxText  = 1 << 10  // what is not named below
	maxValue = 64 << 10 // secrets and certificates
)

// nameSchema is the field that every path but the lists has.
func nameSchema() *framework.FieldSchema {
	return &framework.FieldSchema{
		Type:        framework.TypeString,
		Description: "Name of the config: letters, digits, and - _ . within.",
		Required:    true,
	}
}

// pathConfigList is LIST of one vendor's configs.
func pathConfigList(vendor, prefix string) *framework.Path {
	return &framework.Path{
		Pattern: prefix + "?$",
		DisplayAttrs: &framework.DisplayAttributes{
			OperationPrefix: operationPrefix, OperationVerb: "list", OperationSuffix: strings.ToLower(vendor) + "-configurations",
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ListOperation: &framework.PathOperation{
				Callback: func(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
					names, err := req.Storage.List(ctx, prefix)
					if err != nil {
						return nil, fmt.Errorf("listing %s: %w", prefix, err)
					}
					return logical.ListResponse(names), nil
				},
				Summary: "List the names of the " + vendor + " configs.",
				Responses: map[int][]framework.Response{http.StatusOK: {{
					Description: "The names, without a secret or any other field.",
					Fields: map[string]*framework.FieldSchema{
						"keys": {Type: framework.TypeStringSlice, Description: "Names of configs.", Required: true},
					},
				}}},
			},
		},
		HelpSynopsis:    "List the names of the " + vendor + " configs.",
		HelpDescription: "Names alone: read a config by its name for its fields. Where there is none, Vault answers 404.",
	}
}

// noContent is the schema of an answer without a body.
func noContent(description string) map[int][]framework.Response {
	return map[int][]framework.Response{http.StatusNoContent: {{Description: description}}}
}

// configOperations are the operations of config/:vendor/:name. answer is the schema of a read.
func configOperations(
	vendor string, write, read, remove framework.OperationFunc, answer map[string]*framework.FieldSchema,
) map[logical.Operation]framework.OperationHandler {
	operation := func(callback framework.OperationFunc, summary string, responses map[int][]framework.Response) *framework.PathOperation {
		return &framework.PathOperation{Callback: callback, Summary: summary, Responses: responses}
	}
	forwarded := func(o *framework.PathOperation) *framework.PathOperation {
		o.ForwardPerformanceStandby, o.ForwardPerformanceSecondary = true, true
		return o
	}
	stored := noContent("The config was stored.")
	return map[logical.Operation]framework.OperationHandler{
		logical.CreateOperation: forwarded(operation(write, "Write a "+vendor+" config.", stored)),
		logical.UpdateOperation: forwarded(operation(write, "Change the fields of a "+vendor+" config that are given.", stored)),
		logical.PatchOperation: forwarded(operation(write,
			"Change the fields of an existing "+vendor+" config that are given; null sets a field to its default.", stored)),
		logical.ReadOperation: operation(read, "Read a "+vendor+" config, without its secret.",
			map[int][]framework.Response{http.StatusOK: {{Description: "Every field but the secret.", Fields: answer}}}),
		logical.DeleteOperation: forwarded(operation(remove, "Delete a "+vendor+" config.", noContent("There is no such config now."))),
	}
}

// configExists is the existence check of config/:vendor/:name, on which Vault's choice between the policy
// capabilities create and update hangs.
func configExists(prefix string) framework.ExistenceFunc {
	return func(ctx context.Context, req *logical.Request, data *framework.FieldData) (bool, error) {
		entry, err := req.Storage.Get(ctx, prefix+nameOf(data))
		if err != nil {
			return false, fmt.Errorf("reading from storage: %w", err)
		}
		return entry != nil, nil
	}
}

func nameOf(data *framework.FieldData) string {
	name, _ := data.Get(nameField).(string)
	return name
}

// readConfig answers a read of a config; of none, with nothing, which Vault makes a 404.
func readConfig[C storable](ctx context.Context, req *logical.Request, configs *configStore[C], name string) (*logical.Response, error) {
	config, found, err := configs.load(ctx, req.Storage, name)
	if err != nil || !found {
		return nil, err
	}
	return &logical.Response{Data: config.fields()}, nil
}

// answerFields is the schema of a read: the path's fields without its name and those that are only written.
func answerFields(fields map[string]*framework.FieldSchema, writeOnly ...string) map[string]*framework.FieldSchema {
	for _, name := range append(writeOnly, nameField) {
		delete(fields, name)
	}
	for _, field := range fields {
		field.Required = true
	}
	return fields
}

// checkWritable refuses a write to a name that is too long, and a patch where there is nothing to patch.
func checkWritable[C storable](req *logical.Request, configs *configStore[C], name string, found bool) error {
	if len(configs.key(name)) > maxKey {
		return invalidf("the name is too long: %s and it may have %d bytes together", configPrefix, maxKey)
	}
	if req.Operation == logical.PatchOperation && !found {
		return configs.noConfig(req, name)
	}
	return nil
}

// A rule returns what is wrong with a parameter's value, never holding the value, or "".
type rule func(value string) string

// broken returns the error of the first rule that a value breaks.
func broken(parameter, value string, rules ...rule) error {
	for _, r := range rules {
		if fault := r(value); fault != "" {
			return invalidf("%s %s", parameter, fault)
		}
	}
	return nil
}

func required(value string) string {
	if value == "" {
		return "is required"
	}
	return ""
}

func atMost(bytes int) rule {
	return func(value string) string {
		if len(value) > bytes {
			return fmt.Sprintf("is longer than %d bytes", bytes)
		}
		return ""
	}
}

// plainText has no control characters; a newline comes with a file or a pipe more often than by intent.
func plainText(value string) string {
	if strings.ContainsFunc(value, unicode.IsControl) {
		return "holds a newline or another control character (printf %s writes none at the end, echo does)"
	}
	return ""
}

// headerText is what may stand in a header and comes through unchanged.
func headerText(value string) string {
	if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "holds a space, a control character or one outside ASCII"
	}
	return ""
}

func oneOf[T ~string](values []T) rule {
	return func(value string) string {
		if slices.Contains(values, T(value)) {
			return ""
		}
		return fmt.Sprintf("must be one of %q", values)
	}
}

// unlessEmpty lets an optional value be empty.
func unlessEmpty(r rule) rule {
	return func(value string) string {
		if value == "" {
			return ""
		}
		return r(value)
	}
}

func address(value string) string {
	if _, err := baseurl.Parse(value); err != nil {
		return err.Error() + "; it must be " + baseurl.Rule
	}
	return ""
}

// outside returns the error of a duration that is not within its bounds, all in seconds.
func outside(parameter string, value, least, most int) error {
	if value < least || value > most {
		return invalidf("%s must be from %ds to %ds", parameter, least, most)
	}
	return nil
}

// firstOf returns the first error there is.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// boundField is a parameter that says where a secret is sent or whose it is.
type boundField struct{ parameter, before, after string }

// checkBound refuses to take a stored secret elsewhere: whoever may write a config could otherwise have it sent to a
// host of their own.
func checkBound(p parameters, secretParameter string, fields ...boundField) error {
	for _, field := range fields {
		if field.before != field.after && !p.given(secretParameter) {
			return invalidf("changing %s needs %s in the same write: the stored one was meant for what %s was before",
				field.parameter, secretParameter, field.parameter)
		}
	}
	return nil
}

// secretRules are those of both vendors' secrets.
func secretRules(parameter string, value secret.Text) error {
	return broken(parameter, value.Reveal(), required, atMost(maxValue), plainText)
}
