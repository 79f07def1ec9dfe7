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
	fields   []*alphabet
}

// or is what may stand at the end of a value that has one of two edges.
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

// ambiguous are the names of the request fields at the edge between two values that can have the literal beside them in
// theirs: what ends the field, or what parts it from the one before and names it, such as "&folder=".
func ambiguous(left, right edge) []string {
	var names []string
	for _, field := range left.fields {
		if slices.ContainsFunc(right.literals, func(text string) bool { return field.hasAll(separator(text)) }) {
			names = append(names, field.name)
		}
	}
	for _, field := range right.fields {
		if slices.ContainsFunc(left.literals, func(text string) bool {
			return namesWhatFollows(text) && field.hasAll(text)
		}) {
			names = append(names, field.name)
		}
	}
	return names
}

// ambiguity is a place in a document, and the names of its request fields that can have the literal beside them in
// theirs.
type ambiguity struct {
	place  string
	fields []string
}

// remember adds the ambiguous fields of a place.
func (c *checker) remember(place string, fields []string) {
	at := slices.IndexFunc(c.ambiguities, func(known ambiguity) bool { return known.place == place })
	if at < 0 && fields != nil {
		c.ambiguities = append(c.ambiguities, ambiguity{place, fields})
	} else if at >= 0 {
		c.ambiguities[at].fields = firsts(c.ambiguities[at].fields, fields)
	}
}

// lintAmbiguities warns of each place once.
func (c *checker) lintAmbiguities() {
	for _, found := range c.ambiguities {
		c.lint(found.place + ": " + strings.Join(found.fields, ", ") + " can have the text in it that stands next to it, so " +
			"its value can pass for more than its own part of what is signed; declare a pattern without that text, or " +
			"percent_encode the field if the API does")
	}
}

// separator is how a literal ends the field before it: what is not letters or digits at its beginning, or else its
// first character.
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
