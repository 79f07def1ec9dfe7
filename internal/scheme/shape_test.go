package scheme

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/schemes"
)

const schemaFile = "../../schemes/scheme.schema.json"

// jsonSchema is a JSON Schema, or a part of one.
type jsonSchema struct {
	Schema        string                 `json:"$schema,omitempty"`
	Description   string                 `json:"description,omitempty"`
	Type          any                    `json:"type,omitempty"`
	Enum          []any                  `json:"enum,omitempty"`
	Properties    map[string]*jsonSchema `json:"properties,omitempty"`
	Required      []string               `json:"required,omitempty"`
	PropertyNames *jsonSchema            `json:"propertyNames,omitempty"`
	Pattern       string                 `json:"pattern,omitempty"`
	Additional    any                    `json:"additionalProperties,omitempty"`
	Least         int                    `json:"minProperties,omitempty"`
	Most          int                    `json:"maxProperties,omitempty"`
	Items         *jsonSchema            `json:"items,omitempty"`
	LeastItems    int                    `json:"minItems,omitempty"`
	MostItems     int                    `json:"maxItems,omitempty"`
	AnyOf         []*jsonSchema          `json:"anyOf,omitempty"`
}

func schemaOf(s shape) *jsonSchema {
	schema := &jsonSchema{Description: s.help}
	switch {
	case s.either != nil:
		for _, form := range s.either {
			schema.AnyOf = append(schema.AnyOf, schemaOf(form))
		}
	case s.items != nil:
		schema.Type, schema.Items, schema.LeastItems, schema.MostItems = "array", schemaOf(*s.items), s.least, s.most
	case s.keys != nil || s.each != nil:
		schema.Type, schema.Least, schema.Most = "object", s.least, s.most
		schema.Additional = false
		if s.each != nil {
			schema.Additional = schemaOf(*s.each)
		}
		if s.names != "" {
			schema.PropertyNames = &jsonSchema{Pattern: s.names}
		}
		schema.Properties = map[string]*jsonSchema{}
		for _, name := range s.oneRequired {
			schema.AnyOf = append(schema.AnyOf, &jsonSchema{Required: []string{name}})
		}
		for _, k := range s.keys {
			schema.Properties[k.name] = schemaOf(k.shape)
			if k.required {
				schema.Required = append(schema.Required, k.name)
			}
		}
	case s.oneOf != nil:
		for _, text := range s.oneOf {
			if slices.Contains(flagTexts, text) {
				schema.Enum = append(schema.Enum, text == "true")
			}
			schema.Enum = append(schema.Enum, text)
		}
	default:
		schema.Type = []string{"string", "number", "boolean"} // YAML's; every value is read as its text
	}
	return schema
}

// The JSON Schema for editors is made of the parser's declarations. To write it again:
//
//	go test ./internal/scheme -run TestJSONSchema -update
func TestJSONSchema(t *testing.T) {
	t.Parallel()
	schema := schemaOf(documentShape)
	schema.Schema = "http://json-schema.org/draft-07/schema#"
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	require.NoError(t, encoder.Encode(schema))
	if *update {
		require.NoError(t, os.WriteFile(schemaFile, want.Bytes(), 0o600))
		return
	}
	content, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	require.Equal(t, want.String(), string(content), "it does not match the code; run this test with -update")
}

// fault says where a document is not as the schema has it; "" for nowhere.
func (j *jsonSchema) fault(node *yaml.Node, place string) string {
	var value any
	if err := node.Decode(&value); err != nil {
		return place + ": " + err.Error()
	}
	if j.Enum != nil && !slices.Contains(j.Enum, value) {
		return place + ": is none of those"
	}
	if j.AnyOf != nil && !slices.ContainsFunc(j.AnyOf, func(form *jsonSchema) bool {
		return form.fault(node, place) == ""
	}) {
		return place + ": has none of the forms"
	}
	if j.Type == nil && j.Required == nil {
		return ""
	}
	switch node.Kind {
	case yaml.ScalarNode:
		if j.Type == "object" || j.Type == "array" {
			return place + ": a text"
		}
	case yaml.SequenceNode:
		if j.Type != "array" || len(node.Content) < j.LeastItems || len(node.Content) > j.MostItems {
			return place + ": a list, or of a wrong size"
		}
		for i, item := range node.Content {
			if fault := j.Items.fault(item, fmt.Sprintf("%s[%d]", place, i)); fault != "" {
				return fault
			}
		}
	default:
		return j.mappingFault(node, place)
	}
	return ""
}

