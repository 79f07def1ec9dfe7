package scheme

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxDocument is the size of the largest document, in bytes.
const maxDocument = 64 << 10

// lineOf is a place for which there is no accepted name.
func lineOf(node *yaml.Node) string { return fmt.Sprintf("line %d", node.Line) }

// parseYAML reads the one document in a text, and refuses what could make it read differently than it looks.
func parseYAML(text string) *yaml.Node {
	if len(text) > maxDocument {
		panic(refuseAt("scheme", "is longer than %d bytes", maxDocument))
	}
	if !utf8.ValidString(text) {
		panic(refuseAt("scheme", "is not UTF-8"))
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
			panic(refuseAt(fmt.Sprintf("line %d", line), "contains a control character, a byte-order mark or a character that "+
				"changes the direction of text"))
		}
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "%") {
			panic(refuseAt(fmt.Sprintf("line %d", i+1), "is a directive of YAML; leave it out"))
		}
	}
	root := decodeYAML(text)
	refuseTags(root, lines)
	if ascii {
		return root
	}
	// A character outside ASCII stands in a comment if the document means the same without it.
	other := decodeYAML(strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf {
			return 'x'
		}
		return r
	}, text))
	if at := firstDifference(root, other); at != nil {
		panic(refuseAt(lineOf(at), "contains a character outside ASCII, which only comments may: write it as an escape"))
	}
	return root
}

const tagged = "has a tag; leave it out, every value is text"

// refuseTags refuses nodes that begin with a !. Package yaml does not mark the tag ! itself.
func refuseTags(node *yaml.Node, lines []string) {
	if node.Line <= len(lines) {
		if line, at := lines[node.Line-1], node.Column-1; at < len(line) && line[at] == '!' {
			panic(refuseAt(lineOf(node), tagged))
		}
	}
	for _, child := range node.Content {
		refuseTags(child, lines)
	}
}

// firstDifference is a node at which two documents differ, or nil.
func firstDifference(a, b *yaml.Node) *yaml.Node {
	if a.Kind != b.Kind || a.Value != b.Value || a.Tag != b.Tag || len(a.Content) != len(b.Content) {
		return a
	}
	for i := range a.Content {
		if at := firstDifference(a.Content[i], b.Content[i]); at != nil {
			return at
		}
	}
	return nil
}

// decodeYAML is yaml.Decoder without its messages, which quote the document, and without its panics, if it has any
// left.
func decodeYAML(text string) *yaml.Node {
	defer func() {
		fault := recover()
		if _, is := fault.(refusal); fault != nil && !is {
			fault = refuseAt("scheme", "is not YAML")
		}
		if fault != nil {
			panic(fault)
		}
	}()
	document, more, err := readYAML(text)
	switch {
	case err != nil:
		place, fault := faultyLine(text)
		panic(refuseAt(place, "is not YAML; %s", fault))
	case document == nil:
		panic(refuseAt("scheme", "is empty"))
	case more != nil:
		panic(refuseAt(lineOf(more), "a second document begins here; write one"))
	}
	root := document.Content[0]
	checkNodes(root)
	return root
}

// readYAML reads the document of a text, and another one after it; nil if there is none.
func readYAML(text string) (document, more *yaml.Node, err error) {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	for _, node := range []**yaml.Node{&document, &more} {
		var read yaml.Node
		if err := decoder.Decode(&read); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, nil, err
		}
		*node = &read
	}
	return document, more, nil
}

// faultyLine says where a text is not YAML, and what may help: all lines before it are YAML. Package yaml says where
// the map begins that the fault is in.
func faultyLine(text string) (place, help string) {
	lines := strings.SplitAfter(text, "\n")
	before := sort.Search(len(lines)-1, func(n int) bool {
		_, _, err := readYAML(strings.Join(lines[:n+1], ""))
		return err != nil
	})
	help = "put a value that begins with a quote, or has a colon, a #, a comma, a ? or braces in it, in single quotes, " +
		"or on a line of its own after >-; indent the names of a map alike"
	if strings.HasPrefix(strings.TrimLeft(lines[before], " "), "\t") {
		help = "indent it with spaces, not with a tab"
	}
	return fmt.Sprintf("at or after line %d", before+1), help
}

// checkNodes refuses what the document may not contain: anchors, tags, merge keys and null.
func checkNodes(node *yaml.Node) {
	switch {
	case node.Kind == yaml.AliasNode, node.Anchor != "":
		panic(refuseAt(lineOf(node), "has an anchor or an alias; write the value out"))
	case node.Style&yaml.TaggedStyle != 0:
		panic(refuseAt(lineOf(node), tagged))
	case node.Tag == "!!merge":
		panic(refuseAt(lineOf(node), "has a merge key; write the values out"))
	case node.Kind == yaml.ScalarNode && node.Tag == "!!null":
		panic(refuseAt(lineOf(node), `has no value; leave the key out, or write {} or ""`))
	}
	for _, child := range node.Content {
		checkNodes(child)
	}
}

// pair is a key of a mapping and its value. line is the place of a key that was not accepted yet.
type pair struct {
	key, line string
	value     *yaml.Node
}

// pairs are those of a mapping, in its order. It has no key twice, and none but the known ones, unless there are none.
// A mapping that is absent has no pairs.
func pairs(node *yaml.Node, place string, known ...string) []pair {
	if node == nil {
		return nil
	}
	if node.Kind != yaml.MappingNode {
		hint := ""
		if place == "scheme" {
			hint = "; from a file: scheme=@file"
		}
		panic(refuseAt(place, "must be a mapping of names to values%s", hint))
	}
	found := make([]pair, 0, len(node.Content)/2)
	seen := make(map[string]bool, len(node.Content)/2)
	for i := 0; i < len(node.Content); i += 2 {
		key := node.Content[i]
		switch {
		case key.Kind != yaml.ScalarNode:
			panic(refuseAt(lineOf(key), "a key must be text"))
		case seen[key.Value]:
			panic(refuseAt(lineOf(key), "this key is in %s twice", place))
		case len(known) > 0 && !slices.Contains(known, key.Value):
			panic(refuseAt(lineOf(key), "unknown key in %s; the keys are %s", place, strings.Join(known, ", ")))
		}
		seen[key.Value] = true
		found = append(found, pair{key.Value, lineOf(key), node.Content[i+1]})
	}
	return found
}

// scalar is a value as its text.
func scalar(node *yaml.Node, place string) string {
	if node.Kind != yaml.ScalarNode {
		panic(refuseAt(place, "must be text"))
	}
	return node.Value
}

// boolean reports whether a text is true, and not false.
func boolean(text, place string) bool {
	if text != "true" && text != "false" {
		panic(refuseAt(place, "must be true or false"))
	}
	return text == "true"
}

// texts are the values of a mapping of texts, by key.
func texts(node *yaml.Node, place string, known ...string) map[string]string {
	values := map[string]string{}
	for _, p := range pairs(node, place, known...) {
		values[p.key] = scalar(p.value, p.line)
	}
	return values
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
