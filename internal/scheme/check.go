package scheme

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of values, in bytes. They follow from what a document declares, so they hold for every signing.
const (
	maxValue = 64 << 10 // of one, intermediate ones included
	maxTotal = 4 << 20  // of all nodes of all expressions together
	maxUUID  = 36
	maxNonce = 32
	maxBase  = 512 // the base URL
)

// evaluate computes the value of an expression, and cannot fail. A bool is "true" or "".
type evaluate func(*environment) string

// environment is what expressions are computed from in one signing.
type environment struct {
	now time.Time
	// values are those of all names, by their slots.
	values []string
	// keys are the key pairs by the names of the secrets.
	keys map[string]*keyPair
	// failure is why a private key did not sign; nil if all did.
	failure error
	// unsigned reports whether private keys do not sign: a request is only checked.
	unsigned bool
	// trace gets the texts that are hashed or signed, for an example that fails; nil for a signing.
	trace *[]hashedText
}

// valueOf is the value in a slot.
func valueOf(slot int) evaluate { return func(e *environment) string { return e.values[slot] } }

// truth is a bool as a value.
func truth(is bool) string {
	if is {
		return "true"
	}
	return ""
}

// operand is an expression that was checked and compiled.
type operand struct {
	facts
	node ast.Expr
	// value is nil for a timestamp.
	value evaluate
	// parts are those of a text that is joined of several.
	parts []evaluate
}

// call is a call of a function, where it stands.
type call struct {
	source
	function *function
}

// checker checks and compiles the expressions of one scheme.
type checker struct {
	newer     *newerRules
	functions map[string]*function
	// allowStatic and allowExtension are the document's.
	allowStatic, allowExtension bool
	names                       map[string]*name
	// lets are those that were compiled, each after those that it needs.
	lets []*name
	keys keys
	// signed are the messages that keys sign, by the function and the key's number.
	signed map[string][]signedMessage
	// keyOperations are the calls that sign with a private key.
	keyOperations []keyOperation
	// secretParts are the values of type secret in the expressions, by their places. It is nil for a document without a
	// login.
	secretParts map[string][]evaluate
	// total is the size of all nodes' largest values.
	total int
	// nodes are those of all expressions so far.
	nodes int
	// unit is the largest of the fractions of a second that are used; 0 for none.
	unit  time.Duration
	lints []string
	// ambiguities are lints about fields that can have the literal beside them in their value.
	ambiguities []string
	// literals are the strings in expressions, unquoted.
	literals []string
	// decodings are what unhex and unbase64 give of what a config has.
	decodings []output
}

// name is a declared or predeclared name.
type name struct {
	name string
	slot int
	// let is its expression, until that is compiled; nil for others.
	let *source
	// open says that the let is being compiled: it is part of a circle if it is met again.
	open bool
	operand
	// compute puts the value of a let into an environment; nil if it needs none.
	compute func(*environment)
	// uses are the names in the expression.
	uses map[string]bool
}

// expression compiles one expression.
type expression struct {
	*checker
	source
	nodes int
	// uses are the names in it.
	uses map[string]bool
	// ambiguous are the fields in it that can have the literal beside them in their value.
	ambiguous []string
}

