package scheme

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/internal/requeststring"
)

// Limits of a login's document.
const (
	maxLoginHeader = 32 << 10 // bytes of a header, by what the document declares
	maxRefused     = 256      // bytes of what is or is_not
	maxExpected    = 8        // addresses in the answer
	maxLife        = 768 * time.Hour
	defaultLife    = 24 * time.Hour
)

const baseURLName = "base_url"

// login is what a document says of its login.
type login struct {
	loginRules
	path           source
	query, headers []source
	// At most one of form, json and body is declared. body and contentType have one expression, or none.
	form, json, body, contentType []source
}

// loginRules are what a login says without expressions.
type loginRules struct {
	// address is base_url, or the name of a field that is an address.
	address, method string
	answers         []answerField
	expected        []expectation
	refused         *refusedIf
	lives           []life
	// ttl is the life that counts where the answer tells none, and max the longest that is believed.
	ttl, max  time.Duration
	exclusive bool
}

// readLogin reads the section login.
func (d *document) readLogin(node *yaml.Node) {
	if node == nil {
		return
	}
	sections := map[string]*yaml.Node{}
	for _, section := range pairs(node, "login", loginShape.keyNames()...) {
		sections[section.key] = section.value
	}
	text := func(name, fallback string) string {
		if sections[name] == nil {
			return fallback
		}
		return scalar(sections[name], "login."+name)
	}
	expression := func(name string) []source {
		if sections[name] == nil {
			return nil
		}
		place := "login." + name
		return []source{{name, place, scalar(sections[name], place)}}
	}
	l := &login{
		loginRules: loginRules{
			address:   text("address", baseURLName),
			method:    text("method", http.MethodPost),
			exclusive: boolean(text("exclusive", "false"), "login.exclusive"),
		},
		query:       readOutputs(sections["query"], "login.query", queryFault),
		headers:     readOutputs(sections["headers"], "login.headers", headerFault),
		form:        readOutputs(sections["form"], "login.form", queryFault),
		json:        readOutputs(sections["json"], "login.json", memberFault),
		body:        expression("body"),
		contentType: expression("content_type"),
	}
	if sections["path"] == nil {
		panic(refuseAt("login.path", "is required: an expression of literals and fields, such as '\"/oauth/token\"'"))
	}
	l.path = expression("path")[0]
	l.checkRequest(d, sections)
	for _, p := range pairs(sections["answer"], "login.answer") {
		d.declare(p, "login.answer")
		l.answers = append(l.answers, readAnswerField(p))
	}
	l.checkAnswers()
	expected := pairs(sections["expect"], "login.expect")
	if len(expected) > maxExpected {
		panic(refuseAt("login.expect", "has more than %d", maxExpected))
	}
	for _, p := range expected {
		l.expected = append(l.expected, d.readExpectation(p))
	}
	l.refused = readRefusedIf(sections["refused"])
	l.lives = l.readLives(sections["life"])
	l.ttl = readDuration(sections["ttl"], "login.ttl", maxLife)
	if l.max = defaultLife; sections["max"] != nil {
		l.max = readDuration(sections["max"], "login.max", maxLife)
	}
	switch {
	case l.ttl == 0:
		panic(refuseAt("login.ttl", "is required: how long what the login gives is good for if the answer does not tell, "+
			"such as 1h"))
	case l.ttl > l.max:
		panic(refuseAt("login.ttl", "is longer than login.max, which is %s", defaultWords(sections["max"] == nil)))
	}
	d.login = l
}

func defaultWords(is bool) string {
	if is {
		return "24h by default"
	}
	return "the longest that is believed"
}

// checkRequest refuses what a login cannot send.
func (l *login) checkRequest(d *document, sections map[string]*yaml.Node) {
	if l.address != baseURLName && !d.isAddress(l.address) {
		panic(refuseAt("login.address", "must be base_url, or the name of a field with address: true"))
	}
	if l.method != http.MethodPost && l.method != http.MethodGet {
		panic(refuseAt("login.method", "must be POST or GET"))
	}
	bodies := 0
	for _, name := range []string{"form", "json", "body"} {
		if sections[name] == nil {
			continue
		}
		if bodies++; bodies > 1 {
			panic(refuseAt("login."+name, "a login has one of form, json and body"))
		}
		if l.method == http.MethodGet {
			panic(refuseAt("login."+name, "a GET has no body; use query, or method: POST"))
		}
	}
	setsType := slices.ContainsFunc(l.headers, func(h source) bool { return strings.EqualFold(h.name, contentType) })
	switch {
	case l.body != nil && l.contentType == nil && !setsType:
		panic(refuseAt("login.content_type", "is required with body, such as '\"text/xml\"'"))
	case l.body == nil && l.contentType != nil:
		panic(refuseAt("login.content_type", "is for body; form and json have a type of their own, which the header "+
			"Content-Type replaces"))
	case l.contentType != nil && setsType:
		panic(refuseAt("login.content_type", "is also among login.headers; leave one of the two out"))
	}
	for _, name := range []string{"min_ttl", "request_timeout", "ca_cert", "verify"} {
		if d.all[name] {
			panic(refuseAt("login", "a scheme with a login cannot declare %s, which is a parameter of its configs", name))
		}
	}
}

