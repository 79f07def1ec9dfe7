// Package scheme signs calls of APIs that are declared instead of programmed, so that no secret can get out.
//
// A scheme is a YAML document: which secrets an API has, which public fields, what a caller gives with each request,
// and, as expressions, the headers or query parameters of a signed call:
//
//	secrets: {key: {}}
//	request: {body: {pattern: '(?s).*', optional: true}}
//	headers:
//	  X-Time: now.unix()
//	  X-Signature: hex(hmac_sha256(key, now.unix() + "." + body))
//	ttl: 60s
//	examples: …
//
// Expressions have Go's syntax and five types: string, bytes, secret, bool and timestamp. A secret stays one however it
// is joined or encoded, and headers take strings, so the only ways out are hashes and HMACs. Parse makes sure of that,
// and of more: nothing that a secret flows into is compared, a signature is of something fresh or requested, a caller
// cannot have derived keys computed, and every value has a largest size. Nothing that works on a secret can fail,
// compare, branch or measure.
//
// The steps are those of a config's life:
//
//	s, err := scheme.Parse(text)          // document and types
//	signer, err := s.Signer(values)       // the config's secrets, fields and base URL
//	err = s.CheckHidden(values)           // no secret is in the document, a field or the base URL
//	err = s.CheckExamples()               // signs the document's own examples
//	warnings := s.Warnings(values)        // what is probably a mistake in them
//	signed, err := signer.Sign(moment, request)
//
// A moment is an argument, and evaluation is pure: the same moment and request give the same headers. No error quotes a
// value, except those of examples, which are public.
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
	lets []func(*environment)
	// conditions have the message for requests that do not meet them as their name.
	conditions, headers, query, values []output
	// body is the body, whose Content-Type is among the headers; nil if the document declares none.
	body *output
	// login is that of the document; nil for none.
	login *loginRequest
	// pathLets compute the names that the path of the login needs.
	pathLets []func(*environment)
	// checked is what compiled it; nil if this is not the whole scheme.
	checked *checker
	// uses are the names in the document.
	uses map[string]bool
	// perCall is what PerCall returns.
	perCall []string
	// lints are those of the document; nil if this is not the whole scheme.
	lints []string
	// unit is the smallest step of a clock that grows; 0 if the document does not say growing.
	unit time.Duration
	// keyOperations is how often a signing uses a private key, and rsaOperations how often one of RSA.
	keyOperations, rsaOperations int
	// outdated is what a newer rule refuses in a stored document; nil for none.
	outdated error
}

// output is a header, a query parameter, a value, a body or a condition.
type output struct {
	name, place string
	value       evaluate
	// ofSecret says that a digest of a secret is in it.
	ofSecret bool
	// uses are the names in the expression; nil if this is not of a whole scheme.
	uses map[string]bool
	// max is the size of the largest value of a login's output as it is sent, and isSecret reports whether a secret is in
	// it that was not hashed.
	max      int
	isSecret bool
	// given says that what a login gives is in it, and digest that a digest or a signature is.
	given, digest bool
	// momentary says of a condition that now, uuid or nonce is in it.
	momentary bool
}

// outputs are the headers, query parameters, values and body.
func (s *Scheme) outputs() []output {
	outputs := slices.Concat(s.headers, s.query, s.values)
	if s.body != nil {
		outputs = append(outputs, *s.body)
	}
	return outputs
}

// Parse checks and compiles a document. It does not run the examples, because a config's secrets are compared with them
// first: see CheckHidden and CheckExamples. An error names the place in the document and quotes no value.
func Parse(text string) (*Scheme, error) { return parse(text, functions, &newerRules{}) }

// ParseStored compiles a document that an earlier version stored. What only a newer rule refuses is not an error: the
// scheme signs as before, and Outdated says what is wrong. A document that gives a secret or a derived key away is an
// error here too.
func ParseStored(text string) (*Scheme, error) {
	return parse(text, functions, &newerRules{stored: true})
}

// parse is Parse with other functions than the language's, for tests.
func parse(text string, functions map[string]*function, newer *newerRules) (*Scheme, error) {
	s, err := compile(text, functions, newer)
	if err != nil {
		return nil, err
	}
	// A config stays in memory, and what signing does not need can be several times as large as what it needs.
	d := s.document
	s.lints, s.checked = nil, nil
	for _, outputs := range [][]output{s.conditions, s.headers, s.query, s.values} {
		for i := range outputs {
			outputs[i].uses = nil
		}
	}
	if s.body != nil {
		s.body.uses = nil
	}
	s.document = &document{
		baseURL:        d.baseURL,
		secrets:        d.secrets,
		fields:         d.fields,
		request:        d.request,
		ttl:            d.ttl,
		allowStatic:    d.allowStatic,
		allowExtension: d.allowExtension,
		allowSharedKey: d.allowSharedKey,
	}
	if s.login != nil {
		s.login.forget()
	}
	return s, nil
}