// compile checks an expression of one of some kinds. It adds the names in it to uses.
func (c *checker) compile(s source, uses map[string]bool, accepted ...kind) operand {
	e := &expression{checker: c, source: s, uses: uses}
	compiled := e.compile(s.parse(), 1)
	if c.nodes += e.nodes; c.nodes > maxNewNodes {
		c.newer.refuse(refuseAt(s.place, "the expressions so far have more than %d nodes", maxNewNodes))
	}
	switch {
	case len(accepted) == 0 || slices.Contains(accepted, compiled.kind):
	case compiled.kind == kindSecret:
		panic(refuseAt(s.place, "would give the secret away: it is a secret, in whatever encoding, until it is hashed"))
	case compiled.kind == kindBytes:
		panic(refuseAt(s.place, "is bytes; hex(…) or base64(…) makes a string of them"))
	case compiled.kind == kindPrivateKey:
		panic(refuseAt(s.place, "would give the private key away; %s", onlySigns))
	case compiled.kind == kindTimestamp:
		panic(refuseAt(s.place, "is a timestamp; now.unix(), now.rfc3339() and others make a string of it"))
	default:
		panic(refuseAt(s.place, "must be %s, and is %s", alternatives(kindNames(accepted)), compiled.kind))
	}
	if e.ambiguous != nil {
		c.ambiguities = append(c.ambiguities, s.place+": "+strings.Join(e.ambiguous, ", ")+" can have the text in it that "+
			"stands next to it, so its value can pass for more than its own part of what is signed; declare a pattern without "+
			"that text, or percent_encode the field if the API does")
	}
	return compiled
}

// compile checks and compiles a node, at a depth of the tree.
func (e *expression) compile(node ast.Expr, depth int) operand {
	if e.nodes++; e.nodes > maxNodes {
		panic(e.refuse(node, "the expression has more than %d nodes; name parts of it in let", maxNodes))
	}
	if depth > maxDepth {
		panic(e.refuse(node, "the expression is nested more than %d deep; name parts of it in let", maxDepth))
	}
	compiled := e.compileNode(node, depth+1)
	compiled.node = node
	if compiled.max > maxValue {
		panic(e.refuse(node, "can have more than %d bytes; declare a smaller max", maxValue))
	}
	if e.secretParts != nil && compiled.kind == kindSecret {
		e.secretParts[e.place] = append(e.secretParts[e.place], compiled.value)
	}
	if e.total += compiled.max; e.total > maxTotal {
		panic(e.refuse(node, "the values of all expressions together can have more than 4 MiB; declare a smaller max"))
	}
	return compiled
}

// compileNode compiles a node whose parts are at a depth.
func (e *expression) compileNode(node ast.Expr, depth int) operand {
	switch node := node.(type) {
	case *ast.BasicLit:
		return e.literal(node)
	case *ast.Ident:
		return e.identifier(node)
	case *ast.ParenExpr:
		return e.compile(node.X, depth)
	case *ast.UnaryExpr:
		return e.not(node, e.compile(node.X, depth))
	case *ast.BinaryExpr:
		left := e.compile(node.X, depth)
		return e.binary(node, left, e.compile(node.Y, depth))
	case *ast.CallExpr:
		return e.call(node, depth)
	}
	panic(e.refuse(node, notPart))
}

func (e *expression) literal(node *ast.BasicLit) operand {
	text, err := strconv.Unquote(node.Value)
	if err != nil || !utf8.ValidString(text) {
		panic(e.refuse(node, "is not a string of valid UTF-8"))
	}
	e.literals = append(e.literals, text)
	known := facts{
		kind: kindString, max: len(text), min: min(len(text), 1), endsPublic: true, zeros: strings.Contains(text, "\x00"),
	}
	if text != "" {
		known.begin.literals = []string{text}
		known.end = known.begin
	}
	known.unreserved = percentEncode(text) == text
	return operand{facts: known, value: func(*environment) string { return text }}
}

func (e *expression) identifier(node *ast.Ident) operand {
	found, function := e.names[node.Name], e.functions[node.Name]
	switch {
	case found != nil:
	case slices.Contains(literals, node.Name):
		panic(e.refuse(node, "there is no such value; a bool comes from a comparison, such as method == \"GET\""))
	case function != nil:
		panic(e.refuse(node, "this is a function, and no value of this name is declared; write %s", function.usage()))
	default:
		panic(e.refuse(node, "this name is not declared; the names are those of secrets, fields, request, "+
			"login.answer and let, and %s; %s",
			strings.Join(predeclared, ", "), inQuotes))
	}
	e.uses[node.Name] = true
	e.compileLet(found)
	return found.operand
}

