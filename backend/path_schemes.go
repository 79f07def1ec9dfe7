package backend

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/api"
)

// pathSchemes are LIST schemes and schemes/:name: the catalogue of an API whose configs have a document.
func (b *backend) pathSchemes(c *api.Catalogue) []*framework.Path {
	const summary = "Read a scheme of the catalogue, and how to use it."
	list := listPath(c.Path+"/?$", c.Path, listing{
		summary: "List the schemes of the catalogue.",
		help: "Returns the names that a write of a config takes as its scheme. Read " + c.Path + "/<name> for what one " +
			"is for.",
		answer: "The names.",
		key:    "Names of schemes.",
		names:  func(context.Context, logical.Storage) ([]string, error) { return c.Names, nil },
	})
	read := &framework.Path{
		Pattern:      c.Path + "/" + framework.MatchAllRegex(nameField), // what is no name of one is a 404 too
		DisplayAttrs: display("read", "scheme"),
		Fields: map[string]*framework.FieldSchema{
			nameField: {Type: framework.TypeString, Description: "Name of the scheme.", Required: true},
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ReadOperation: &framework.PathOperation{
				Callback: func(
					_ context.Context, _ *logical.Request, data *framework.FieldData,
				) (*logical.Response, error) {
					return readScheme(c, nameOf(data))
				},
				Summary: summary,
				Responses: answers("The scheme, what it is for, and the commands that store a config and use "+
					"it.", outputs(c.Outputs)),
			},
		},
		HelpSynopsis:    summary,
		HelpDescription: schemesHelp,
	}
	return []*framework.Path{list, read}
}

// readScheme answers a read of a scheme; of none, with nothing, which Vault makes a 404.
func readScheme(c *api.Catalogue, name string) (*logical.Response, error) {
	if !slices.Contains(c.Names, name) {
		return nil, nil
	}
	answer, err := c.Describe(name)
	if err != nil {
		return nil, fmt.Errorf("reading the scheme %s of the catalogue: %w", name, err)
	}
	return &logical.Response{Data: answer}, nil
}

const schemesHelp = `
Returns a scheme that comes with the engine: its text, what it is for, the vendor's page, the parameters that a config
and a signature have, and the commands that store a config (write) and use it (use):

    vault read -field=write apisig/schemes/<name>

A config that was written with scheme=<name> has its own copy: a new version of the engine does not change it.
`