// whole is the scheme with all of its document, compiled once more.
func (s *Scheme) whole() (*Scheme, error) {
	return compile(s.text, functions, &newerRules{stored: true})
}

// compile is parse, and keeps all of the document.
func compile(text string, functions map[string]*function, newer *newerRules) (_ *Scheme, err error) {
	defer caught(&err)
	d := readDocument(text, newer)
	c := newChecker(d, functions)
	s := &Scheme{text: text, document: d, slots: len(c.names), checked: c}
	for _, let := range d.lets {
		c.compileLet(c.names[let.name])
	}
	uses := map[string]bool{} // by what is signed
	s.conditions = c.outputs(d.conditions, kindBool, uses)
	for i, condition := range s.conditions {
		own := maps.Clone(condition.uses)
		c.addUses(own)
		s.conditions[i].momentary = own["now"] || own["uuid"] || own[nonceName]
	}
	s.headers = c.outputs(d.headers, kindString, uses)
	s.query = c.outputs(d.query, kindString, uses)
	s.values = c.outputs(d.values, kindString, uses)
	if d.body != nil {
		body, header := c.body(d.body, uses)
		s.body, s.headers = &body, append(s.headers, header)
	}
	logsIn := map[string]bool{}
	s.login = c.compileLogin(d, logsIn)
	c.keys.checkApart(newer)
	d.texts = append(d.texts, c.literals...)
	s.uses = maps.Clone(uses)
	maps.Copy(s.uses, logsIn)
	for _, let := range c.lets {
		maps.Copy(s.uses, let.uses)
	}
	c.addUses(uses)
	s.perCall = c.freeUUIDs(s, d)
	for _, f := range d.secrets {
		if !uses[f.name] && !logsIn[f.name] {
			panic(refuseAt("secrets."+f.name, "is not used in any header, query parameter, value or body, or in the login"))
		}
	}
	if s.login != nil {
		s.checkTTL(uses)
		if !d.allowSharedKey {
			c.checkSharedKeys(logsIn, uses)
		}
		s.pathLets = c.letsOf(s.login.path.uses)
	}
	s.lets = c.letsOf(uses)
	if d.growing {
		if s.unit = c.unit; s.unit == 0 {
			panic(refuseAt("growing", "needs now.unix_ms(), now.rfc3339_ms(), or %%3f or %%6f in now.format"))
		}
	}
	for _, operation := range c.keyOperations {
		if inLogin(operation.place, logsIn, uses) {
			continue
		}
		s.keyOperations++
		if operation.rsa {
			s.rsaOperations++
		}
	}
	s.lints = slices.Concat(c.lints, c.ambiguities, d.lints())
	if s.login != nil {
		s.lints = slices.DeleteFunc(s.lints, func(lint string) bool {
			place, _, _ := strings.Cut(lint, ": ")
			return inLogin(place, logsIn, uses) // which the vendor alone reads, and no caller chooses
		})
	}
	s.checkExamples()
	s.outdated = newer.broken
	return s, nil
}

// inLogin reports whether an expression is of the login alone. logsIn and signs are the names that the login and the
// outputs use.
func inLogin(place string, logsIn, signs map[string]bool) bool {
	let, isLet := strings.CutPrefix(place, "let.")
	return strings.HasPrefix(place, "login.") || isLet && logsIn[let] && !signs[let]
}

// letsOf compute the lets among some names, each after those that it needs.
func (c *checker) letsOf(names map[string]bool) []func(*environment) {
	var lets []func(*environment)
	for _, let := range c.lets {
		if names[let.name] && let.compute != nil {
			lets = append(lets, let.compute)
		}
	}
	return lets
}

// checkTTL refuses a scheme without a ttl whose outputs do not stay the same. uses are the names in them.
func (s *Scheme) checkTTL(uses map[string]bool) {
	if s.document.ttl > 0 {
		return
	}
	if uses["now"] || slices.ContainsFunc(s.outputs(), func(o output) bool { return o.digest }) {
		panic(refuseAt("ttl", "is required, because a header, query parameter or value has a digest, a signature or a time "+
			"in it: how long the result can be used, such as 60s"))
	}
}