// compileLet compiles a name that is a let, after those that it needs, once.
func (c *checker) compileLet(n *name) {
	if n.let == nil {
		return
	}
	if n.open {
		panic(refuseAt(n.let.place, "is defined by itself, in a circle"))
	}
	n.open = true
	compiled := c.compile(*n.let, n.uses)
	n.let, n.facts = nil, compiled.facts
	if value, slot := compiled.value, n.slot; value != nil {
		n.value = valueOf(slot)
		n.compute = func(e *environment) { e.values[slot] = value(e) }
	}
	c.lets = append(c.lets, n)
}

func (e *expression) not(node *ast.UnaryExpr, of operand) operand {
	if node.Op != token.NOT {
		panic(e.refuse(node, "+ joins two values; there is nothing before this one"))
	}
	if of.kind != kindBool {
		panic(e.refuse(node, "! takes a bool, not %s", of.kind))
	}
	is := of.value
	return operand{facts: of.facts, value: func(e *environment) string { return truth(is(e) == "") }}
}

func (e *expression) binary(node *ast.BinaryExpr, left, right operand) operand {
	if node.Op == token.ADD {
		return e.concatenate(node, left, right)
	}
	a, b := left.value, right.value
	both := operand{}
	switch node.Op {
	case token.EQL, token.NEQ:
		both.facts = flowCompare(e.checker, call{source: e.source}, []operand{left, right})
		if left.kind != kindString || right.kind != kindString {
			panic(e.refuse(node, "%s compares two strings, not %s and %s", node.Op, left.kind, right.kind))
		}
		equal := node.Op == token.EQL
		both.value = func(e *environment) string { return truth((a(e) == b(e)) == equal) }
	default: // the scanner lets no others through than && and ||
		if left.kind != kindBool || right.kind != kindBool {
			panic(e.refuse(node, "%s takes two bools, not %s and %s", node.Op, left.kind, right.kind))
		}
		both.facts = join(left.facts, right.facts)
		both.max = 1
		and := node.Op == token.LAND
		both.value = func(e *environment) string {
			if first := a(e); (first != "") != and {
				return first
			}
			return b(e)
		}
	}
	both.kind = kindBool
	return both
}

// concatenate is +.
func (e *expression) concatenate(node *ast.BinaryExpr, left, right operand) operand {
	known := concatenate(left.facts, right.facts)
	joinable := func(k kind) bool { return k == kindString || k == kindBytes || k == kindSecret }
	switch {
	case (left.kind == kindString || left.kind == kindBytes) && left.kind == right.kind:
		known.kind = left.kind
	case (left.kind == kindSecret || right.kind == kindSecret) && joinable(left.kind) && joinable(right.kind):
		known.kind = kindSecret
	default:
		hint := "hex(…) or base64(…) makes a string of bytes"
		switch {
		case left.kind == kindPrivateKey || right.kind == kindPrivateKey:
			hint = onlySigns
		case left.kind == kindTimestamp || right.kind == kindTimestamp:
			hint = "now.unix(), now.rfc3339() and others make a string of a timestamp"
		}
		panic(e.refuse(node, "+ joins two strings, bytes and bytes, or a secret with any of these, not %s and %s; %s",
			left.kind, right.kind, hint))
	}
	if left.end.fields != nil && right.begin.fields != nil {
		e.lint(e.place + ": two fields that callers choose stand beside one another with nothing between them, so " +
			"different requests can have the same signature; if the API permits, put a separator between them")
	}
	e.ambiguous = firsts(e.ambiguous, ambiguous(left.end, right.begin))
	parts := slices.Concat(left.pieces(), right.pieces())
	return operand{facts: known, parts: parts, value: func(e *environment) string {
		var joined strings.Builder
		for _, part := range parts {
			joined.WriteString(part(e))
		}
		return joined.String()
	}}
}

