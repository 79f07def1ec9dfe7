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

// Limits of values, in bytes. They are held by the declarations, so they hold for every signing.
const (
	maxValue = 64 << 10 // of one, intermediate ones included
	maxTotal = 4 << 20  // of all nodes of all expressions together
	maxUUID  = 36
	maxNonce = 32
	maxBase  = 512 // the base URL
)

// evaluate computes a string, bytes or a secret, and condition a bool. Neither can fail.
type (
	evaluate  func(*environment) string
	condition func(*environment) bool
)

// environment is what expressions are computed from in one signing.
type environment struct {
	now         time.Time
	uuid, nonce string
	baseURL     string
	// values are those of the declared names, by their slots; truths those of names that are bools.
	values []string
	truths []bool
}

// operand is an expression that was checked and compiled.
type operand struct {
	facts
	node  ast.Expr
	text  evaluate
	truth condition
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
	newer          *newerRules
	functions      map[string]*function
	allowExtension bool
	names          map[string]*name
	// order are the slots of the lets that were compiled, each after those that it needs.
	order []*name
	// numbers are those of secrets and derived keys; intoDerive are those that others are derived from, and intoHash the errors of
	// those that are hashed in public.
	numbers    map[string]int
	intoDerive []int
	intoHash   map[int]error
	// made are the derived keys by their numbers. plain are the secrets and derived keys that each hash is taken of in public, and
	// longKeys those that are a long key of its HMAC.
	made     map[int]derivation
	plain    map[string][]int
	longKeys []longKey
	// publicKeys is what the keys of each hash's hmac_ are made of, with that hash undone; derivingKeys are those of
	// derive_hmac_.
	publicKeys   map[string][]int
	derivingKeys []derivingKey
	// total is the size of all nodes' largest values.
	total int
	// nodes are those of all expressions so far.
	nodes int
	// unit is the largest of the fractions of a second that are used; 0 for none.
	unit  time.Duration
	lints []string
	// ambiguities are the places where a field can have the literal beside it in its value.
	ambiguities []ambiguity
	// literals are the strings in expressions, unquoted.
	literals []string
}

func newChecker(functions map[string]*function, newer *newerRules, allowExtension bool) *checker {
	return &checker{
		newer: newer, functions: functions, allowExtension: allowExtension,
		names: map[string]*name{}, numbers: map[string]int{}, intoHash: map[int]error{}, made: map[int]derivation{},
		plain: map[string][]int{}, publicKeys: map[string][]int{},
	}
}

// name is a declared or predeclared name.
type name struct {
	name string
	slot int
	// let is its expression; nil for others.
	let *source
	// open says that the let is being compiled: it is part of a circle if it is met again.
	open bool
	// done says that the operand is compiled.
	done bool
	operand
	// compute puts its value into an environment; nil if it needs none.
	compute func(*environment)
	// uses are the names in the expression.
	uses map[string]bool
}

// expression compiles one expression. Its uses are the names in it.
type expression struct {
	*checker
	source
	nodes int
	uses  map[string]bool
}

// compile checks an expression of one of some kinds.
func (c *checker) compile(s source, accepted ...kind) (operand, map[string]bool, error) {
	tree, err := s.parse()
	if err != nil {
		return operand{}, nil, err
	}
	e := &expression{checker: c, source: s, uses: map[string]bool{}}
	compiled, err := e.compile(tree, 1)
	if err != nil {
		return operand{}, nil, err
	}
	if c.nodes += e.nodes; c.nodes > maxNewNodes {
		err := c.newer.refuse(errorAt(s.place, "the expressions so far have more than %d nodes", maxNewNodes))
		if err != nil {
			return operand{}, nil, err
		}
	}
	switch {
	case len(accepted) == 0 || slices.Contains(accepted, compiled.kind):
		return compiled, e.uses, nil
	case compiled.kind == kindSecret:
		return operand{}, nil, errorAt(s.place, "would give the secret away: it is a secret, in whatever encoding, until it is hashed")
	case compiled.kind == kindBytes:
		return operand{}, nil, errorAt(s.place, "is bytes; hex(…) or base64(…) makes a string of them")
	case compiled.kind == kindTimestamp:
		return operand{}, nil, errorAt(s.place, "is a timestamp; now.unix(), now.rfc3339() and others make a string of it")
	default:
		return operand{}, nil, errorAt(s.place, "must be %s, and is %s", kindNames(accepted), compiled.kind)
	}
}