// The slots of predeclared names. Those of secrets, fields and request come next, in the order of the document.
const (
	slotUUID = iota
	slotNonce
	slotBaseURL
	firstSlot
)

// newChecker gives every name what is known of its values.
func newChecker(d *document, functions map[string]*function) *checker {
	c := &checker{
		newer:          d.newer,
		functions:      functions,
		allowStatic:    d.allowStatic,
		allowExtension: d.allowExtension,
		names:          map[string]*name{},
		keys:           newKeys(),
		signed:         map[string][]signedMessage{},
	}
	add := func(text string, known facts) *name {
		slot := len(c.names)
		c.names[text] = &name{name: text, slot: slot, operand: operand{facts: known, value: valueOf(slot)}}
		return c.names[text]
	}
	changing := facts{
		kind:       kindString,
		max:        maxUUID,
		min:        1,
		fresh:      true,
		varies:     true,
		changes:    true,
		endsPublic: true,
	}
	add("uuid", changing)
	changing.max = maxNonce
	add(nonceName, changing)
	add("base_url", facts{kind: kindString, max: maxBase, min: 1, endsPublic: true, address: true})
	for _, f := range d.secrets {
		if f.key != "" {
			add(f.name, facts{kind: kindPrivateKey, pair: f.key, ofSecret: true, direct: []int{c.keys.number(f.name)}})
			continue
		}
		add(f.name, facts{
			kind:      kindSecret,
			max:       maxSecret,
			min:       1,
			ofSecret:  true,
			changes:   true,
			utf8:      f.encoding == encodingText,
			direct:    []int{c.keys.number(f.name)},
			raw:       []int{c.keys.number(f.name)},
			unescaped: true,
		})
	}
	for _, f := range d.fields {
		add(f.name, facts{kind: kindString, max: f.max, min: f.least(), endsPublic: true, address: f.address})
	}
	for _, f := range d.request {
		alphabet := f.alphabet()
		itself := edge{fields: []*edgeField{{f.name, alphabet}}}
		requested, distinct := f.hasTwoValues()
		add(f.name, facts{
			kind:        kindString,
			max:         f.max,
			min:         f.least(),
			requested:   requested,
			distinct:    distinct,
			escapes:     alphabet.hasAll("%"),
			separates:   alphabet.hasAll("&") || alphabet.hasAll("=") || alphabet.hasAll("%"),
			varies:      true,
			changes:     true,
			endsPublic:  true,
			lastRequest: true,
			first:       opening{request: true},
			begin:       itself,
			end:         itself,
		})
	}
	if d.login != nil {
		c.secretParts = map[string][]evaluate{}
		for _, a := range d.login.answers {
			add(a.name, facts{kind: kindString, max: a.max, min: 1, given: true, endsPublic: true})
		}
	}
	for i := range d.lets {
		let := add(d.lets[i].name, facts{})
		let.let, let.uses = &d.lets[i], map[string]bool{}
	}
	add("now", facts{kind: kindTimestamp, varies: true}).value = nil
	return c
}

// outputs compiles headers, query parameters, values or conditions, and adds the names in them to uses.
func (c *checker) outputs(sources []source, accepted kind, uses map[string]bool) []output {
	outputs := make([]output, len(sources))
	for i, source := range sources {
		outputs[i], _ = c.output(source, accepted, uses)
	}
	return outputs
}

// output compiles what an answer has, or a condition, and adds the names in it to uses.
func (c *checker) output(source source, accepted kind, uses map[string]bool) (output, facts) {
	own := map[string]bool{}
	compiled := c.compile(source, own, accepted)
	maps.Copy(uses, own)
	if compiled.stale && !c.allowStatic {
		// Earlier versions let a request field count that has one value, or can be empty.
		c.newer.refuse(refuseAt(source.place, "has a digest of a secret that stays the same: put now, uuid or nonce into "+
			"what is hashed, or, for an hmac_, a request field that cannot be empty and has more than one value; or set "+
			"allow_static: true if the API wants it so"))
	}
	return output{
		name:     source.name,
		place:    source.place,
		value:    compiled.value,
		ofSecret: compiled.ofSecret,
		given:    compiled.given,
		digest:   compiled.digest,
		uses:     own,
	}, compiled.facts
}

