package scheme

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// maxJSONDepth is how deep JSON of an answer may be nested.
const maxJSONDepth = 64

// The faults of an answer that is to be JSON.
var (
	errNotJSON   = errors.New("the answer is not JSON")
	errJSONDepth = errors.New("the answer is JSON that is nested more than 64 deep")
	errJSONTwice = errors.New("uses a name that the answer has twice")
)

// pointer is where a value stands in JSON (RFC 6901). Without tokens it is the whole text.
type pointer struct{ tokens []string }

// readPointer reads a pointer of a document.
func readPointer(text, place string) *pointer {
	if len(text) > maxPointer || !printable(text) || text != "" && text[0] != '/' ||
		strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(text), "~") {
		panic(refuseAt(place, "must be a JSON pointer (RFC 6901) of at most %d bytes of printable ASCII, such as /data/token",
			maxPointer))
	}
	read := &pointer{}
	if text != "" {
		for token := range strings.SplitSeq(text[1:], "/") {
			read.tokens = append(read.tokens, strings.NewReplacer("~1", "/", "~0", "~").Replace(token))
		}
	}
	if len(read.tokens) >= maxJSONDepth {
		panic(refuseAt(place, "has %d parts or more", maxJSONDepth))
	}
	return read
}

// jsonKind is what a value of JSON is.
type jsonKind int

const (
	jsonQuoted    jsonKind = iota // a string
	jsonNumber                    // whose text is that of the source
	jsonWord                      // true, false or null
	jsonComposite                 // an object or a list
)

// jsonValue is a value of JSON. The text of a string is decoded.
type jsonValue struct {
	kind jsonKind
	text string
}

// jsonText is a text of JSON from outside.
type jsonText struct {
	text []byte
	// err is what is wrong with it.
	err error
	// known are the values on the ways of pointers so far, which have beginnings in common: looking for one takes as long
	// as reading all that is around it.
	known map[string]knownChild
}

// knownChild is what childOf returned.
type knownChild struct {
	value json.RawMessage
	err   error
}

// newJSONText checks a text. It needs little memory, however the text is nested.
func newJSONText(text []byte) *jsonText {
	switch {
	case jsonDepth(text) > maxJSONDepth:
		return &jsonText{err: errJSONDepth}
	case !json.Valid(text):
		return &jsonText{err: errNotJSON}
	}
	return &jsonText{text: text, known: map[string]knownChild{}}
}

// jsonDepth is how deep a text of JSON is nested.
func jsonDepth(text []byte) int {
	depth, deepest := 0, 0
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// find is the value at a pointer. is reports whether there is one; there is none in a text that is not JSON.
func (j *jsonText) find(at *pointer) (found jsonValue, is bool, err error) {
	if j.err != nil {
		return jsonValue{}, false, nil //nolint:nilerr // a text that is not JSON has no values
	}
	value := bytes.TrimSpace(j.text)
	way := ""
	for _, token := range at.tokens {
		way += token + "\n" // which no pointer has in it
		child, is := j.known[way]
		if !is {
			child.value, child.err = childOf(value, token)
			j.known[way] = child
		}
		if value = child.value; value == nil {
			return jsonValue{}, false, child.err
		}
	}
	switch value[0] {
	case '"':
		_ = json.Unmarshal(value, &found.text) // which is valid
		return found, true, nil
	case '{', '[':
		return jsonValue{kind: jsonComposite}, true, nil
	case 't', 'f', 'n':
		return jsonValue{jsonWord, string(value)}, true, nil
	}
	return jsonValue{jsonNumber, string(value)}, true, nil
}

// childOf is a member of an object, or an item of a list; nil if there is none.
func childOf(value json.RawMessage, token string) (child json.RawMessage, err error) {
	isObject, isList := value[0] == '{', value[0] == '['
	if !isObject && !isList {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	_, _ = decoder.Token() // of valid JSON, as the others
	for i := 0; decoder.More(); i++ {
		name := strconv.Itoa(i)
		if isObject {
			key, _ := decoder.Token()
			name, _ = key.(string)
		}
		var next json.RawMessage
		if err := decoder.Decode(&next); err != nil {
			return nil, errNotJSON
		}
		if name != token {
			continue
		}
		if child != nil {
			return nil, errJSONTwice
		}
		child = next
	}
	return child, nil
}
