package backend

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

// nameField is the last part of a path. It is a field to the framework, but no parameter: a body cannot set it.
const nameField = "name"

// nameSchema is the field that every path of one config has.
func nameSchema() *framework.FieldSchema {
	return &framework.FieldSchema{
		Type:        framework.TypeString,
		Description: "Name of the config: letters, digits, and - _ . within.",
		Required:    true,
	}
}

func nameOf(data *framework.FieldData) string {
	name, _ := data.Get(nameField).(string)
	return name
}

// maxKey limits the storage key, in bytes: config/, the vendor, and the name.
const maxKey = 256

// nameFault says what is wrong with a name that the path's pattern allows and storage does not; "" if nothing is.
func nameFault(s *store, name string) string {
	if strings.Contains(name, "..") {
		return "the name contains .."
	}
	if len(s.key(name)) > maxKey {
		return fmt.Sprintf("the name is too long: together with %s it may have %d bytes", s.prefix(), maxKey)
	}
	return ""
}

// nameRule is the error for a name that the paths' pattern does not allow.
const nameRule = "no config can have this name: a name has letters, digits and _, and - and . between them"

// isMisnamed reports whether a request that no path takes would be for a config, if that could have its name.
func (b *backend) isMisnamed(req *logical.Request) bool {
	return req.Operation != logical.HelpOperation && slices.ContainsFunc(b.Paths, func(p *framework.Path) bool {
		before, after, named := strings.Cut(strings.Trim(p.Pattern, "^$"), framework.GenericNameRegex(nameField))
		name, of := strings.CutPrefix(req.Path, before)
		name, to := strings.CutSuffix(name, after)
		return named && of && to && name != "" && !strings.Contains(name, "/")
	})
}

// request is one for a config, which need not exist. The name was checked.
type request struct {
	*logical.Request
	store *store
	name  string
	data  *framework.FieldData
}

// operation is what a path does for one config. An error becomes the answer that respondError makes of it.
type operation func(ctx context.Context, r *request) (*logical.Response, error)

// named makes a callback of an operation.
func (s *store) named(do operation) framework.OperationFunc {
	return func(ctx context.Context, req *logical.Request, data *framework.FieldData) (*logical.Response, error) {
		name := nameOf(data)
		if fault := nameFault(s, name); fault != "" {
			return logical.ErrorResponse(fault), nil
		}
		resp, err := do(ctx, &request{req, s, name, data})
		if err != nil {
			return respondError(err)
		}
		return resp, nil
	}
}

// path begins the path of one config, below a prefix. OpenAPI names it by verb and what. The caller fills in the rest.
func (s *store) path(prefix, verb, what string) *framework.Path {
	return &framework.Path{
		Pattern:      prefix + "/" + s.api.Name + "/" + framework.GenericNameRegex(nameField),
		DisplayAttrs: display(verb, s.api.Name+"-"+what),
		Fields:       map[string]*framework.FieldSchema{nameField: nameSchema()},
	}
}

// display is what OpenAPI calls a path.
func display(verb, suffix string) *framework.DisplayAttributes {
	return &framework.DisplayAttributes{OperationPrefix: operationPrefix, OperationVerb: verb, OperationSuffix: suffix}
}

// always declares a field that an answer always has.
func always(of framework.FieldType, description string) *framework.FieldSchema {
	return &framework.FieldSchema{Type: of, Required: true, Description: description}
}

// answers declares the answer of an operation that succeeds.
func answers(description string, fields map[string]*framework.FieldSchema) map[int][]framework.Response {
	return map[int][]framework.Response{http.StatusOK: {{Description: description, Fields: fields}}}
}

// readAndUpdate makes one operation serve reads and updates of a path alike. A template in Vault Agent that passes
// parameters updates, and reads that differ in their query only would share one answer there. OpenAPI wants a name for
// each of the two.
func readAndUpdate(p *framework.Path, operation framework.PathOperation) {
	update, display := operation, *p.DisplayAttrs
	update.DisplayAttrs = &framework.DisplayAttributes{
		OperationVerb: display.OperationVerb, OperationSuffix: display.OperationSuffix + "-with-parameters",
	}
	p.Operations = map[logical.Operation]framework.OperationHandler{
		logical.ReadOperation:   &operation,
		logical.UpdateOperation: &update,
	}
}
