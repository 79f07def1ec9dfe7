package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is a YAML file. Its methods read nodes and return errors that name the file and the line.
type document struct{ file string }

func (d document) errorf(line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", d.file, line, fmt.Sprintf(format, args...))
}

var syntaxError = regexp.MustCompile(`(?s)^yaml: (?:line (\d+): )?(.*)$`)

// root parses a file that has one document, and returns that document's node.
func (d document) root(content []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var parsed, more yaml.Node
	switch err := decoder.Decode(&parsed); {
	case errors.Is(err, io.EOF):
		return nil, d.errorf(1, "the file is empty")
	case err != nil:
		return nil, d.syntax(err)
	}
	switch err := decoder.Decode(&more); {
	case err == nil:
		return nil, d.errorf(more.Line, "a second document begins here: write one")
	case !errors.Is(err, io.EOF):
		return nil, d.syntax(err)
	}
	return parsed.Content[0], nil
}

func (d document) syntax(err error) error {
	found := syntaxError.FindStringSubmatch(err.Error())
	if found == nil || found[1] == "" {
		return fmt.Errorf("%s: %s", d.file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return fmt.Errorf("%s:%s: %s", d.file, found[1], found[2])
}

// pair is a key of a mapping and its value.
type pair struct{ key, value *yaml.Node }

// pairs are those of a mapping, which has no key twice. what names the mapping in errors.
func (d document) pairs(node *yaml.Node, what string) ([]pair, error) {
	if node.Kind != yaml.MappingNode {
		return nil, d.errorf(node.Line, "%s must be a mapping", what)
	}
	var found []pair
	seen := map[string]int{}
	for i := 0; i < len(node.Content); i += 2 {
		key := node.Content[i]
		name, err := d.text(key, "a key of "+what)
		if err != nil {
			return nil, err
		}
		if line, twice := seen[name]; twice {
			return nil, d.errorf(key.Line, "%q is here twice: first on line %d", name, line)
		}
		seen[name] = key.Line
		found = append(found, pair{key, node.Content[i+1]})
	}
	return found, nil
}

// fields are the values of a mapping whose keys are known.
func (d document) fields(node *yaml.Node, what string, known ...string) (map[string]*yaml.Node, error) {
	pairs, err := d.pairs(node, what)
	if err != nil {
		return nil, err
	}
	fields := map[string]*yaml.Node{}
	for _, p := range pairs {
		if !slices.Contains(known, p.key.Value) {
			all := strings.Join(known, ", ")
			return nil, d.errorf(p.key.Line, "unknown key %q in %s: the keys are %s", p.key.Value, what, all)
		}
		fields[p.key.Value] = p.value
	}
	return fields, nil
}

// text is a scalar that is not empty.
func (d document) text(node *yaml.Node, what string) (string, error) {
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" || node.Anchor != "" || node.Value == "" {
		return "", d.errorf(node.Line, "%s must be a text", what)
	}
	return node.Value, nil
}

// list is a sequence that is not empty.
func (d document) list(node *yaml.Node, what string) ([]*yaml.Node, error) {
	if node.Kind != yaml.SequenceNode || len(node.Content) == 0 {
		return nil, d.errorf(node.Line, "%s must be a list that is not empty", what)
	}
	return node.Content, nil
}

// chosen reports whether a key is there. It has one value, which chooses what is not the default.
func (d document) chosen(node *yaml.Node, what, value string) (bool, error) {
	if node == nil {
		return false, nil
	}
	if text, err := d.text(node, what); err != nil || text != value {
		return false, d.errorf(node.Line, "%s can only be %s", what, value)
	}
	return true, nil
}
