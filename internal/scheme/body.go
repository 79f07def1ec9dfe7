package scheme

import (
	"maps"
	"strings"

	"go.yaml.in/yaml/v3"
)

// bodyOutput is the name of the body in the want of an example.
const bodyOutput = "body"

const contentType = "Content-Type"

// bodySource is the section body of a document: what the call carries.
type bodySource struct {
	// form has the parameters of a form; nil for a text.
	form []source
	// text is the whole body, and contentType its Content-Type; both are zero for a form.
	text, contentType source
}

// readBody reads the section body. One that is empty counts as absent.
func readBody(node *yaml.Node) *bodySource {
	body := &bodySource{}
	for _, p := range pairs(node, "body", bodyShape.keyNames()...) {
		switch place := "body." + p.key; p.key {
		case "form":
			body.form = readOutputs(p.value, place, queryFault)
		case "text":
			body.text = readSource(p, place)
		case "content_type":
			body.contentType = source{contentType, place, scalar(p.value, place)}
		}
	}
	form, text, typed := body.form != nil, body.text.place != "", body.contentType.place != ""
	switch {
	case !form && !text && !typed:
		return nil
	case form == text:
		panic(refuseAt("body", "has one of form and text"))
	case form && typed:
		panic(refuseAt("body.content_type", "is for text; a form is application/x-www-form-urlencoded"))
	case text && !typed:
		panic(refuseAt("body.content_type", `is required with text, such as '"application/json"'`))
	}
	return body
}

// checkBody refuses what a document with a body cannot declare beside it.
func (d *document) checkBody() {
	if d.body == nil {
		return
	}
	for _, f := range d.request {
		if f.name == bodyOutput {
			panic(refuseAt("request.body", "is not for a scheme with body, whose answer has the body that is sent; "+
				"use another name"))
		}
	}
	for _, header := range d.headers {
		if strings.EqualFold(strings.ReplaceAll(header.name, "_", "-"), contentType) {
			panic(refuseAt(header.place, "is that of the body; write it as body.content_type"))
		}
	}
	for _, outputs := range [][]source{d.headers, d.query, d.values} { // an example's want names all of them in one map
		for _, other := range outputs {
			if other.name == bodyOutput {
				panic(refuseAt(other.place, "has the name of the body, as an example's want has it"))
			}
		}
	}
}

// body compiles the section body to the body and its Content-Type, and adds the names in both to uses.
func (c *checker) body(b *bodySource, uses map[string]bool) (body, header output) {
	if b.form != nil {
		return c.form(b.form, uses), output{
			name: contentType, place: "body.form",
			value: func(*environment) string { return "application/x-www-form-urlencoded" },
		}
	}
	body, _ = c.output(b.text, kindString, uses)
	body.name = bodyOutput
	header, known := c.output(b.contentType, kindString, uses)
	if known.min == 0 {
		panic(refuseAt(header.place, "can be empty; a body needs a Content-Type"))
	}
	return body, header
}

// form compiles the parameters of a form to its text. One whose value is empty is left out.
func (c *checker) form(sources []source, uses map[string]bool) output {
	const place = "body.form"
	whole := output{name: bodyOutput, place: place, uses: map[string]bool{}}
	parameters := make([]output, len(sources))
	size := 0
	for i, source := range sources {
		compiled, known := c.output(source, kindString, uses)
		parameters[i] = output{name: source.name, value: compiled.value}
		whole.ofSecret = whole.ofSecret || compiled.ofSecret
		whole.given, whole.digest = whole.given || compiled.given, whole.digest || compiled.digest
		maps.Copy(whole.uses, compiled.uses)
		size += len("&") + len(encodedPair(source.name, "")) + 3*known.max
	}
	if size--; size > maxValue { // no & stands before the first
		panic(refuseAt(place, "can have more than %d bytes when it is percent-encoded; declare a smaller max", maxValue))
	}
	if c.total += size; c.total > maxTotal {
		panic(refuseAt(place, "the values of all expressions together can have more than 4 MiB; declare a smaller max"))
	}
	whole.value = func(e *environment) string { return encodedPairs(parameters, e) }
	return whole
}