// memberFault says what is wrong with the name of a member of a JSON object; "" if nothing is.
func memberFault(name string) string {
	if name == "" || len(name) > maxName || !printable(name) {
		return "the name of a member is printable ASCII and has at most 64 bytes"
	}
	return ""
}

// loginRequest is a compiled login.
type loginRequest struct {
	loginRules
	path                                       output
	query, headers, form, json, body, mimeType []output
	// lets compute the names that these need.
	lets []func(*environment)
	// secrets are the values of type secret that the request is made of.
	secrets []evaluate
}

// compileLogin compiles the login of a document, if it has one, and adds the names in it to uses.
func (c *checker) compileLogin(d *document, uses map[string]bool) *loginRequest {
	if d.login == nil {
		return nil
	}
	l := d.login
	made := &loginRequest{loginRules: l.loginRules, path: c.loginOutput(d, l.path, maxValue)}
	c.checkPath(d, made.path)
	made.query = c.loginOutputs(d, l.query, maxValue)
	made.headers = c.loginOutputs(d, l.headers, maxLoginHeader)
	made.form = c.loginOutputs(d, l.form, maxValue)
	made.json = c.loginOutputs(d, l.json, maxValue)
	made.body = c.loginOutputs(d, l.body, maxValue)
	made.mimeType = c.loginOutputs(d, l.contentType, maxLoginHeader)
	own := map[string]bool{}
	for _, output := range made.outputs() {
		maps.Copy(own, output.uses)
		made.secrets = append(made.secrets, c.secretParts[output.place]...)
	}
	made.lets = c.letsOf(own)
	for _, let := range c.lets {
		if own[let.name] {
			made.secrets = append(made.secrets, c.secretParts["let."+let.name]...)
		}
	}
	maps.Copy(uses, own)
	for _, expected := range l.expected {
		uses[expected.address] = true
	}
	return made
}

// forget drops what only compiling needs.
func (r *loginRequest) forget() {
	r.path.uses = nil
	for _, outputs := range [][]output{r.query, r.headers, r.form, r.json, r.body, r.mimeType} {
		for i := range outputs {
			outputs[i].uses = nil
		}
	}
}

// outputs are the expressions of the request.
func (r *loginRequest) outputs() []output {
	return slices.Concat([]output{r.path}, r.query, r.headers, r.form, r.json, r.body, r.mimeType)
}

func (c *checker) loginOutputs(d *document, sources []source, limit int) []output {
	sum := 2
	var outputs []output
	for _, source := range sources {
		made := c.loginOutput(d, source, limit)
		outputs = append(outputs, made)
		sum += 6 + 6*len(source.name) + made.max
	}
	if sum > maxValue && limit == maxValue && len(sources) > 1 {
		panic(refuseAt(sources[len(sources)-1].place, "makes a text that can have more than %d bytes; declare a smaller max",
			maxValue))
	}
	return outputs
}

