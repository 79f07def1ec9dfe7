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
	secrets         []secretField
	fields, request []field
	lets            []source
	conditions      []source // their names are messages
	headers, query  []source
	values          []source
	baseURL         string // the default of the config's; "" for none
	ttl             time.Duration
	allowStatic     bool
	allowExtension  bool
	allowSharedKey  bool
	growing         bool
	login           *login
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

// readDocument reads the YAML and holds it against every rule that does not concern types.
func readDocument(text string, newer *newerRules) *document {
	root := parseYAML(text)
	sections := map[string]*yaml.Node{}
	for _, section := range pairs(root, "scheme", documentShape.keyNames()...) {
		sections[section.key] = section.value
	}
	d := &document{
		texts:    append([]string{text}, scalars(root)...),
		all:      map[string]bool{},
		patterns: map[*pattern]bool{},
		newer:    newer,
	}
	d.readSecrets(sections["secrets"])
	d.fields = d.readFields(sections["fields"], "fields")
	d.request = d.readFields(sections["request"], "request")
	d.readLogin(sections["login"])
	for _, p := range pairs(sections["let"], "let") {
		d.declare(p, "let")
		d.lets = append(d.lets, readSource(p, "let."+p.key))
	}
	d.readConditions(sections["require"])
	d.headers = readOutputs(sections["headers"], "headers", headerFault)
	d.query = readOutputs(sections["query"], "query", queryFault)
	d.values = readOutputs(sections["values"], "values", valueFault)
	d.readBaseURL(sections["base_url"])
	d.ttl = readDuration(sections["ttl"], "ttl", 24*time.Hour)
	flag := func(name string) bool { return sections[name] != nil && boolean(sections[name].Value, name) }
	d.allowStatic, d.allowExtension, d.growing = flag("allow_static"), flag("allow_extension"), flag("growing")
	d.allowSharedKey = flag("allow_shared_key")
	d.readExamples(sections["examples"])
	d.checkComplete()
	return d
}

func (d *document) checkComplete() {
	steps, sum := 0, 0
	for _, f := range slices.Concat(d.fields, d.request) {
		steps += f.pattern.instructions * f.max
	}
	for _, f := range d.request {
		sum += f.max
	}
	slow := refuseAt("scheme", "its patterns would take too long to match values as long as their max; declare simpler "+
		"patterns, or a smaller max")
	switch {
	case len(d.secrets) == 0:
		panic(refuseAt("secrets", "declare at least one secret"))
	case len(d.headers)+len(d.query) == 0:
		panic(refuseAt("headers", "declare at least one header or query parameter"))
	case d.ttl == 0 && d.login == nil:
		panic(refuseAt("ttl", "is required: how long the result can be used, such as 60s"))
	case len(d.examples) == 0:
		panic(refuseAt("examples", "give at least one example: the engine signs it and compares the result"))
	case steps > maxSteps:
		panic(slow)
	}
	if steps > maxNewSteps {
		d.newer.refuse(slow)
	}
	if sum > maxSum {
		d.newer.refuse(refuseAt("request", "its fields can have more than 262,144 bytes together; declare a smaller max"))
	}
	for _, parameter := range slices.Concat(d.query, d.values) { // an example's want names all of them in one map
		if slices.ContainsFunc(d.headers, func(header source) bool { return header.name == parameter.name }) {
			panic(refuseAt(parameter.place, "is the name of a header too"))
		}
	}
	for _, value := range d.values {
		if slices.ContainsFunc(d.query, func(parameter source) bool { return parameter.name == value.name }) {
			panic(refuseAt(value.place, "is the name of a query parameter too"))
		}
	}
}

// readBaseURL reads the default of the config's base_url.
func (d *document) readBaseURL(node *yaml.Node) {
	if node == nil {
		return
	}
	text := scalar(node, "base_url")
	if err := checkBaseURL(text); err != nil {
		panic(refuseAt("base_url", "%s", err))
	}
	d.baseURL = cleanAddress(text)
}

// declare accepts a name, once in a document.
func (d *document) declare(p pair, section string) {
	if fault := nameFault(p.key, section); fault != "" {
		panic(refuseAt(section+", "+p.line, "%s", fault))
	}
	if d.all[p.key] {
		panic(refuseAt(section+"."+p.key, "this name is declared twice; secrets, fields, request, let and login.answer "+
			"share their names"))
	}
	if slices.Contains(newerParameters, p.key) {
		d.newer.refuse(refuseAt(section+", "+p.line, "%s", parameterFault))
	}
	if section == "fields" && slices.Contains(newerAnswers, p.key) {
		d.newer.refuse(refuseAt(section+", "+p.line, "%s", answerFault))
	}
	d.all[p.key] = true
	if len(d.all) > maxNames {
		panic(refuseAt("scheme", "declares more than %d names", maxNames))
	}
}

