package backend

import (
	"maps"
	"slices"

	"github.com/hashicorp/vault/sdk/framework"

	"github.com/apisig/vault-plugin-apisig/internal/api"
)

// inputs are what a reader gives, apart from the parameters that the path itself has.
func (r *request) inputs(declared []api.Input) (api.Inputs, error) {
	return inputsOf(r.Data, declared, r.data.Schema)
}

// inputsOf are texts by name. It refuses what is neither declared nor a parameter of the path, and an input that is no
// text.
func inputsOf(
	given map[string]any, declared []api.Input, path map[string]*framework.FieldSchema,
) (api.Inputs, error) {
	inputs := make(api.Inputs, len(declared))
	for name, value := range given {
		text, isText := value.(string)
		switch known := isInput(declared, name); {
		case known && isText:
			inputs[name] = text
		case known, path[name] == nil:
			return nil, inputFault(given, declared, path)
		}
	}
	return inputs, nil
}

// inputFault is the error for the first name, in the order of the alphabet, that is wrong.
func inputFault(given map[string]any, declared []api.Input, path map[string]*framework.FieldSchema) error {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		known := isInput(declared, name)
		if !known && path[name] == nil {
			return api.Invalidf("unknown parameter%s; %s", quoted(name), api.Accepts(inputNames(declared)))
		}
		if _, isText := given[name].(string); known && !isText {
			return api.Invalidf("%s must be a string, given once", name)
		}
	}
	return nil
}

func isInput(declared []api.Input, name string) bool {
	return slices.ContainsFunc(declared, func(input api.Input) bool { return input.Name == name })
}

func inputNames(declared []api.Input) []string {
	names := make([]string, len(declared))
	for i, input := range declared {
		names[i] = input.Name
	}
	return names
}
