package scheme

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Limits of a document.
const (
	maxNames    = 64 // secrets, fields, request and let together
	maxHeaders  = 32 // and as many query parameters
	maxExamples = 16
	maxRequire  = 32
	maxMessage  = 256       // bytes of a message of require
	maxSum      = 256 << 10 // of the max of all request fields together, in new documents
)

// document is what a scheme's YAML says, with its expressions as text.
type document struct {
	secrets         []secretDeclaration
	fields, request []declaration
	lets            []source
	conditions      []source // their names are messages
	headers, query  []source
	ttl             time.Duration
	allowStatic     bool
	allowExtension  bool
	growing         bool
	examples        []example
	// texts are the document, its scalars and its keys: where no secret may occur.
	texts []string
	// all are the declared names.
	all map[string]bool
	// instructions are those of all patterns so far.
	instructions int
	// patterns are the different ones so far.
	patterns map[*pattern]bool
	newer    *newerRules
}

// source is an expression as text, with its name.
type source struct {
	name, place, text string
}

// sections are the keys of a document.
var sections = []string{
	"secrets", "fields", "request", "let", "require", "headers", "query", "ttl", "allow_static", "allow_extension",
	"growing", "examples",
}

// readDocument reads the YAML and holds it against every rule that does not concern types.
func readDocument(text string, newer *newerRules) (*document, error) {
	root, err := parseYAML(text)
	if err != nil {
		return nil, err
	}
	d := &document{
		newer: newer, all: map[string]bool{}, patterns: map[*pattern]bool{}, texts: append([]string{text}, scalars(root)...),
	}
	found, err := pairs(root, "scheme", sections...)
	if err != nil {
		return nil, err
	}
	nodes := make(map[string]*yaml.Node, len(found))
	for _, section := range found {
		nodes[section.key] = section.value
	}
	readers := []struct {
		section string
		read    func(*yaml.Node) error
	}{
		{"secrets", d.readSecrets},
		{"fields", func(node *yaml.Node) (err error) { d.fields, err = d.declarations(node, "fields"); return err }},
		{"request", func(node *yaml.Node) (err error) { d.request, err = d.declarations(node, "request"); return err }},
		{"let", d.readLets},
		{"require", d.readConditions},
		{"headers", func(node *yaml.Node) (err error) {
			d.headers, err = d.outputs(node, "headers", headerFault)
			return err
		}},
		{"query", func(node *yaml.Node) (err error) { d.query, err = d.outputs(node, "query", queryFault); return err }},
		{"ttl", d.readTTL},
		{"allow_static", func(node *yaml.Node) (err error) { d.allowStatic, err = boolean(node, "allow_static"); return err }},
		{"allow_extension", func(node *yaml.Node) (err error) {
			d.allowExtension, err = boolean(node, "allow_extension")
			return err
		}},
		{"growing", func(node *yaml.Node) (err error) { d.growing, err = boolean(node, "growing"); return err }},
		{"examples", d.readExamples},
	}
	for _, reader := range readers {
		if nodes[reader.section] == nil {
			continue
		}
		if err := reader.read(nodes[reader.section]); err != nil {
			return nil, err
		}
	}
	return d, d.checkComplete()
}

// checkOutputNames refuses a query parameter with the name of a header, because an example's want names both in one map.
func (d *document) checkOutputNames() error {
	for _, parameter := range d.query {
		if slices.ContainsFunc(d.headers, func(header source) bool { return header.name == parameter.name }) {
			return errorAt(parameter.place, "is the name of a header too")
		}
	}
	return nil
}

func (d *document) checkComplete() error {
	steps, sum := 0, 0
	for _, declared := range slices.Concat(d.fields, d.request) {
		steps += declared.pattern.instructions * declared.max
	}
	for _, declared := range d.request {
		sum += declared.max
	}
	slow := errorAt("scheme", "its patterns would take too long to match values as long as their max; declare simpler "+
		"patterns, or a smaller max")
	switch {
	case len(d.secrets) == 0:
		return errorAt("secrets", "declare at least one secret")
	case len(d.headers)+len(d.query) == 0:
		return errorAt("headers", "declare at least one header or query parameter")
	case d.ttl == 0:
		return errorAt("ttl", "is required: how long the result can be used, such as 60s")
	case len(d.examples) == 0:
		return errorAt("examples", "give at least one example: the engine signs it and compares the result")
	case steps > maxSteps:
		return slow
	}
	if steps > maxNewSteps {
		if err := d.newer.refuse(slow); err != nil {
			return err
		}
	}
	if sum > maxSum {
		err := d.newer.refuse(errorAt("request", "its fields can have more than 262,144 bytes together; declare a smaller "+
			"max"))
		if err != nil {
			return err
		}
	}
	return d.checkOutputNames()
}

// declare accepts a name, once in a document.
func (d *document) declare(p pair, section string) error {
	if fault := nameFault(p.key, section); fault != "" {
		return errorAt(section+", "+p.place(), "%s", fault)
	}
	if d.all[p.key] {
		return errorAt(section+"."+p.key, "this name is declared twice; secrets, fields, request and let share their names")
	}
	if slices.Contains(newerParameters, p.key) {
		if err := d.newer.refuse(errorAt(section+", "+p.place(), "%s", parameterFault)); err != nil {
			return err
		}
	}
	d.all[p.key] = true
	if len(d.all) > maxNames {
		return errorAt("scheme", "declares more than %d names", maxNames)
	}
	return nil
}

