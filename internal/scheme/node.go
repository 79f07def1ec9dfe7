package scheme

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxDocument is the size of the largest document, in bytes.
const maxDocument = 64 << 10

// errorAt is an error about a place in a document. Neither may quote a value: a secret may have been pasted anywhere, and Vault
// logs errors in plain text.
func errorAt(place, format string, args ...any) error {
	return fmt.Errorf("%s: %s", place, fmt.Sprintf(format, args...))
}

// lineOf is a place for which there is no accepted name.
func lineOf(node *yaml.Node) string { return fmt.Sprintf("line %d", node.Line) }

// parseYAML reads the one document in a text, and refuses what could make it read differently than it looks.
func parseYAML(text string) (*yaml.Node, error) {
	if len(text) > maxDocument {
		return nil, errorAt("scheme", "is longer than %d bytes", maxDocument)
	}
	if !utf8.ValidString(text) {
		return nil, errorAt("scheme", "is not UTF-8")
	}
	line := 1
	ascii := true
	for i, r := range text {
		switch {
		case r == '\n':
			line++
		case r == '\r' && strings.HasPrefix(text[i:], "\r\n"), r == '\t':
		case r >= utf8.RuneSelf && !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp):
			ascii = false
		case r < ' ', r > '~':
			return nil, errorAt(fmt.Sprintf("line %d", line), "contains a control character, a byte-order mark or a character that changes "+
				"the direction of text")
		}
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "%") {
			return nil, errorAt(fmt.Sprintf("line %d", i+1), "is a directive of YAML; leave it out")
		}
	}
	root, err := decodeYAML(text)
	if err != nil {
		return nil, err
	}
	if tagged := firstTag(root, lines); tagged != nil {
		return nil, errorAt(lineOf(tagged), "has a tag; leave it out, every value is text")
	}
	if ascii {
		return root, nil
	}
	// A character outside ASCII stands in a comment if the document means the same without it.
	other, err := decodeYAML(strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf {
			return 'x'
		}
		return r
	}, text))
	if err != nil {
		return nil, err
	}
	if at := firstDifference(root, other); at != nil {
		return nil, errorAt(lineOf(at), "contains a character outside ASCII, which only comments may: write it as an escape")
	}
	return root, nil
}

// firstTag is a node that begins with a !, or nil. Package yaml does not mark the tag ! itself.
func firstTag(node *yaml.Node, lines []string) *yaml.Node {
	if at := node.Column - 1; node.Line <= len(lines) && at < len(lines[node.Line-1]) && lines[node.Line-1][at] == '!' {
		return node
	}
	for _, child := range node.Content {
		if tagged := firstTag(child, lines); tagged != nil {
			return tagged
		}
	}
	return nil
}

// firstDifference is a node at which two documents differ, or nil.
func firstDifference(a, b *yaml.Node) *yaml.Node {
	if a.Kind != b.Kind || a.Value != b.Value || a.Tag != b.Tag || a.Anchor != b.Anchor || len(a.Content) != len(b.Content) {
		return a
	}
	for i := range a.Content {
		if at := firstDifference(a.Content[i], b.Content[i]); at != nil {
			return at
		}
	}
	return nil
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d{1,9}): `)

// decodeYAML is yaml.Decoder without its messages, which quote the document, and without its panics, if it has any left.
func decodeYAML(text string) (root *yaml.Node, err error) {
	defer func() {
		if recover() != nil {
			root, err = nil, errorAt("scheme", "is not YAML")
		}
	}()
	notYAML := func(err error) error {
		place := "scheme"
		if found := yamlLine.FindStringSubmatch(err.Error()); found != nil {
			place = "at or after line " + found[1] // package yaml often names where what is wrong begins
		}
		return errorAt(place, "is not YAML; put a value that begins with a quote, or has a colon, a #, a comma, a ? or braces in it, in single "+
			"quotes, or on a line of its own after >-")
	}
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	var document, more yaml.Node
	if err = decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil, errorAt("scheme", "is empty")
	}
	if err == nil {
		if err = decoder.Decode(&more); err == nil {
			return nil, errorAt(lineOf(&more), "a second document begins here; write one")
		}
	}
	if !errors.Is(err, io.EOF) {
		return nil, notYAML(err)
	}
	root = document.Content[0]
	return root, checkNodes(root)
}

// checkNodes refuses what the document may not contain: anchors, tags, merge keys and null.
func checkNodes(node *yaml.Node) error {
	switch {
	case node.Kind == yaml.AliasNode, node.Anchor != "":
		return errorAt(lineOf(node), "has an anchor or an alias; write the value out")
	case node.Style&yaml.TaggedStyle != 0:
		return errorAt(lineOf(node), "has a tag; leave it out, every value is text")
	case node.Tag == "!!merge":
		return errorAt(lineOf(node), "has a merge key; write the values out")
	case node.Kind == yaml.ScalarNode && node.Tag == "!!null":
		return errorAt(lineOf(node), `has no value; leave the key out, or write {} or ""`)
	}
	for _, child := range node.Content {
		if err := checkNodes(child); err != nil {
			return err
		}
	}
	return nil
}

// pair is a key of a mapping and its value.
type pair struct {
	key   string
	line  *yaml.Node
	value *yaml.Node
}

// place is where an error about the key is, before the key was accepted.
func (p pair) place() string { return lineOf(p.line) }

// pairs are those of a mapping, in its order. It has no key twice, and none but the known ones, unless there are none.
func pairs(node *yaml.Node, place string, known ...string) ([]pair, error) {
	if node.Kind != yaml.MappingNode && place == "scheme" {
		return nil, errorAt(place, "must be a mapping of names to values; from a file: scheme=@file")
	}
	if node.Kind != yaml.MappingNode {
		return nil, errorAt(place, "must be a mapping of names to values")
	}
	found := make([]pair, 0, len(node.Content)/2)
	seen := make(map[string]bool, len(node.Content)/2)
	for i := 0; i < len(node.Content); i += 2 {
		key := node.Content[i]
		switch {
		case key.Kind != yaml.ScalarNode:
			return nil, errorAt(lineOf(key), "a key must be text")
		case seen[key.Value]:
			return nil, errorAt(lineOf(key), "this key is in %s twice", place)
		case len(known) > 0 && !slices.Contains(known, key.Value):
			return nil, errorAt(lineOf(key), "unknown key in %s; the keys are %s", place, strings.Join(known, ", "))
		}
		seen[key.Value] = true
		found = append(found, pair{key.Value, key, node.Content[i+1]})
	}
	return found, nil
}

// scalar is a value as its text.
func scalar(node *yaml.Node, place string) (string, error) {
	if node.Kind != yaml.ScalarNode {
		return "", errorAt(place, "must be text")
	}
	return node.Value, nil
}

// boolean is a value that is true or false.
func boolean(node *yaml.Node, place string) (bool, error) {
	if node.Kind != yaml.ScalarNode || (node.Value != "true" && node.Value != "false") {
		return false, errorAt(place, "must be true or false")
	}
	return node.Value == "true", nil
}

// texts are the values of a mapping of texts, by key.
func texts(node *yaml.Node, place string, known ...string) (map[string]string, error) {
	found, err := pairs(node, place, known...)
	if err != nil {
		return nil, err
	}
	values := make(map[string]string, len(found))
	for _, p := range found {
		if values[p.key], err = scalar(p.value, p.place()); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// scalars are all of a document, keys included.
func scalars(node *yaml.Node) []string {
	if node.Kind == yaml.ScalarNode {
		return []string{node.Value}
	}
	var all []string
	for _, child := range node.Content {
		all = append(all, scalars(child)...)
	}
	return all
}
