package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is a YAML file. Its methods read nodes, and keep the first mistake. What they return after one is not used.
type document struct {
	file string
	err  error // names the file and the line
}

// wrong says what is wrong with a node.
func (d *document) wrong(node *yaml.Node, format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%s:%d: %s", d.file, node.Line, fmt.Sprintf(format, args...))
	}
}

// root parses a file that has one document, and returns that document's node.
func (d *document) root(content []byte) *yaml.Node {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	parsed, more := yaml.Node{Line: 1, Content: make([]*yaml.Node, 1)}, yaml.Node{}
	err := decoder.Decode(&parsed)
	if errors.Is(err, io.EOF) {
		d.wrong(&parsed, "the file is empty")
	} else if err == nil {
		if err = decoder.Decode(&more); err == nil {
			d.wrong(&more, "a second document begins here: write one")
		}
	}
	if err != nil && !errors.Is(err, io.EOF) { // yaml: line 3: ..., or without a line
		d.err = errors.New(d.file + ":" + strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml:"), " line "))
	}
	return parsed.Content[0]
}

// pair is a key of a mapping and its value.
type pair struct{ key, value *yaml.Node }

// pairs are those of a mapping, which has no key twice. what names the mapping in errors.
func (d *document) pairs(node *yaml.Node, what string) []pair {
	if d.err != nil {
		return nil
	}
	if node.Kind != yaml.MappingNode {
		d.wrong(node, "%s must be a mapping", what)
		return nil
	}
	var found []pair
	seen := map[string]int{}
	for i := 0; i < len(node.Content); i += 2 {
		key := node.Content[i]
		name := d.text(key, "a key of "+what)
		if line, twice := seen[name]; twice {
			d.wrong(key, "%q is here twice: first on line %d", name, line)
		}
		seen[name] = key.Line
		found = append(found, pair{key, node.Content[i+1]})
	}
	return found
}

// fields are the values of a mapping whose keys are known.
func (d *document) fields(node *yaml.Node, what string, known ...string) map[string]*yaml.Node {
	fields := map[string]*yaml.Node{}
	for _, p := range d.pairs(node, what) {
		if !slices.Contains(known, p.key.Value) {
			d.wrong(p.key, "unknown key %q in %s: the keys are %s", p.key.Value, what, strings.Join(known, ", "))
		}
		fields[p.key.Value] = p.value
	}
	return fields
}

// text is a scalar that is not empty; "" if it is not there.
func (d *document) text(node *yaml.Node, what string) string {
	if node == nil {
		return ""
	}
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" || node.Anchor != "" || node.Value == "" {
		d.wrong(node, "%s must be a text", what)
	}
	return node.Value
}

// list is a sequence that is not empty.
func (d *document) list(node *yaml.Node, what string) []*yaml.Node {
	if d.err != nil {
		return nil
	}
	if node.Kind != yaml.SequenceNode || len(node.Content) == 0 {
		d.wrong(node, "%s must be a list that is not empty", what)
	}
	return node.Content
}

// chosen reports whether a key is there. It has one value, which chooses what is not the default.
func (d *document) chosen(node *yaml.Node, what, value string) bool {
	if node != nil && (node.Kind != yaml.ScalarNode || node.Anchor != "" || node.Value != value) {
		d.wrong(node, "%s can only be %s", what, value)
	}
	return node != nil
}