// compile checks and compiles a node, at a depth of the tree.
func (e *expression) compile(node ast.Expr, depth int) (operand, error) {
	if e.nodes++; e.nodes > maxNodes {
		return operand{}, e.errorAtNode(node, "the expression has more than %d nodes; name parts of it in let", maxNodes)
	}
	if depth > maxDepth {
		return operand{}, e.errorAtNode(node, "the expression is nested more than %d deep; name parts of it in let", maxDepth)
	}
	compiled, err := e.compileNode(node, depth)
	if err != nil {
		return operand{}, err
	}
	compiled.node = node
	if compiled.max > maxValue {
		return operand{}, e.errorAtNode(node, "can have more than %d bytes; declare a smaller max", maxValue)
	}
	if e.total += compiled.max; e.total > maxTotal {
		return operand{}, e.errorAtNode(node, "the values of all expressions together can have more than 4 MiB; declare a smaller max")
	}
	return compiled, nil
}

func (e *expression) compileNode(node ast.Expr, depth int) (operand, error) {
	switch node := node.(type) {
	case *ast.BasicLit:
		return e.literal(node)
	case *ast.Ident:
		return e.identifier(node)
	case *ast.ParenExpr:
		return e.compile(node.X, depth+1)
	case *ast.UnaryExpr:
		return e.not(node, depth)
	case *ast.BinaryExpr:
		left, err := e.compile(node.X, depth+1)
		if err != nil {
			return operand{}, err
		}
		right, err := e.compile(node.Y, depth+1)
		if err != nil {
			return operand{}, err
		}
		return e.binary(node, left, right)
	case *ast.CallExpr:
		return e.call(node, depth)
	}
	return operand{}, e.errorAtNode(node, "this is not part of the language; %s", grammar)
}

func (e *expression) literal(node *ast.BasicLit) (operand, error) {
	text, err := strconv.Unquote(node.Value)
	if err != nil || !utf8.ValidString(text) {
		return operand{}, e.errorAtNode(node, "is not a string of valid UTF-8")
	}
	e.literals = append(e.literals, text)
	known := facts{
		kind: kindString, max: len(text), min: min(len(text), 1), endsPublic: true, zeros: strings.Contains(text, "\x00"),
	}
	if text != "" {
		known.begin.literals = []string{text}
		known.end = known.begin
	}
	return operand{facts: known, text: func(*environment) string { return text }}, nil
}

func (e *expression) identifier(node *ast.Ident) (operand, error) {
	found := e.names[node.Name]
	if found == nil {
		if slices.Contains(literals, node.Name) {
			return operand{}, e.errorAtNode(node, "there is no such value; a bool comes from a comparison, such as method == \"GET\"")
		}
		if function := e.functions[node.Name]; function != nil {
			return operand{}, e.errorAtNode(node, "this is a function, and no value of this name is declared; write %s", function.usage())
		}
		return operand{}, e.errorAtNode(node, "this name is not declared; the names are those of secrets, fields, request and let, and %s",
			strings.Join(predeclared, ", "))
	}
	e.uses[node.Name] = true
	if found.let != nil {
		if err := e.compileLet(found); err != nil {
			return operand{}, err
		}
	}
	return found.operand, nil
}

// compileLet compiles a let, after those that it needs, once.
func (c *checker) compileLet(n *name) error {
	if n.done {
		return nil
	}
	if n.open {
		return errorAt(n.let.place, "is defined by itself, in a circle")
	}
	n.open = true
	compiled, uses, err := c.compile(*n.let)
	if err != nil {
		return err
	}
	n.open, n.done, n.uses = false, true, uses
	text, truth, slot := compiled.text, compiled.truth, n.slot
	n.operand = operand{facts: compiled.facts}
	switch compiled.kind {
	case kindTimestamp:
	case kindBool:
		n.truth = func(e *environment) bool { return e.truths[slot] }
		n.compute = func(e *environment) { e.truths[slot] = truth(e) }
		c.order = append(c.order, n)
	default:
		n.text = func(e *environment) string { return e.values[slot] }
		n.compute = func(e *environment) { e.values[slot] = text(e) }
		c.order = append(c.order, n)
	}
	return nil
}

