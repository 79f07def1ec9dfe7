package backend

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// checkParameters refuses a parameter that the operation does not take, and a value of the wrong JSON type. Its errors
// name the parameter and never hold the value. On a path with parameters that are known later, arbitrary, those are not
// checked yet.
func checkParameters(req *logical.Request, fields map[string]*framework.FieldSchema, arbitrary bool) error {
	accepted := parametersOf(req.Operation, fields)
	if accepted == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(req.Data)) {
		if known := slices.Contains(accepted, name); !known && arbitrary && fields[name] == nil {
			continue
		} else if !known {
			return api.Invalidf("unknown parameter%s; %s", quoted(name), api.Accepts(accepted))
		}
		if err := checkType(name, req.Data[name], fields, req.Operation == logical.PatchOperation); err != nil {
			return err
		}
	}
	return nil
}

// ignoresUnknown reports whether a request's unknown parameters are ignored: those in the query of a read. Some tools
// add one to whatever they read, and their users cannot prevent it: bank-vaults version=-1, scrapers format=prometheus.
func ignoresUnknown(req *logical.Request) bool {
	creds := strings.HasPrefix(req.Path, readPathNames[readCreds]+"/")
	status := strings.HasPrefix(req.Path, statusPrefix)
	return req.Operation == logical.ReadOperation && (creds || status || req.Path == metricsPath)
}

// withoutUnknown returns a request without its unknown parameters, and a warning that names them; "" if there are none.
func withoutUnknown(
	req *logical.Request, fields map[string]*framework.FieldSchema,
) (known *logical.Request, warning string) {
	accepted := parametersOf(req.Operation, fields)
	copied := *req
	copied.Data = maps.Clone(req.Data)
	var names []string
	for _, name := range slices.Sorted(maps.Keys(req.Data)) {
		if slices.Contains(accepted, name) {
			continue
		}
		delete(copied.Data, name)
		if shown := quoted(name); shown != "" {
			names = append(names, shown)
		}
	}
	if len(copied.Data) == len(req.Data) {
		return req, ""
	}
	return &copied, "ignored unknown parameters" + strings.Join(names, ",") + "; " + api.Accepts(accepted)
}

// parametersOf lists what an operation takes: a write every field but the name, others those marked for the query. It
// is nil for operations that are Vault's own, whose data is not a caller's.
func parametersOf(operation logical.Operation, fields map[string]*framework.FieldSchema) []string {
	accepted := []string{}
	for name, schema := range fields {
		switch operation {
		case logical.CreateOperation, logical.UpdateOperation, logical.PatchOperation:
			if name != nameField {
				accepted = append(accepted, name)
			}
		case logical.ReadOperation, logical.DeleteOperation, logical.ListOperation:
			if schema.Query {
				accepted = append(accepted, name)
			}
		default:
			return nil
		}
	}
	slices.Sort(accepted)
	return accepted
}

// parameterName is what a parameter's name can look like. Anything else may be a secret that was pasted in the wrong
// place.
var parameterName = regexp.MustCompile(`^[A-Za-z_]{1,32}[0-9]{0,3}$`)

// quoted is a name as it is shown in an error, if it looks like one.
func quoted(name string) string {
	if !parameterName.MatchString(name) {
		return ""
	}
	return " " + strconv.Quote(name)
}

func checkType(name string, value any, fields map[string]*framework.FieldSchema, nullable bool) error {
	if value == nil {
		if nullable {
			return nil
		}
		return api.Invalidf("%s is null: give it a value, or leave it out", name)
	}
	switch fields[name].Type {
	case framework.TypeString:
		_, is := value.(string)
		if !is && !slices.Contains(fields[name].AllowedValues, value) { // of flagOrText
			return api.Invalidf("%s must be a string, given once", name)
		}
	case framework.TypeStringSlice:
		if !isTexts(value) {
			return api.Invalidf("%s must be a list of strings", name)
		}
	case framework.TypeSlice:
		if !isListOf[map[string]any](value) {
			return api.Invalidf("%s must be a list of maps, as JSON", name)
		}
	case framework.TypeBool:
		text, quoted := value.(string)
		_, err := strconv.ParseBool(text)
		if _, is := value.(bool); !is && (!quoted || err != nil) {
			return api.Invalidf("%s must be true or false", name)
		}
	case framework.TypeDurationSecond:
		data := framework.FieldData{Raw: map[string]any{name: value}, Schema: fields}
		if _, _, err := data.GetOkErr(name); err != nil || !wholeSeconds(value) {
			return api.Invalidf("%s must be a duration: %s", name, durationForms)
		}
	default:
		return fmt.Errorf("the field %s is of a type that is not provided for", name)
	}
	return nil
}

// isTexts reports whether a value is a list of strings. The framework would trim each. One string by itself is what the
// command line makes of a list of one.
func isTexts(value any) bool {
	_, one := value.(string)
	return one || isListOf[string](value)
}

// isListOf reports whether a value is a list of values of one type.
func isListOf[T any](value any) bool {
	items, isList := value.([]any)
	return isList && !slices.ContainsFunc(items, func(item any) bool { _, is := item.(T); return !is })
}

// wholeSeconds reports whether a duration is one that the framework takes without cutting anything off it.
func wholeSeconds(value any) bool {
	switch typed := value.(type) {
	case float64:
		return typed == math.Trunc(typed)
	case string:
		duration, err := time.ParseDuration(typed)
		return typed != "" && (err != nil || duration%time.Second == 0)
	default:
		return false
	}
}

const durationForms = "seconds as a whole number, or text such as 150s or 10m"

// parameters are what a write of a config names. They are an api.Parameters.
type parameters struct {
	*request
	// declared reports whether the config has fields that its path does not know.
	declared bool
}

// Given returns the value that the write names for a field. Null, which only a patch may say, is the default.
func (p parameters) Given(f api.Field) (value api.Value, null, given bool) {
	raw, given := p.data.Raw[f.Name]
	data := framework.FieldData{Raw: p.data.Raw, Schema: map[string]*framework.FieldSchema{f.Name: schemaOf(f)}}
	typed := data.GetDefaultOrZero(f.Name)
	if raw != nil {
		// A value of another type, which Check refuses, is nil.
		typed, _, _ = data.GetOkErr(f.Name)
	}
	switch typed := typed.(type) {
	case string:
		value.Text = secret.Text(typed)
	case int:
		value.Seconds = typed
	case bool:
		value.Flag = typed
	}
	return value, given && raw == nil, given
}

// Check checks what a config with fields of its own is given as HandleRequest checks the rest before.
func (p parameters) Check(fields []api.Field) error {
	if !p.declared {
		return nil
	}
	return checkParameters(p.Request, writable(fields), false)
}