func (d *document) readSecrets(node *yaml.Node) {
	for _, p := range pairs(node, "secrets") {
		d.declare(p, "secrets")
		place := "secrets." + p.key
		read := secretField{name: p.key, encoding: encodingText}
		options := texts(p.value, place, secretShape.keyNames()...)
		chosen, encoded := options["encoding"]
		if encoded {
			read.encoding = encoding(chosen)
		}
		if kind, given := options["key"]; given {
			read.key = keyKind(kind)
			if !slices.Contains(keyKinds, read.key) {
				panic(refuseAt(place+".key", "must be rsa, p256, p384 or ed25519"))
			}
			if encoded {
				panic(refuseAt(place, "has a key, so it cannot have an encoding"))
			}
		}
		if !slices.Contains(encodings, string(read.encoding)) {
			panic(refuseAt(place+".encoding", "must be text, base64 or hex"))
		}
		d.secrets = append(d.secrets, read)
	}
}

// readFields reads the section fields or request.
func (d *document) readFields(node *yaml.Node, section string) []field {
	var read []field
	for _, p := range pairs(node, section) {
		d.declare(p, section)
		f := readField(p, section)
		place := section + "." + p.key + ".pattern"
		if d.instructions += f.pattern.instructions; d.instructions > maxSchemeInstructions {
			panic(refuseAt(place, "the patterns so far are too large together: more than 16,000 instructions"))
		}
		d.checkPattern(f.pattern, place)
		read = append(read, f)
	}
	return read
}

// checkPattern holds a pattern against the newer rules.
func (d *document) checkPattern(p *pattern, place string) {
	if p.anchored {
		d.newer.refuse(refuseAt(place, `has ^, \A, $ or \z; leave it out, because a pattern matches the whole value`))
	}
	d.patterns[p] = true
	instructions, runes := 0, 0
	for different := range d.patterns {
		instructions, runes = instructions+different.instructions, runes+different.runes
	}
	if instructions > maxNewInstructions || runes > maxNewRunes {
		d.newer.refuse(refuseAt(place, "the patterns so far are too large together: more than 1,000 instructions, or "+
			"8,192 characters and ends of ranges (a class such as \\pL has more than a thousand); use max for the length of a "+
			"value, and the same pattern for fields alike"))
	}
}

func (d *document) readConditions(node *yaml.Node) {
	found := pairs(node, "require")
	if len(found) > maxRequire {
		panic(refuseAt("require", "has more than %d", maxRequire))
	}
	for i, p := range found {
		if p.key == "" || len(p.key) > maxMessage || !printable(p.key) {
			panic(refuseAt("require, "+p.line, "a message is printable ASCII of at most %d bytes", maxMessage))
		}
		d.conditions = append(d.conditions, readSource(p, fmt.Sprintf("require[%d]", i)))
	}
}

// readOutputs reads the section headers or query.
func readOutputs(node *yaml.Node, section string, nameFault func(string) string) []source {
	found := pairs(node, section)
	if len(found) > maxHeaders {
		panic(refuseAt(section, "has more than %d", maxHeaders))
	}
	seen := map[string]bool{}
	var outputs []source
	for _, p := range found {
		if fault := nameFault(p.key); fault != "" {
			panic(refuseAt(section+", "+p.line, "%s", fault))
		}
		lower := strings.ToLower(p.key)
		if seen[lower] {
			panic(refuseAt(section+"."+p.key, "is there twice, in letters of another case"))
		}
		seen[lower] = true
		outputs = append(outputs, readSource(p, section+"."+p.key))
	}
	return outputs
}

func readSource(p pair, place string) source { return source{p.key, place, scalar(p.value, place)} }

// readDuration reads a duration; 0 if there is none.
func readDuration(node *yaml.Node, place string, most time.Duration) time.Duration {
	if node == nil {
		return 0
	}
	text := scalar(node, place)
	if _, err := strconv.ParseUint(text, 10, 32); err == nil {
		text += "s" // as in Vault, a number without a unit means seconds
	}
	read, err := time.ParseDuration(text)
	if err != nil || read < time.Second || read > most || read%time.Second != 0 {
		panic(refuseAt(place, "must be a duration in whole seconds from 1s to %dh, such as 60s, 5m or 60", int(most.Hours())))
	}
	return read
}

// printable reports whether a text is printable ASCII, spaces included.
func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}
