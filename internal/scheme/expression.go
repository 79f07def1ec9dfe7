package scheme

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// Limits of an expression.
const (
	maxExpression = 4 << 10 // bytes
	maxNodes      = 500     // parentheses count
	maxDepth      = 64      // of the tree
	maxNewNodes   = 1_500   // of all in a new document
)

// tokens are those of Go that the language has.
var tokens = []token.Token{
	token.IDENT, token.STRING, token.ADD, token.EQL, token.NEQ, token.LAND, token.LOR, token.NOT, token.LPAREN,
	token.RPAREN, token.COMMA, token.PERIOD, token.EOF,
}

const grammar = `an expression is names, strings ("..." or backquoted), calls such as hex(x), methods such as ` +
	`now.unix(), parentheses, and + == != && || !`

const notPart = "this is not part of the language; " + inQuotes + "; " + grammar

// inQuotes and noNumbers are for what people write who know other languages.
const (
	inQuotes  = `text stands in quotes of its own: '"HMAC-SHA256"'`
	noNumbers = "numbers are not part of the language"
)

// shownName matches what the name of a function can look like. Anything else may be a secret that was pasted in the
// wrong place, and is not quoted.
var shownName = regexp.MustCompile(`^[A-Za-z_]{1,24}[0-9]{0,3}$`)

// noFunction says that there is no such function.
func noFunction(name string) string {
	list := functionNames(func(f *function) bool { return !f.method })
	switch {
	case slices.Contains(predeclared, name):
		return name + " is a value, and no function; the values are now, uuid, nonce (32 hex digits) and base_url, and now " +
			"has methods, such as now.unix()"
	case shownName.MatchString(name):
		return "there is no function " + name + "; there are " + list
	default:
		return "there is no such function; there are " + list
	}
}

// noMethod says that values of a kind have no such method.
func noMethod(name string, of kind) string {
	said := "there is no such method"
	if shownName.MatchString(name) {
		said = "there is no method " + name
	}
	said += " of a " + of.String()
	if list := functionNames(func(f *function) bool { return f.of(of) }); list != "" {
		return said + "; there are " + list
	}
	return said + ", which has none"
}

// numberFault says what to write in place of a number among the arguments of a function; "" is none.
func numberFault(called string) string {
	found := functions[called]
	switch {
	case called == "":
		return noNumbers + "; " + inQuotes + "; " + grammar
	case found == nil:
		fault, list, _ := strings.Cut(noFunction(called), "; ")
		return fault + "; " + noNumbers + "; " + list
	case found.literals != "":
		return noNumbers + "; write " + found.usage() + " with " + found.literals
	default:
		return noNumbers + "; write " + found.usage()
	}
}

// refuseIn is a refusal of what is at an offset in an expression.
func (s source) refuseIn(offset int, format string, args ...any) refusal {
	before := s.text[:min(max(offset, 0), len(s.text))]
	line := ""
	if strings.Contains(strings.TrimRight(s.text, "\n"), "\n") {
		line = fmt.Sprintf(", line %d", 1+strings.Count(before, "\n"))
	}
	column := offset - strings.LastIndexByte(before, '\n')
	return refuseAt(fmt.Sprintf("%s%s, column %d", s.place, line, column), format, args...)
}

// refuse is a refusal of a node of an expression. An expression's positions begin at 1.
func (s source) refuse(node ast.Node, format string, args ...any) refusal {
	at := node.Pos()
	if binary, is := node.(*ast.BinaryExpr); is {
		at = binary.OpPos
	}
	return s.refuseIn(int(at)-1, format, args...)
}

// parse reads an expression. Its tree has only nodes that the checker knows, except selectors without a call.
func (s source) parse() ast.Expr {
	if len(s.text) > maxExpression {
		panic(refuseAt(s.place, "is longer than %d bytes", maxExpression))
	}
	if strings.TrimSpace(s.text) == "" {
		panic(refuseAt(s.place, "is empty; %s", grammar))
	}
	var scan scanner.Scanner
	file := token.NewFileSet().AddFile("", -1, len(s.text))
	fault := -1
	scan.Init(file, []byte(s.text), func(at token.Position, _ string) {
		if fault < 0 {
			fault = at.Offset
		}
	}, scanner.ScanComments)
	var calls []string // the names before the parentheses that are open
	last := ""
	for found := token.ILLEGAL; found != token.EOF; {
		var at token.Pos
		var text string
		at, found, text = scan.Scan()
		switch found { //nolint:exhaustive // the others do not matter here
		case token.LPAREN:
			calls = append(calls, last)
		case token.RPAREN:
			calls = calls[:max(len(calls)-1, 0)]
		case token.INT, token.FLOAT, token.IMAG:
			if fault < 0 {
				panic(s.refuseIn(file.Offset(at), "%s", numberFault(innermost(calls))))
			}
		}
		if last = ""; found == token.IDENT {
			last = text
		}
		newline := found == token.SEMICOLON && text == "\n" // the scanner inserts it; the parser knows where it may stand
		if fault < 0 && !newline && !slices.Contains(tokens, found) {
			fault = file.Offset(at)
		}
		if fault >= 0 && fault < len(s.text) && s.text[fault] == '"' {
			panic(s.refuseIn(fault, "this string does not end on its line: YAML made a line break of \\n, or cut the text off "+
				"at a #; write the expression in single quotes, or after >-"))
		}
		if fault >= 0 {
			panic(s.refuseIn(fault, notPart))
		}
	}
	tree, err := parser.ParseExpr(s.text)
	if err != nil {
		offset := 0
		if list, is := err.(scanner.ErrorList); is && len(list) > 0 { //nolint:errorlint // go/parser returns it bare
			offset = list[0].Pos.Offset
		}
		panic(s.refuseIn(offset, "this is not an expression; %s", grammar))
	}
	return tree
}

// innermost is the name of the function that is called in the innermost parentheses with a name; "" if there is none.
func innermost(calls []string) string {
	for _, called := range slices.Backward(calls) {
		if called != "" {
			return called
		}
	}
	return ""
}
