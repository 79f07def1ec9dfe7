// Package scheme signs calls of APIs that are declared instead of programmed, in such a way that no secret can get out.
//
// A scheme is a YAML document: which secrets an API has, which public fields, what a caller gives with each request, and, as
// expressions, the headers or query parameters of a signed call:
//
//	secrets: {key: {}}
//	request: {body: {pattern: '(?s).*', optional: true}}
//	headers:
//	  X-Time: now.unix()
//	  X-Signature: hex(hmac_sha256(key, now.unix() + "." + body))
//	ttl: 60s
//	examples: …
//
// Expressions have Go's syntax and five types: string, bytes, secret, bool and timestamp. A secret stays one however it is joined or
// encoded, and headers take strings, so the only ways out are hashes and HMACs. Parse proves that, and more: that nothing
// a secret flows into is compared, that a signature is of something fresh or requested, that a caller cannot have derived keys
// computed, and how large each value can get. Nothing that works on a secret can fail, compare, branch or measure.
//
// The steps are those of a config's life:
//
//	s, err := scheme.Parse(text)          // document and types
//	signer, err := s.Signer(values)       // the config's secrets, fields and base URL
//	err = s.CheckHidden(values)           // no secret is in the document, a field or the base URL
//	err = s.CheckExamples()               // signs the document's own examples
//	signed, err := signer.Sign(moment, request)
//
// A moment is an argument, and evaluation is pure: the same moment and request give the same headers. No error quotes a value, except
// those of examples, which are public.
package scheme

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Scheme is a document that was checked and compiled. It is not changed any more, and can be used concurrently.
type Scheme struct {
	// text is the document, and document what a signing needs of it: see whole.
	text     string
	document *document
	// slots is how many values an environment has.
	slots int
	// lets compute the names that outputs and conditions need, each after those that it needs.
	lets       []func(*environment)
	conditions []requirement
	headers    []output
	query      []output
	// uses are the predeclared names in the document.
	uses map[string]bool
	// lints are those of the document; nil if this is not the whole scheme.
	lints []string
	// unit is the smallest one of a clock that grows; 0 for another clock.
	unit time.Duration
	// outdated is what a newer rule refuses in a stored document; nil for none.
	outdated error
}

// requirement is a condition, and the message for requests that do not meet it.
type requirement struct {
	message string
	holds   condition
}

// output is a header or a query parameter.
type output struct {
	name, place string
	value       evaluate
	// ofSecret says that a digest of a secret is in it.
	ofSecret bool
}

// Parse checks and compiles a document. It does not run the examples, because a config's secrets are compared with them first:
// see CheckHidden and CheckExamples. An error names the place in the document and quotes no value.
func Parse(text string) (*Scheme, error) { return parse(text, functions, &newerRules{}) }

// ParseStored compiles a document that an earlier version stored. What only a newer rule refuses is not an error: the scheme signs as
// before, and Outdated says what is wrong. A document that gives a secret or a derived key away is an error here too.
func ParseStored(text string) (*Scheme, error) {
	return parse(text, functions, &newerRules{stored: true})
}

// parse is Parse with other functions than the language's, for tests.
func parse(text string, functions map[string]*function, newer *newerRules) (*Scheme, error) {
	s, err := compile(text, functions, newer)
	if err != nil {
		return nil, err
	}
	// A config is in memory for long, and what it does not sign with can be several times as large as what it signs with.
	d := s.document
	d.lets, d.conditions, d.headers, d.query = nil, nil, nil, nil
	d.examples, d.texts, d.all, d.patterns = nil, nil, nil, nil
	s.lints = nil
	return s, nil
}

// whole is the scheme with all of its document, compiled once more.
func (s *Scheme) whole() (*Scheme, error) {
	return compile(s.text, functions, &newerRules{stored: true})
}