func (j *jsonSchema) mappingFault(node *yaml.Node, place string) string {
	count := len(node.Content) / 2
	if j.Type != nil && j.Type != "object" || count < j.Least || (j.Most > 0 && count > j.Most) {
		return place + ": a mapping, or of a wrong size"
	}
	given := map[string]bool{}
	for i := 0; i < len(node.Content); i += 2 {
		name, value := node.Content[i].Value, node.Content[i+1]
		given[name] = true
		part := j.Properties[name]
		if part == nil {
			part, _ = j.Additional.(*jsonSchema)
		}
		if j.Type == nil { // it says nothing of other keys
			continue
		}
		if part == nil || (j.PropertyNames != nil && !regexp.MustCompile(j.PropertyNames.Pattern).MatchString(name)) {
			return place + ": unknown key " + name
		}
		if fault := part.fault(value, place+"."+name); fault != "" {
			return fault
		}
	}
	for _, name := range j.Required {
		if !given[name] {
			return place + ": no " + name
		}
	}
	return ""
}

// What the parser takes the schema takes, and the schema refuses what an author mistypes. The expectations are not made
// of the declarations.
func TestJSONSchemaFitsDocuments(t *testing.T) {
	t.Parallel()
	schema := schemaOf(documentShape)
	fault := func(text string) string {
		var document yaml.Node
		require.NoError(t, yaml.Unmarshal([]byte(text), &document))
		return schema.fault(document.Content[0], "")
	}
	for _, name := range schemes.Names() {
		require.Empty(t, fault(schemes.Text(name)), name)
	}
	const good = `{"secrets": {"key": {"encoding": "text"}}, "fields": {"host": {"address": true}},
"request": {"request_string": {"commas": "true"}, "body": {"pattern": "a*", "max": 5, "optional": true}},
"let": {"a": "now.unix()"}, "require": {"a message": "host == base_url"},
"headers": {"X-A": "hex(hmac_sha256(key, a))"}, "query": {"a.b": "body"}, "values": {"v": "host"},
"ttl": 60, "base_url": "https://a.example", "allow_static": true, "allow_extension": false, "growing": "false",
"examples": [{"name": "a", "secrets": {"key": 5}, "fields": {"host": "https://b.example"},
"request": {"request_string": "/"}, "base_url": "https://a.example", "now": "2026-01-02T03:04:05Z",
"want": {"X-A": true}}]}`
	require.Empty(t, fault(good))
	_, err := Parse(good)
	require.NoError(t, err)
	const goodLogin = `{"secrets": {"key": {}}, "fields": {"host": {"address": true}},
"login": {"address": "host", "method": "GET", "path": "\"/\"", "query": {"q": "key"}, "headers": {"X-A": "base64(key)"},
"answer": {"token": {"pointer": "/t", "max": 9}, "sid": {"cookie": "sid"}, "all": {"body": true}},
"expect": {"h": {"pointer": "/h", "is": "base_url"}}, "refused": {"pointer": "/ok", "is": false},
"life": [{"jwt": "token"}, {"pointer": "/life", "as": "ms"}], "ttl": 60, "max": "2h", "exclusive": true},
"headers": {"X-A": "token"}, "examples": [{"secrets": {"key": 5}, "fields": {"host": "https://b.example"},
"base_url": "https://a.example", "login": {"want": {"path": "/", "query": "q=5", "headers": {"X-A": "NQ=="}},
"answer": {"headers": {"A": "b"}, "body": "{}"}, "gives": {"token": "t", "sid": "s", "all": "a"}, "life": 60},
"want": {"X-A": "t"}}]}`
	require.Empty(t, fault(goodLogin))
	_, err = Parse(goodLogin)
	require.NoError(t, err)
	require.Empty(t, fault(strings.Replace(goodLogin, `[{"jwt": "token"}, {"pointer": "/life", "as": "ms"}]`,
		`{"jwt": "token"}`, 1)))
	require.Empty(t, fault(strings.Replace(goodLogin, `{"headers": {"A": "b"}, "body": "{}"}`, `"t"`, 1)))
	for name, change := range map[string][2]string{
		"a key of a login": {`"exclusive"`, `"shared"`},
		"a method":         {`"GET"`, `"PUT"`},
		"no path":          {`"path": "\"/\"", `, ``},
		"no answer": {
			`{"token": {"pointer": "/t", "max": 9}, "sid": {"cookie": "sid"}, "all": {"body": true}}`, `{}`,
		},
		"no ttl of a login":        {`"ttl": 60, `, ``},
		"a way":                    {`{"cookie": "sid"}`, `{"cookies": "sid"}`},
		"an expectation":           {`, "is": "base_url"`, ``},
		"a refusal":                {`{"pointer": "/ok", "is": false}`, `{"is": false}`},
		"a unit's name":            {`"as": "ms"`, `"unit": "ms"`},
		"a life that is a text":    {`[{"jwt": "token"}, {"pointer": "/life", "as": "ms"}]`, `"/life"`},
		"a name of the answer":     {`"sid": {"cookie"`, `"Sid": {"cookie"`},
		"a part that is wanted":    {`"query": "q=5"`, `"form": []`},
		"a key of an answer":       {`"headers": {"A": "b"}`, `"header": {"A": "b"}`},
		"an answer that is a list": {`{"headers": {"A": "b"}, "body": "{}"}`, `[]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, goodLogin, change[0])
			text := strings.Replace(goodLogin, change[0], change[1], 1)
			require.NotEmpty(t, fault(text))
			_, err := Parse(text)
			require.Error(t, err)
		})
	}
	for name, change := range map[string][2]string{
		"an unknown key":         {`"growing"`, `"grows"`},
		"a key of a secret":      {`"encoding": "text"`, `"coding": "text"`},
		"no ttl":                 {`"ttl": 60, `, ``},
		"no secret":              {`{"key": {"encoding": "text"}}`, `{}`},
		"an encoding":            {`"encoding": "text"`, `"encoding": "base32"`},
		"a kind of key":          {`"encoding": "text"`, `"key": "dsa"`},
		"a name":                 {`"host": {`, `"Host": {`},
		"a header":               {`"X-A": "hex`, `"X A": "hex`},
		"a query parameter":      {`"a.b"`, `"a b"`},
		"commas of another":      {`"pattern": "a*"`, `"commas": true`},
		"an address of a call":   {`"pattern": "a*"`, `"address": true`},
		"a default of a call":    {`"pattern": "a*"`, `"default": "a"`},
		"a secret as text":       {`{"encoding": "text"}`, `"text"`},
		"a flag":                 {`"growing": "false"`, `"growing": "no"`},
		"no want":                {",\n" + `"want": {"X-A": true}`, ``},
		"a key of an example":    {`"name": "a", `, `"title": "a", `},
		"a text for a list":      {`"examples": [`, `"examples": {}, "let": [`},
		"an expression of lists": {`"let": {"a": "now.unix()"}`, `"let": {"a": ["now"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, good, change[0])
			text := strings.Replace(good, change[0], change[1], 1)
			require.NotEmpty(t, fault(text))
			_, err := Parse(text)
			require.Error(t, err)
		})
	}
}
