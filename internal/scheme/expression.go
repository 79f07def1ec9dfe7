package scheme

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
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
	token.IDENT, token.STRING, token.ADD, token.EQL, token.NEQ, token.LAND, token.LOR, token.NOT, token.LPAREN, token.RPAREN, token.COMMA,
	token.PERIOD, token.EOF,
}

const grammar = `an expression is names, strings ("..." or backquoted), calls such as hex(x), methods such as now.unix(), parentheses, ` +
	`and + == != && || !`

// errorIn is an error at an offset in an expression.
func (s source) errorIn(offset int, format string, args ...any) error {
	before := s.text[:min(max(offset, 0), len(s.text))]
	place := fmt.Sprintf("%s, column %d", s.place, offset-strings.LastIndexByte(before, '\n'))
	if strings.Contains(strings.TrimRight(s.text, "\n"), "\n") {
		place = fmt.Sprintf("%s, line %d, column %d", s.place, 1+strings.Count(before, "\n"), offset-strings.LastIndexByte(before, '\n'))
	}
	return errorAt(place, format, args...)
}

// errorAtNode is an error at a node of an expression.
func (s source) errorAtNode(node ast.Node, format string, args ...any) error {
	return s.errorIn(offsetOf(node), format, args...)
}

// offsetOf is where in its expression a node begins. An expression's positions begin at 1.
func offsetOf(node ast.Node) int {
	if binary, is := node.(*ast.BinaryExpr); is {
		return int(binary.OpPos) - 1
	}
	return int(node.Pos()) - 1
}

// parse reads an expression. Its tree has only nodes that the checker knows, except selectors without a call.
func (s source) parse() (ast.Expr, error) {
	if len(s.text) > maxExpression {
		return nil, errorAt(s.place, "is longer than %d bytes", maxExpression)
	}
	if strings.TrimSpace(s.text) == "" {
		return nil, errorAt(s.place, "is empty; %s", grammar)
	}
	var scan scanner.Scanner
	set := token.NewFileSet()
	file := set.AddFile("", -1, len(s.text))
	fault := -1
	scan.Init(file, []byte(s.text), func(at token.Position, _ string) {
		if fault < 0 {
			fault = at.Offset
		}
	}, scanner.ScanComments)
	for {
		at, found, text := scan.Scan()
		newline := found == token.SEMICOLON && text == "\n" // the scanner inserts it; the parser knows where it may stand
		if fault < 0 && !newline && !slices.Contains(tokens, found) {
			fault = file.Offset(at)
		}
		if fault >= 0 && fault < len(s.text) && s.text[fault] == '"' {
			return nil, s.errorIn(fault, "this string does not end on its line: YAML made a line break of \\n, or cut the text off at a #; write "+
				"the expression in single quotes, or after >-")
		}
		if fault >= 0 {
			return nil, s.errorIn(fault, "this is not part of the language; %s", grammar)
		}
		if found == token.EOF {
			break
		}
	}
	tree, err := parser.ParseExpr(s.text)
	if err != nil {
		offset := 0
		if list, is := err.(scanner.ErrorList); is && len(list) > 0 { //nolint:errorlint // go/parser returns it bare
			offset = list[0].Pos.Offset
		}
		return nil, s.errorIn(offset, "this is not an expression; %s", grammar)
	}
	return tree, nil
}