// compile is parse, and keeps all of the document.
func compile(text string, functions map[string]*function, newer *newerRules) (*Scheme, error) {
	d, err := readDocument(text, newer)
	if err != nil {
		return nil, err
	}
	c := newChecker(functions, newer, d.allowExtension)
	c.declare(d)
	s := &Scheme{text: text, document: d, slots: len(c.names)}
	uses := map[string]bool{} // by what is signed
	for _, let := range d.lets {
		if err := c.compileLet(c.names[let.name]); err != nil {
			return nil, err
		}
	}
	for _, source := range d.conditions {
		compiled, used, err := c.compile(source, kindBool)
		if err != nil {
			return nil, err
		}
		s.conditions = append(s.conditions, requirement{source.name, compiled.truth})
		maps.Copy(uses, used)
	}
	if s.headers, err = c.outputs(d.headers, d.allowStatic, uses); err != nil {
		return nil, err
	}
	if s.query, err = c.outputs(d.query, d.allowStatic, uses); err != nil {
		return nil, err
	}
	if err := c.checkKeysApart(); err != nil {
		return nil, err
	}
	d.texts = append(d.texts, c.literals...)
	needed := c.needed(uses)
	for _, declared := range d.secrets {
		if !needed[declared.name] {
			return nil, errorAt("secrets."+declared.name, "is not used in any header or query parameter")
		}
	}
	s.uses = map[string]bool{}
	maps.Copy(s.uses, uses)
	for _, let := range d.lets {
		maps.Copy(s.uses, c.names[let.name].uses)
	}
	for _, let := range c.order {
		if needed[let.name] {
			s.lets = append(s.lets, let.compute)
		}
	}
	if d.growing {
		if s.unit = c.unit; s.unit == 0 {
			return nil, errorAt("growing", "needs now.unix_ms(), now.rfc3339_ms(), or %%3f or %%6f in now.format")
		}
	}
	c.lintAmbiguities()
	s.lints = slices.Concat(c.lints, d.lints())
	if err := d.checkExamples(s); err != nil {
		return nil, err
	}
	s.outdated = newer.broken
	return s, nil
}

// declare gives every name what is known of its values.
func (c *checker) declare(d *document) {
	add := func(text string, known facts, value func(slot int) evaluate) *name {
		added := &name{name: text, slot: len(c.names), operand: operand{facts: known}}
		if value != nil {
			added.text = value(added.slot)
		}
		c.names[text] = added
		return added
	}
	slot := func(slot int) evaluate { return func(e *environment) string { return e.values[slot] } }
	// The slots of secrets, fields and request are in the order of the document: see environment.
	for _, declared := range d.secrets {
		add(declared.name, facts{
			kind: kindSecret, max: maxSecret, min: 1, ofSecret: true, changes: true,
			utf8: declared.encoding == encodingText, direct: []int{c.number(declared.name)},
		}, slot)
	}
	for _, declared := range d.fields {
		add(declared.name, facts{kind: kindString, max: declared.max, min: declared.least(), endsPublic: true}, slot)
	}
	for _, declared := range d.request {
		itself := edge{fields: []*alphabet{newAlphabet(declared)}}
		add(declared.name, facts{
			kind: kindString, max: declared.max, min: declared.least(), requested: declared.hasTwoValues(),
			varies: true, changes: true, endsPublic: true, beginsRequest: true, endsRequest: true, lastRequest: true,
			begin: itself, end: itself,
		}, slot)
	}
	for i := range d.lets {
		add(d.lets[i].name, facts{}, nil).let = &d.lets[i]
	}
	add("now", facts{kind: kindTimestamp, varies: true}, nil)
	changing := facts{kind: kindString, fresh: true, varies: true, changes: true, endsPublic: true, min: 1}
	changing.max = maxUUID
	add("uuid", changing, func(int) evaluate { return func(e *environment) string { return e.uuid } })
	changing.max = maxNonce
	add("nonce", changing, func(int) evaluate { return func(e *environment) string { return e.nonce } })
	add("base_url", facts{kind: kindString, max: maxBase, min: 1, endsPublic: true},
		func(int) evaluate { return func(e *environment) string { return e.baseURL } })
}