// pieces are the parts that a text is joined of.
func (o operand) pieces() []evaluate {
	if o.parts != nil {
		return o.parts
	}
	return []evaluate{o.value}
}

// call is a call of a function or a method.
func (e *expression) call(node *ast.CallExpr, depth int) operand {
	var called *ast.Ident
	nodes := node.Args
	method := false
	switch callee := node.Fun.(type) {
	case *ast.Ident:
		called = callee
	case *ast.SelectorExpr:
		called, method = callee.Sel, true
		nodes = append([]ast.Expr{callee.X}, nodes...)
	default:
		panic(e.refuse(node, "only a name can be called"))
	}
	function := e.functions[called.Name]
	switch {
	case function == nil && method:
		panic(e.refuse(called, "%s", noMethod(called.Name, e.compile(nodes[0], depth).kind)))
	case function == nil:
		panic(e.refuse(called, "%s", noFunction(called.Name)))
	case function.method != method:
		panic(e.refuse(called, "write %s", function.usage()))
	case node.Ellipsis.IsValid():
		panic(e.refuse(node, notPart))
	}
	args := make([]operand, len(nodes))
	values := make([]evaluate, len(nodes))
	kinds := make([]kind, len(nodes))
	for i, argument := range nodes {
		args[i] = e.compile(argument, depth)
		values[i], kinds[i] = args[i].value, args[i].kind
	}
	at := slices.IndexFunc(function.signatures, func(s signature) bool { return slices.Equal(s.takes, kinds) })
	if at < 0 {
		panic(e.wrongArguments(called, function, kinds))
	}
	if function.literals != "" {
		for _, arg := range args[1:] {
			e.checkLiteral(arg.node, function.literals)
		}
	}
	known := function.flow(e.checker, call{e.source, function}, args)
	known.kind, known.address = function.signatures[at].gives, false
	e.unit = max(e.unit, function.unit)
	if function.uses != "" {
		e.uses[function.uses] = true
	}
	if function.build != nil {
		return operand{facts: known, value: function.build(args)}
	}
	return operand{facts: known, value: function.traced(values, function.compute(values))}
}

const onlySigns = "a private key only signs, as in rsa_sha256(key, message), or gives its public_key(key)"

// wrongArguments says what a function takes, and why not these.
func (e *expression) wrongArguments(node ast.Node, f *function, kinds []kind) refusal {
	if f.signatures[0].gives == kindBool && slices.Contains(kinds, kindSecret) {
		return e.refuse(node, compared)
	}
	var ways []string
	for _, s := range f.signatures {
		ways = append(ways, s.arguments())
	}
	hint := ""
	if slices.Contains(kinds, kindBytes) {
		hint = "; hex(…) or base64(…) makes a string of bytes"
	}
	if len(kinds) > 0 && kinds[0] == kindString && slices.Equal(f.signatures[0].takes, []kind{kindBytes}) {
		hint = "; bytes(…) makes bytes of a string"
	}
	switch takesKey := f.signatures[0].takes[0] == kindPrivateKey; {
	case takesKey && len(kinds) > 1 && kinds[0] == kindPrivateKey && kinds[1] == kindSecret:
		hint = "; a private key signs no secret"
	case takesKey:
		hint = "; the key must be a secret that is declared with key"
	case slices.Contains(kinds, kindPrivateKey):
		hint = "; " + onlySigns
	}
	if strings.Contains(f.name, "hmac_") && len(kinds) == 2 && kinds[0] != kindSecret {
		hint = "; the key must be a secret"
	}
	given := signature{takes: kinds}.arguments()
	return e.refuse(node, "%s takes %s, not %s%s", f.usage(), alternatives(ways), given, hint)
}

// lint adds a warning, once.
func (c *checker) lint(text string) {
	if !slices.Contains(c.lints, text) {
		c.lints = append(c.lints, text)
	}
}