func (e *expression) not(node *ast.UnaryExpr, depth int) (operand, error) {
	of, err := e.compile(node.X, depth+1)
	if err != nil {
		return operand{}, err
	}
	if node.Op != token.NOT {
		return operand{}, e.errorAtNode(node, "+ joins two values; there is nothing before this one")
	}
	if of.kind != kindBool {
		return operand{}, e.errorAtNode(node, "! takes a bool, not %s", of.kind)
	}
	truth := of.truth
	return operand{facts: of.facts, truth: func(e *environment) bool { return !truth(e) }}, nil
}

func (e *expression) binary(node *ast.BinaryExpr, left, right operand) (operand, error) {
	switch node.Op {
	case token.ADD:
		return e.concatenate(node, left, right)
	case token.EQL, token.NEQ:
		if left.kind == kindString && right.kind == kindString {
			known, err := flowCompare(e.checker, call{source: e.source}, []operand{left, right})
			known.kind, known.max = kindBool, 1
			a, b, equal := left.text, right.text, node.Op == token.EQL
			return operand{facts: known, truth: func(e *environment) bool { return (a(e) == b(e)) == equal }}, err
		}
		if left.ofSecret || right.ofSecret {
			_, err := flowCompare(e.checker, call{source: e.source}, []operand{left, right})
			return operand{}, err
		}
		return operand{}, e.errorAtNode(node, "%s compares two strings, not %s and %s", node.Op, left.kind, right.kind)
	default: // the scanner lets no others through than && and ||
		if left.kind != kindBool || right.kind != kindBool {
			return operand{}, e.errorAtNode(node, "%s takes two bools, not %s and %s", node.Op, left.kind, right.kind)
		}
		known := join(left.facts, right.facts)
		known.kind, known.max = kindBool, 1
		a, b := left.truth, right.truth
		if node.Op == token.LAND {
			return operand{facts: known, truth: func(e *environment) bool { return a(e) && b(e) }}, nil
		}
		return operand{facts: known, truth: func(e *environment) bool { return a(e) || b(e) }}, nil
	}
}

// concatenate is +.
func (e *expression) concatenate(node *ast.BinaryExpr, left, right operand) (operand, error) {
	known := concatenate(left.facts, right.facts)
	joinable := func(k kind) bool { return k == kindString || k == kindBytes || k == kindSecret }
	switch {
	case (left.kind == kindString || left.kind == kindBytes) && left.kind == right.kind:
		known.kind = left.kind
	case (left.kind == kindSecret || right.kind == kindSecret) && joinable(left.kind) && joinable(right.kind):
		known.kind = kindSecret
	default:
		hint := "hex(…) or base64(…) makes a string of bytes"
		if left.kind == kindTimestamp || right.kind == kindTimestamp {
			hint = "now.unix(), now.rfc3339() and others make a string of a timestamp"
		}
		return operand{}, e.errorAtNode(node, "+ joins two strings, bytes and bytes, or a secret with any of these, not %s and %s; %s",
			left.kind, right.kind, hint)
	}
	if left.endsRequest && right.beginsRequest {
		e.lint(e.place + ": two fields that callers choose stand beside one another with nothing between them, so different requests can " +
			"have the same signature; if the API permits, put a separator between them")
	}
	e.remember(e.place, ambiguous(left.end, right.begin))
	parts := append(slices.Clone(left.pieces()), right.pieces()...)
	return operand{facts: known, parts: parts, text: func(e *environment) string {
		var joined strings.Builder
		for _, part := range parts {
			joined.WriteString(part(e))
		}
		return joined.String()
	}}, nil
}

// pieces are the parts that a text is joined of.
func (o operand) pieces() []evaluate {
	if o.parts != nil {
		return o.parts
	}
	return []evaluate{o.text}
}

