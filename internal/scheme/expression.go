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
	token.IDENT, token.STRING, token.ADD, token.EQL, token.NEQ, token.LAND, token.LOR, token.NOT, token.LPAREN,
	token.RPAREN, token.COMMA, token.PERIOD, token.EOF,
}

const grammar = `an expression is names, strings ("..." or backquoted), calls such as hex(x), methods such as ` +
	`now.unix(), parentheses, and + == != && || !`

const notPart = "this is not part of the language; " + grammar

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
	for found := token.ILLEGAL; found != token.EOF; {
		var at token.Pos
		var text string
		at, found, text = scan.Scan()
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
