package scheme

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// maxEdge is how many literals, and how many fields, an edge remembers. It only serves warnings.
const maxEdge = 16

// edge is what may stand at one end of a value as it is: literals of the scheme, and request fields.
type edge struct {
	literals []string
	fields   []*edgeField
}

// edgeField is a request field, with the characters that its values may have.
type edgeField struct {
	name     string
	alphabet alphabet
}

// inside stands for what a cut can leave at an end: perhaps a request field, of whose characters nothing is known.
var inside = edge{fields: []*edgeField{{}}}

// or returns what may stand at the end of a value that has one of two edges.
func (e edge) or(other edge) edge {
	return edge{firsts(e.literals, other.literals), firsts(e.fields, other.fields)}
}

// firsts joins two lists, without repetition, as far as an edge remembers them.
func firsts[T comparable](a, b []T) []T {
	if len(a) == 0 {
		return b
	}
	joined := slices.Clone(a)
	for _, item := range b {
		if len(joined) < maxEdge && !slices.Contains(joined, item) {
			joined = append(joined, item)
		}
	}
	return joined
}

// ambiguous returns the names of the request fields where two values meet that can have the literal beside them in
// their own value: what ends the field, or what separates it from the one before and names it, such as "&folder=".
func ambiguous(left, right edge) []string {
	var names []string
	for _, field := range left.fields {
		if slices.ContainsFunc(right.literals, func(text string) bool { return field.alphabet.hasAll(separator(text)) }) {
			names = append(names, field.name)
		}
	}
	for _, field := range right.fields {
		if slices.ContainsFunc(left.literals, func(text string) bool {
			return namesWhatFollows(text) && field.alphabet.hasAll(text)
		}) {
			names = append(names, field.name)
		}
	}
	return names
}

// separator is the part of a literal that ends the field before it: what comes before its first letter or digit, or
// else its first character.
func separator(literal string) string {
	if end := strings.IndexFunc(literal, letterOrDigit); end > 0 {
		return literal[:end]
	} else if end < 0 {
		return literal
	}
	return literal[:1]
}

// namesWhatFollows reports whether a literal is a name between separators.
func namesWhatFollows(literal string) bool {
	first, _ := utf8.DecodeRuneInString(literal)
	last, _ := utf8.DecodeLastRuneInString(literal)
	return !letterOrDigit(first) && !letterOrDigit(last) && strings.ContainsFunc(literal, letterOrDigit)
}

func letterOrDigit(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}