func (d *document) readSecrets(node *yaml.Node) error {
	found, err := pairs(node, "secrets")
	if err != nil {
		return err
	}
	for _, p := range found {
		if err := d.declare(p, "secrets"); err != nil {
			return err
		}
		place := "secrets." + p.key
		options, err := texts(p.value, place, "encoding")
		if err != nil {
			return err
		}
		declared := secretDeclaration{name: p.key, encoding: encodingText}
		if chosen, given := options["encoding"]; given {
			if declared.encoding = encoding(chosen); !declared.encoding.known() {
				return errorAt(place+".encoding", "must be text, base64 or hex")
			}
		}
		d.secrets = append(d.secrets, declared)
	}
	return nil
}

// declarations reads the section fields or request.
func (d *document) declarations(node *yaml.Node, section string) ([]declaration, error) {
	found, err := pairs(node, section)
	if err != nil {
		return nil, err
	}
	declared := make([]declaration, 0, len(found))
	for _, p := range found {
		if err := d.declare(p, section); err != nil {
			return nil, err
		}
		one, err := readDeclaration(p, section)
		if err != nil {
			return nil, err
		}
		if d.instructions += one.pattern.instructions; d.instructions > maxSchemeInstructions {
			return nil, errorAt(section+"."+p.key+".pattern", "the patterns so far are too large together: more than 16,000 instructions")
		}
		if err := d.checkPattern(one.pattern, section+"."+p.key+".pattern"); err != nil {
			return nil, err
		}
		declared = append(declared, one)
	}
	return declared, nil
}

// checkPattern holds a pattern against the newer rules.
func (d *document) checkPattern(p *pattern, place string) error {
	if p.anchored {
		err := d.newer.refuse(errorAt(place, `has ^, \A, $ or \z; leave it out, because a pattern matches the whole value`))
		if err != nil {
			return err
		}
	}
	d.patterns[p] = true
	instructions, runes := 0, 0
	for different := range d.patterns {
		instructions, runes = instructions+different.instructions, runes+different.runes
	}
	if instructions <= maxNewInstructions && runes <= maxNewRunes {
		return nil
	}
	return d.newer.refuse(errorAt(place, "the patterns so far are too large together: more than 1,000 instructions, or "+
		"8,192 characters and ends of ranges (a class such as \\pL has more than a thousand); use max for the length of a "+
		"value, and the same pattern for fields alike"))
}

func (d *document) readLets(node *yaml.Node) error {
	found, err := pairs(node, "let")
	if err != nil {
		return err
	}
	for _, p := range found {
		if err := d.declare(p, "let"); err != nil {
			return err
		}
		expression, err := readSource(p, "let."+p.key)
		if err != nil {
			return err
		}
		d.lets = append(d.lets, expression)
	}
	return nil
}

func (d *document) readConditions(node *yaml.Node) error {
	found, err := pairs(node, "require")
	if err != nil {
		return err
	}
	if len(found) > maxRequire {
		return errorAt("require", "has more than %d", maxRequire)
	}
	for i, p := range found {
		if p.key == "" || len(p.key) > maxMessage || !printable(p.key) {
			return errorAt("require, "+p.place(), "a message is printable ASCII of at most %d bytes", maxMessage)
		}
		condition, err := readSource(p, fmt.Sprintf("require[%d]", i))
		if err != nil {
			return err
		}
		d.conditions = append(d.conditions, condition)
	}
	return nil
}

// outputs reads the section headers or query.
func (d *document) outputs(node *yaml.Node, section string, nameFault func(string) string) ([]source, error) {
	found, err := pairs(node, section)
	if err != nil {
		return nil, err
	}
	if len(found) > maxHeaders {
		return nil, errorAt(section, "has more than %d", maxHeaders)
	}
	seen := map[string]bool{}
	outputs := make([]source, 0, len(found))
	for _, p := range found {
		if fault := nameFault(p.key); fault != "" {
			return nil, errorAt(section+", "+p.place(), "%s", fault)
		}
		if seen[strings.ToLower(p.key)] {
			return nil, errorAt(section+"."+p.key, "is there twice, in letters of another case")
		}
		seen[strings.ToLower(p.key)] = true
		output, err := readSource(p, section+"."+p.key)
		if err != nil {
			return nil, err
		}
		outputs = append(outputs, output)
	}
	return outputs, nil
}

func readSource(p pair, place string) (source, error) {
	text, err := scalar(p.value, place)
	return source{p.key, place, text}, err
}

func (d *document) readTTL(node *yaml.Node) error {
	text, err := scalar(node, "ttl")
	if err != nil {
		return err
	}
	if _, err := strconv.ParseUint(text, 10, 32); err == nil {
		text += "s" // as in Vault, a number without a unit means seconds
	}
	ttl, err := time.ParseDuration(text)
	if err != nil || ttl < time.Second || ttl > 24*time.Hour || ttl%time.Second != 0 {
		return errorAt("ttl", "must be a duration in whole seconds from 1s to 24h, such as 60s, 5m or 60")
	}
	d.ttl = ttl
	return nil
}

// printable says whether a text is printable ASCII, spaces included.
func printable(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// atMost reads the option max of a declaration.
func atMost(text, place string, limit int) (int, error) {
	value, err := strconv.Atoi(text)
	if err != nil || value < 1 || value > limit {
		return 0, errorAt(place, "must be a whole number from 1 to %d", limit)
	}
	return value, nil
}