// call is a call of a function or a method.
func (e *expression) call(node *ast.CallExpr, depth int) (operand, error) {
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
		return operand{}, e.errorAtNode(node, "only a name can be called")
	}
	function := e.functions[called.Name]
	switch {
	case function == nil && slices.Contains(predeclared, called.Name):
		return operand{}, e.errorAtNode(called, "this is a value, and no function: now.unix(), uuid, nonce, base_url")
	case function == nil:
		return operand{}, e.errorAtNode(called, "there is no such function; there are %s", functionNames(method))
	case function.method != method:
		return operand{}, e.errorAtNode(called, "write %s", function.usage())
	case node.Ellipsis.IsValid():
		return operand{}, e.errorAtNode(node, "this is not part of the language; %s", grammar)
	}
	args := make([]operand, len(nodes))
	kinds := make([]kind, len(nodes))
	for i, argument := range nodes {
		var err error
		if args[i], err = e.compile(argument, depth+1); err != nil {
			return operand{}, err
		}
		kinds[i] = args[i].kind
	}
	at := slices.IndexFunc(function.signatures, func(s signature) bool { return slices.Equal(s.takes, kinds) })
	if at < 0 {
		return operand{}, e.wrongArguments(called, function, kinds)
	}
	known, err := function.flow(e.checker, call{e.source, function}, args)
	if err != nil {
		return operand{}, err
	}
	known.kind = function.signatures[at].gives
	e.unit = max(e.unit, function.unit)
	if function.literal {
		return e.formatted(args[1], known)
	}
	sizes := make([]int, len(args))
	for i, arg := range args {
		sizes[i] = arg.max
	}
	known.max = function.size(sizes)
	return function.compiled(known, args), nil
}

// formatted is now.format.
func (e *expression) formatted(argument operand, known facts) (operand, error) {
	literal, is := argument.node.(*ast.BasicLit)
	if !is {
		return operand{}, e.errorAtNode(argument.node, "the layout is one string literal")
	}
	text, err := strconv.Unquote(literal.Value)
	compiled, valid := newLayout(text)
	if err != nil || !valid {
		return operand{}, e.errorAtNode(literal, "the layout can have %s", strings.ReplaceAll(directiveHelp(), "`", ""))
	}
	e.unit = max(e.unit, compiled.unit)
	known.fresh, known.max, known.min = compiled.fresh, compiled.max, min(compiled.max, 1)
	return operand{facts: known, text: func(e *environment) string { return compiled.format(e.now) }}, nil
}

// compiled is a call with arguments that fit.
func (f *function) compiled(known facts, args []operand) operand {
	a := args[0].text
	compiled := operand{facts: known}
	switch {
	case f.one != nil:
		one := f.one
		compiled.text = func(e *environment) string { return one(a(e)) }
	case f.two != nil:
		two, b := f.two, args[1].text
		compiled.text = func(e *environment) string { return two(a(e), b(e)) }
	case f.instant != nil:
		instant := f.instant
		compiled.text = func(e *environment) string { return instant(e.now) }
	case f.condition != nil:
		holds, b := f.condition, args[1].text
		compiled.truth = func(e *environment) bool { return holds(a(e), b(e)) }
	default: // choose
		holds, a, b := args[0].truth, args[1].text, args[2].text
		compiled.text = func(e *environment) string {
			if holds(e) {
				return a(e)
			}
			return b(e)
		}
	}
	return compiled
}

// wrongArguments says what a function takes, and why not these.
func (e *expression) wrongArguments(node ast.Node, f *function, kinds []kind) error {
	if f.condition != nil && slices.Contains(kinds, kindSecret) {
		return e.errorAtNode(node, compared)
	}
	var ways []string
	for _, s := range f.signatures {
		ways = append(ways, s.takesText())
	}
	given := signature{takes: kinds}.takesText()
	hint := ""
	if slices.Contains(kinds, kindBytes) {
		hint = "; hex(…) or base64(…) makes a string of bytes"
	}
	if len(kinds) > 0 && kinds[0] == kindString && slices.Equal(f.signatures[0].takes, []kind{kindBytes}) {
		hint = "; bytes(…) makes bytes of a string"
	}
	if strings.Contains(f.name, "hmac_") && len(kinds) == 2 && kinds[0] != kindSecret {
		hint = "; the key must be a secret"
	}
	return e.errorAtNode(node, "%s takes %s, not %s%s", f.usage(), alternatives(ways), given, hint)
}

// takesText are the kinds of arguments in words: "(secret, string)".
func (s signature) takesText() string {
	var words []string
	for _, k := range s.takes {
		words = append(words, k.String())
	}
	return "(" + strings.Join(words, ", ") + ")"
}

// usage is how a function is written: hex(x), s.contains(x), now.unix().
func (f *function) usage() string {
	if !f.method {
		return f.name + "(" + f.arguments + ")"
	}
	receiver := "s"
	if f.signatures[0].takes[0] == kindTimestamp {
		receiver = "now"
	}
	return receiver + "." + f.name + "(" + f.arguments + ")"
}

func functionNames(method bool) string {
	var names []string
	for _, f := range functionList {
		if f.method == method {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, ", ")
}
