package backend

import (
	"maps"
	"slices"

	"github.com/apisig/vault-plugin-apisig/internal/api"
)

// inputs are what a reader gives, apart from the parameters that the path itself has.
func (r *request) inputs(declared []api.Input) (api.Inputs, error) {
	given := make(map[string]any, len(r.Data))
	for name, value := range r.Data {
		if isInput(declared, name) || r.data.Schema[name] == nil {
			given[name] = value
		}
	}
	return inputsOf(given, declared)
}

// inputsOf are texts by name. It refuses what is not declared, and what is no text.
func inputsOf(given map[string]any, declared []api.Input) (api.Inputs, error) {
	inputs := make(api.Inputs, len(given))
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !isInput(declared, name) {
			return nil, api.Invalidf("unknown parameter%s; %s", quoted(name), api.Accepts(inputNames(declared)))
		}
		text, is := given[name].(string)
		if !is {
			return nil, api.Invalidf("%s must be a string, given once", name)
		}
		inputs[name] = text
	}
	return inputs, nil
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
