package backend

import (
	"maps"

	"github.com/hashicorp/vault/sdk/framework"

	"github.com/apisig/vault-plugin-apisig/internal/api"
)

// schemaOf is a field as the SDK declares a parameter.
func schemaOf(f api.Field) *framework.FieldSchema {
	schema := &framework.FieldSchema{Type: framework.TypeString, Description: f.Description(), Default: f.Default}
	switch f.Kind {
	case api.Seconds:
		schema.Type = framework.TypeDurationSecond
	case api.Flag:
		schema.Type = framework.TypeBool
	case api.Secret:
		schema.DisplayAttrs = &framework.DisplayAttributes{Sensitive: true}
	case api.Certificates:
		schema.DisplayAttrs = &framework.DisplayAttributes{EditType: "file"}
	case api.Text:
	}
	for _, value := range f.OneOf {
		schema.AllowedValues = append(schema.AllowedValues, value)
	}
	return schema
}

// flagOrText is a flag as a path declares it some of whose configs have a text of the same name: a document that an
// earlier version stored can declare one. What a config has itself is checked once its document is known.
func flagOrText(f api.Field) *framework.FieldSchema {
	schema := schemaOf(f)
	schema.Type, schema.Default, schema.AllowedValues = framework.TypeString, nil, []any{true, false}
	return schema
}

// writable are the fields among some that a write can name, with the config's name.
func writable(fields []api.Field) map[string]*framework.FieldSchema {
	parameters := map[string]*framework.FieldSchema{nameField: nameSchema()}
	for _, f := range fields {
		if !f.Learned {
			parameters[f.Name] = schemaOf(f)
		}
	}
	return parameters
}

// readable are the fields of a read's answer.
func readable(a *api.API) map[string]*framework.FieldSchema {
	answer := map[string]*framework.FieldSchema{}
	for _, f := range a.Form.Fields {
		if f.Readable() {
			answer[f.Name] = schemaOf(f)
			answer[f.Name].Required = !f.OmitEmpty
		}
	}
	if a.Document != nil {
		maps.Copy(answer, outputs(a.Document.Readable))
	}
	return answer
}

// outputs declares fields of an answer.
func outputs(declared []api.Output) map[string]*framework.FieldSchema {
	types := map[api.OutputKind]framework.FieldType{
		api.OutputText: framework.TypeString, api.OutputTexts: framework.TypeStringSlice,
		api.OutputMap: framework.TypeMap, api.OutputFlag: framework.TypeBool,
	}
	fields := map[string]*framework.FieldSchema{}
	for _, output := range declared {
		fields[output.Name] = &framework.FieldSchema{
			Type: types[output.Kind], Required: !output.Optional, Description: output.Help,
		}
	}
	return fields
}

// answerFields are those of the answer of a path of readers. Those of a document may have query parameters only.
func answerFields(a *api.API, p *api.Path) map[string]*framework.FieldSchema {
	fields := outputs(p.Outputs)
	if p.Headers != "" {
		fields["headers"] = &framework.FieldSchema{
			Type: framework.TypeMap, Required: a.Document == nil, Description: p.Headers,
		}
		fields["header_lines"] = &framework.FieldSchema{
			Type: framework.TypeString, Required: a.Document == nil,
			Description: "The same headers as text, one \"Name: value\" a line, sorted by name: what curl -H @- reads.",
		}
		if p == a.Creds {
			fields[perCallField] = &framework.FieldSchema{
				Type: framework.TypeStringSlice, Required: a.Document == nil,
				Description: "Names of headers that are of one call: a client that uses the answer for another call puts a new " +
					"UUID in each. Empty if there are none.",
			}
		}
	}
	if p.Refresh != "" {
		maps.Copy(fields, refreshFields(p.Refresh, a.Lease == nil))
	}
	return fields
}

// refreshFields declare by which fields of an answer without a lease Vault Agent and the Secrets Operator read again.
// ttl says in words what the seconds are, and required reports whether the answer always has them.
func refreshFields(ttl string, required bool) map[string]*framework.FieldSchema {
	field := func(of framework.FieldType, description string) *framework.FieldSchema {
		return &framework.FieldSchema{Type: of, Description: description, Required: required}
	}
	return map[string]*framework.FieldSchema{
		"ttl": field(framework.TypeInt, "Seconds after which to read again, "+ttl+". Vault Agent and the Secrets Operator "+
			"refresh by it."),
		"rotation_period": field(framework.TypeInt, "The same as ttl. Vault Agent and the Secrets Operator need it to "+
			"refresh without a lease."),
		"last_vault_rotation": field(framework.TypeString, "When the headers were signed, RFC 3339 with nanoseconds, for "+
			"the Secrets Operator."),
	}
}