// outputs compiles headers or query parameters, and adds the names in them to uses.
func (c *checker) outputs(sources []source, allowStatic bool, uses map[string]bool) ([]output, error) {
	outputs := make([]output, 0, len(sources))
	for _, source := range sources {
		compiled, used, err := c.compile(source, kindString)
		if err != nil {
			return nil, err
		}
		if compiled.stale && !allowStatic {
			// Earlier versions let a request field count that has one value, or can be empty.
			err := c.newer.refuse(errorAt(source.place, "has a digest of a secret that stays the same: put now, uuid or nonce into "+
				"what is hashed, or, for an hmac_, a request field that cannot be empty and has more than one value; or set "+
				"allow_static: true if the API wants it so"))
			if err != nil {
				return nil, err
			}
		}
		outputs = append(outputs, output{source.name, source.place, compiled.text, compiled.ofSecret})
		maps.Copy(uses, used)
	}
	return outputs, nil
}

// needed are names with all that they need in turn.
func (c *checker) needed(uses map[string]bool) map[string]bool {
	needed := map[string]bool{}
	var visit func(map[string]bool)
	visit = func(used map[string]bool) {
		for text := range used {
			if !needed[text] {
				needed[text] = true
				visit(c.names[text].uses)
			}
		}
	}
	visit(uses)
	return needed
}

// least is 0 if the value can be empty, else 1.
func (d declaration) least() int {
	if d.mayBeEmpty() {
		return 0
	}
	return 1
}

// lints are warnings about what Vault's policies cannot hold.
func (d *document) lints() []string {
	var comma, empty, lints []string
	for _, declared := range d.request {
		if declared.pattern.comma && (declared.commas || declared.name != requestString) { // whose own rules refuse commas
			comma = append(comma, declared.name)
		}
		if declared.mayBeEmpty() {
			empty = append(empty, declared.name)
		}
	}
	if comma != nil {
		lints = append(lints, "request: "+strings.Join(comma, ", ")+" can contain a comma, at which Vault splits the values of a policy's "+
			"allowed_parameters, so a policy cannot restrict it to such a value")
	}
	if empty != nil {
		lints = append(lints, "request: "+strings.Join(empty, ", ")+" can be absent or empty, and a policy's allowed_parameters cannot tell "+
			"the two apart")
	}
	return lints
}

// Lints are warnings about a document that is valid. They depend on the document alone.
func (s *Scheme) Lints() []string {
	whole, err := s.whole()
	if err != nil { // it was compiled before
		return []string{err.Error()}
	}
	return whole.lints
}

// Outdated is what is wrong with a document of ParseStored by rules that are newer than the document, or nil. Parse refuses it.
func (s *Scheme) Outdated() error { return s.outdated }

// TTL is how long a signature can be used, in whole seconds.
func (s *Scheme) TTL() time.Duration { return s.document.ttl }

// AllowStatic says whether the document lets a signature be of something that stays the same.
func (s *Scheme) AllowStatic() bool { return s.document.allowStatic }

// AllowExtension says whether the document lets the hash of a secret end in a request field.
func (s *Scheme) AllowExtension() bool { return s.document.allowExtension }

// Unit is by how much a moment must be later than those before it, so that now never gives the same twice: a
// millisecond or a microsecond. It is 0 for a document that does not say growing.
func (s *Scheme) Unit() time.Duration { return s.unit }

// Secrets are the names of the secrets, in the document's order.
func (s *Scheme) Secrets() []string {
	names := make([]string, len(s.document.secrets))
	for i, declared := range s.document.secrets {
		names[i] = declared.name
	}
	return names
}

// Fields are the names of the config's public fields, in the document's order.
func (s *Scheme) Fields() []string { return declaredNames(s.document.fields) }

// Request are the names of what a caller gives with a request, in the document's order. Without any, the scheme serves creds/.
func (s *Scheme) Request() []string { return declaredNames(s.document.request) }

func declaredNames(declared []declaration) []string {
	names := make([]string, len(declared))
	for i := range declared {
		names[i] = declared[i].name
	}
	return names
}

// Default is the value of a field that a config does not give. It says false if the field is required.
func (s *Scheme) Default(field string) (string, bool) {
	for _, declared := range s.document.fields {
		if declared.name == field {
			return declared.fallback, declared.hasFallback || declared.optional
		}
	}
	return "", false
}

// Uses says whether the document has a predeclared name in it: now, uuid, nonce or base_url.
func (s *Scheme) Uses(predeclared string) bool { return s.uses[predeclared] }
