package scheme

import (
	"encoding/base64"
	"encoding/hex"
	"go/ast"
	"slices"
	"strconv"
	"strings"
)

// The functions here decode or cut public text. They can lose what their argument tells, so their flows say what is
// lost.

const decodesSecret = "is not for what a secret flows into, hashed or not: how it fails, or how long it is, would " +
	"tell something of the secret"

// refuseSecret refuses what a secret or what a login gives flows into, hashed or not.
func refuseSecret(at call, arg operand) {
	refuseGiven(at, []operand{arg}, "cut, decoded or measured")
	if arg.ofSecret {
		panic(at.refuse(arg.node, "%s %s", at.function.name, decodesSecret))
	}
}

// flowDecode is for queries that are decoded: every byte can be in the result, and what was encoded can separate. size
// is that of the result, by that of the argument and the literals.
func flowDecode(size func(n int, literals []string) int) flow {
	return func(c *checker, at call, args []operand) facts {
		refuseSecret(at, args[0])
		var literals []string
		for _, arg := range args[1:] {
			literals = append(literals, literalText(arg.node))
		}
		decoded := decodedFacts(args[0].facts)
		decoded.max = size(args[0].max, literals)
		// To order parameters, or to decode what separates them, makes values equal that were not.
		decoded.requested = args[0].distinct
		decoded.separates = args[0].separates || args[0].escapes
		if args[0].escapes {
			c.lint(at.place + ": " + at.function.name + " can turn an encoded & or = of what callers give into one that " +
				"separates, so different requests can have the same signature; if the API permits, use sorted_query or sign the " +
				"query as it is sent, or declare a pattern without %")
		}
		return decoded
	}
}

// decodedFacts are for a text that is made of the bytes that another one encodes.
func decodedFacts(of facts) facts {
	of.min, of.bare, of.unreserved, of.zeros, of.endsPublic = 0, false, false, true, true
	of.begin, of.end, of.lastRequest = edge{}, edge{}, of.varies
	if of.varies {
		of.begin, of.end = inside, inside
	}
	return of
}

// flowBytes is for unhex and unbase64. What is malformed gives nothing, so neither freshness nor a request is sure to
// pass.
func flowBytes(c *checker, at call, args []operand) facts {
	refuseSecret(at, args[0])
	decoded := decodedFacts(args[0].facts)
	decoded.fresh, decoded.requested, decoded.distinct = false, false, false
	if !args[0].varies {
		decode := at.function.compute([]evaluate{args[0].value})
		c.decodings = append(c.decodings, output{name: at.function.name, place: at.place, value: decode})
	}
	return decoded
}

// flowSegment is for a segment of a path, which there need not be.
func flowSegment(c *checker, at call, args []operand) facts {
	refuseSecret(at, args[0])
	if segmentNumber(literalText(args[1].node)) == 0 {
		panic(at.refuse(args[1].node, "must be a number in quotes, from \"1\" to \"16\""))
	}
	return flowCut(c, at, args[:1])
}

// flowHost is for the host of an address, which the config has.
func flowHost(_ *checker, at call, args []operand) facts {
	if !args[0].address {
		panic(at.refuse(args[0].node, "host_of takes base_url, or a field with address: true"))
	}
	return args[0].facts
}

// flowLength is for a length: that of uuid, nonce or a time is the same always.
func flowLength(_ *checker, at call, args []operand) facts {
	refuseSecret(at, args[0])
	measured := args[0].facts
	measured.fresh, measured.requested, measured.distinct = false, false, false
	measured.escapes, measured.separates, measured.zeros, measured.lastRequest = false, false, false, false
	measured.begin, measured.end, measured.endsPublic = edge{}, edge{}, true
	measured.min, measured.max = 1, len(strconv.Itoa(args[0].max))
	return measured
}

// maxLiteral is the size of the largest literal that an argument can be, in bytes.
const maxLiteral = 16

// checkLiteral refuses an argument that is not a short string literal.
func (e *expression) checkLiteral(node ast.Expr, what string) {
	if !isLiteral(node) {
		panic(e.refuse(node, "must be %s", what))
	}
	if len(literalText(node)) > maxLiteral {
		panic(e.refuse(node, "is longer than %d bytes", maxLiteral))
	}
}

func isLiteral(node ast.Expr) bool { _, is := node.(*ast.BasicLit); return is }

// literalText is the text of a string literal that was checked.
func literalText(node ast.Expr) string {
	literal, is := node.(*ast.BasicLit)
	if !is {
		return ""
	}
	text, _ := strconv.Unquote(literal.Value)
	return text
}

// queryPairs are the parameters of a query, decoded: names and values, and whether there was a =.
func queryPairs(query string) (pairs [][]string) {
	for piece := range strings.SplitSeq(query, "&") {
		if piece != "" {
			pair := strings.SplitN(piece, "=", 2)
			for i := range pair {
				pair[i] = formDecode(pair[i])
			}
			pairs = append(pairs, pair)
		}
	}
	return pairs
}

// decodedQuery is a query with its names and values decoded, and = only where there was one.
func decodedQuery(query string) string {
	var pieces []string
	for _, pair := range queryPairs(query) {
		pieces = append(pieces, strings.Join(pair, "="))
	}
	return strings.Join(pieces, "&")
}

// sortedPairs joins the decoded parameters of a query, sorted by name and then by value, as bytes: each is its name, a
// and its value, and b stands between them.
func sortedPairs(query, a, b string) string {
	pairs := queryPairs(query)
	for i, pair := range pairs {
		pairs[i] = append(pair, "")[:2]
	}
	slices.SortFunc(pairs, slices.Compare)
	pieces := make([]string, len(pairs))
	for i, pair := range pairs {
		pieces[i] = strings.Join(pair, a)
	}
	return strings.Join(pieces, b)
}

// unhex is the bytes of hex digits, nothing if they are malformed.
func unhex(text string) string {
	decoded, err := hex.DecodeString(text)
	if err != nil {
		return ""
	}
	return string(decoded)
}

// unbase64 is the bytes of base64, nothing if it is malformed.
func unbase64(text string) string {
	decoded, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") { // which package base64 skips
		return ""
	}
	return string(decoded)
}

// maxSegment is the last segment of a path that segment takes.
const maxSegment = 16

// segmentNumber is the number in a literal, 0 if it is none from 1 to 16.
func segmentNumber(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxSegment || strconv.Itoa(n) != text {
		return 0
	}
	return n
}

// segmentOf is a segment of a path, counted from 1 after the leading slash; nothing if there is none.
func segmentOf(path string, n int) string {
	rest := strings.TrimPrefix(pathOf(path), "/")
	for range n - 1 {
		var is bool
		if _, rest, is = strings.Cut(rest, "/"); !is {
			return ""
		}
	}
	found, _, _ := strings.Cut(rest, "/")
	return found
}

// hostOf is the authority of an address that was checked and cleaned, in lower case and without a default port.
func hostOf(address string) string {
	scheme, rest, is := strings.Cut(lowerASCII(address), "://")
	if !is {
		rest = scheme
	}
	host, _, _ := strings.Cut(rest, "/")
	if scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	} else {
		host = strings.TrimSuffix(host, ":80")
	}
	return strings.TrimSuffix(host, ":")
}

func length(text string) string { return strconv.Itoa(len(text)) }