// lints are warnings about what Vault's policies cannot hold.
func (d *document) lints() []string {
	var comma, empty, lints []string
	for _, f := range d.request {
		if f.pattern.characters.hasAll(",") && (f.commas || f.name != requestString) { // whose own rules refuse commas
			comma = append(comma, f.name)
		}
		if f.least() == 0 {
			empty = append(empty, f.name)
		}
	}
	if comma != nil {
		lints = append(lints, "request: "+strings.Join(comma, ", ")+" can contain a comma, at which Vault splits the values "+
			"of a policy's allowed_parameters, so a policy cannot restrict it to such a value")
	}
	if empty != nil {
		lints = append(lints, "request: "+strings.Join(empty, ", ")+" can be absent or empty, and a policy's "+
			"allowed_parameters cannot tell the two apart")
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

// Outdated is what is wrong with a document of ParseStored by rules that are newer than the document, or nil. Parse
// refuses it.
func (s *Scheme) Outdated() error { return s.outdated }

// TTL is how long a signature can be used, in whole seconds. It is 0 if the document has none: what a scheme with a
// login gives is then good for as long as what the login gave.
func (s *Scheme) TTL() time.Duration { return s.document.ttl }

// AllowStatic reports whether the document allows signatures that stay the same.
func (s *Scheme) AllowStatic() bool { return s.document.allowStatic }

// AllowExtension reports whether the document lets the hash of a secret end in a request field.
func (s *Scheme) AllowExtension() bool { return s.document.allowExtension }

// AllowSharedKey reports whether the document lets a key of the login sign what callers choose too.
func (s *Scheme) AllowSharedKey() bool { return s.document.allowSharedKey }

// Unit is how much later each moment must be than the one before it, so that now never gives the same text twice: a
// millisecond or a microsecond. It is 0 if the document does not say growing.
func (s *Scheme) Unit() time.Duration { return s.unit }

// MaxBatch is how many calls may be signed together; 0 if private keys set no limit.
func (s *Scheme) MaxBatch() int {
	if s.rsaOperations == 0 {
		return 0
	}
	return maxBatchRSA / s.rsaOperations
}

// Secrets are the names of the secrets, in the document's order.
func (s *Scheme) Secrets() []string {
	return names(s.document.secrets, func(f secretField) string { return f.name })
}

// Fields are the names of the config's public fields, in the document's order.
func (s *Scheme) Fields() []string {
	return names(s.document.fields, func(f field) string { return f.name })
}

// Request are the names of what a caller gives with a request, in the document's order. Without any, the scheme serves
// creds/.
func (s *Scheme) Request() []string {
	return names(s.document.request, func(f field) string { return f.name })
}

func names[T any](of []T, name func(T) string) []string {
	names := make([]string, len(of))
	for i := range of {
		names[i] = name(of[i])
	}
	return names
}

// PerCall are the names of the headers that are of one call, and that a client can make by itself: a UUID which nothing
// else of the call is made of. nil for none.
func (s *Scheme) PerCall() []string { return s.perCall }

// freeUUIDs are the names of the headers that are a uuid which nothing else of the call is made of, so that a client
// that sends the headers again can put another one there.
func (c *checker) freeUUIDs(s *Scheme, d *document) []string {
	var free []string
	for _, header := range d.headers {
		if header.text == "uuid" {
			free = append(free, header.name)
		}
	}
	made := 0
	for _, of := range s.outputs() {
		uses := maps.Clone(of.uses)
		if c.addUses(uses); uses["uuid"] {
			made++
		}
	}
	if made > len(free) {
		return nil
	}
	return free
}

// addUses adds to names what the lets among them are made of. A let stands after those that it uses.
func (c *checker) addUses(names map[string]bool) {
	for _, let := range slices.Backward(c.lets) {
		if names[let.name] {
			maps.Copy(names, let.uses)
		}
	}
}

// Default is the value of a field that a config does not give. has is false if the field is required.
func (s *Scheme) Default(name string) (fallback string, has bool) {
	for _, f := range s.document.fields {
		if f.name == name {
			return f.fallback, f.hasFallback || f.optional
		}
	}
	return "", false
}

// BaseURL is the address that a config has which does not give one; "" if it must.
func (s *Scheme) BaseURL() string { return s.document.baseURL }

// IsAddress reports whether a field is an address of an API.
func (s *Scheme) IsAddress(name string) bool { return s.document.isAddress(name) }

func (d *document) isAddress(name string) bool {
	return slices.ContainsFunc(d.fields, func(f field) bool { return f.name == name && f.address })
}

// HasBody reports whether the document declares what the call carries.
func (s *Scheme) HasBody() bool { return s.body != nil }

// Uses reports whether the document has a predeclared name in it: now, uuid, nonce or base_url.
func (s *Scheme) Uses(predeclared string) bool { return s.uses[predeclared] }