// loginOutput compiles an expression of a login. Its uses are all names that it needs.
func (c *checker) loginOutput(d *document, s source, limit int) output {
	own := map[string]bool{}
	compiled := c.compile(s, own, kindString, kindSecret)
	c.addUses(own)
	for _, f := range d.request {
		if own[f.name] {
			panic(refuseAt(s.place, "uses %s, which callers give; a login is for all of them, and uses secrets, fields, %s "+
				"only", f.name, strings.Join(predeclared, ", ")))
		}
	}
	for _, a := range d.login.answers {
		if own[a.name] {
			panic(refuseAt(s.place, "uses %s, which the login gives; a login uses secrets, fields, %s only", a.name,
				strings.Join(predeclared, ", ")))
		}
	}
	size := compiled.max
	section, _, _ := strings.Cut(strings.TrimPrefix(s.place, "login."), ".")
	switch section {
	case "query", "form":
		if !compiled.unreserved {
			size *= 3 // percent_encode
		}
	case "json":
		if compiled.kind == kindSecret && !compiled.utf8 {
			panic(refuseAt(s.place, "takes secrets of the encoding text, or joined of such and strings; use base64, base64url, "+
				"hex or percent_encode for this one"))
		}
		if !compiled.bare && !compiled.unreserved {
			size *= 6
		}
	case "body":
		if compiled.unescaped {
			panic(refuseAt(s.place, "has a secret in it as it is, which could end the text around it; write json(…) of it, "+
				"or another encoding"))
		}
	case "content_type":
		if compiled.ofSecret {
			panic(refuseAt(s.place, "cannot have a secret in it"))
		}
	case "headers":
		c.checkRaw(d, s, compiled)
	}
	if size > limit {
		panic(refuseAt(s.place, "can have more than %d bytes as it is sent; declare a smaller max", limit))
	}
	return output{
		name: s.name, place: s.place, value: compiled.value, ofSecret: compiled.ofSecret, uses: own, max: size,
		isSecret: compiled.kind == kindSecret,
	}
}

// checkRaw refuses a header in which a secret stands as it is, and may not be printable. Of a text it is checked when
// the secret is written.
func (c *checker) checkRaw(d *document, s source, header operand) {
	for _, number := range header.raw {
		at := slices.IndexFunc(d.secrets, func(f secretField) bool { return c.keys.numbers[f.name] == number })
		if at < 0 || d.secrets[at].encoding != encodingText {
			panic(refuseAt(s.place, "has a secret in it that is decoded or derived, so it may not be printable; write "+
				"base64(…), base64url(…), hex(…) or percent_encode(…) of it"))
		}
		d.secrets[at].inHeader = true
	}
}

// checkPath refuses a path that is made of more than literals and fields.
func (c *checker) checkPath(d *document, path output) {
	for name := range path.uses {
		isField := slices.ContainsFunc(d.fields, func(f field) bool { return f.name == name })
		isLet := slices.ContainsFunc(d.lets, func(let source) bool { return let.name == name })
		if !isField && !isLet {
			panic(refuseAt(path.place, "a path is made of literals and fields only; a secret goes into query, headers, form, "+
				"json or body"))
		}
	}
}

// checkLogin checks what the values of a config make of the login's path. The error is worded for the config's
// operator.
func (s *Signer) checkLogin() error {
	made := s.scheme.login
	if made == nil {
		return nil
	}
	e := &environment{values: slices.Clone(s.values), keys: s.keys}
	for _, let := range s.scheme.pathLets {
		let(e)
	}
	path := made.path.value(e)
	if err := requeststring.Check(path, nil); err != nil {
		return fmt.Errorf("%s, with the config's fields, %w", made.path.place, err)
	}
	for _, parameter := range made.query {
		if hasParameter(path, parameter.name) {
			return fmt.Errorf("%s, with the config's fields, has a parameter in its query that login.query appends: %s",
				made.path.place, parameter.name)
		}
	}
	return nil
}

// HasLogin reports whether the scheme has a login.
func (s *Scheme) HasLogin() bool { return s.login != nil }

// SendsSecret reports whether the login sends a secret, in whatever encoding, and not only digests or signatures.
func (s *Scheme) SendsSecret() bool {
	return s.login != nil && slices.ContainsFunc(s.login.outputs(), func(o output) bool { return o.isSecret })
}

// Exclusive reports whether a login ends what the one before it gave.
func (s *Scheme) Exclusive() bool { return s.login != nil && s.login.exclusive }

// Gives are the names of what the login gives, in the document's order.
func (s *Scheme) Gives() []string {
	if s.login == nil {
		return nil
	}
	return names(s.login.answers, func(a answerField) string { return a.name })
}

// LoginAddress is the address that the login goes to.
func (s *Signer) LoginAddress() string {
	if s.scheme.login == nil {
		return ""
	}
	return s.address(s.scheme.login.address)
}

// address is base_url, or a field that is an address.
func (s *Signer) address(name string) string {
	for i, f := range s.scheme.document.fields {
		if f.name == name {
			return s.values[firstSlot+len(s.scheme.document.secrets)+i]
		}
	}
	return s.values[slotBaseURL]
}
