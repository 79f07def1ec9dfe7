package scheme

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/internal/baseurl"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// maxExampleID is the size of the largest uuid or nonce of an example, in bytes.
const maxExampleID = 64

// example is a request with made-up or published secrets, and what signing it must give.
type example struct {
	place   string
	values  Values
	moment  Moment
	request map[string]string
	// want is by the names of headers and query parameters; "" is one that is left out because it is empty.
	want map[string]string
	// given are the keys that the example has.
	given map[string]bool
}

// readExamples reads the section examples.
func (d *document) readExamples(node *yaml.Node) error {
	if node.Kind != yaml.SequenceNode {
		return errorAt("examples", "must be a list")
	}
	if len(node.Content) > maxExamples {
		return errorAt("examples", "has more than %d", maxExamples)
	}
	for i, item := range node.Content {
		read, err := readExample(item, fmt.Sprintf("examples[%d]", i))
		if err != nil {
			return err
		}
		d.examples = append(d.examples, read)
	}
	return nil
}

func readExample(node *yaml.Node, place string) (example, error) {
	read := example{place: place, given: map[string]bool{}, values: Values{Secrets: map[string]secret.Text{}}}
	found, err := pairs(node, place, "name", "secrets", "fields", "request", "base_url", "now", "uuid", "nonce", "want")
	if err != nil {
		return example{}, err
	}
	for _, p := range found {
		read.given[p.key] = true
		at := place + "." + p.key
		var text string
		var values map[string]string
		switch p.key {
		case "secrets", "fields", "request", "want":
			values, err = texts(p.value, at)
		default:
			text, err = scalar(p.value, at)
		}
		if err != nil {
			return example{}, err
		}
		if err := read.set(p.key, text, values); err != nil {
			return example{}, err
		}
	}
	if len(read.want) == 0 {
		return example{}, errorAt(place, "has no want: the headers or query parameters that it must give")
	}
	return read, nil
}

// set takes the value of one key.
func (x *example) set(key, text string, values map[string]string) error {
	at := x.place + "." + key
	switch key {
	case "name":
		if !printable(text) || len(text) > maxMessage {
			return errorAt(at, "must be printable ASCII of at most %d bytes", maxMessage)
		}
	case "secrets":
		for name, value := range values {
			x.values.Secrets[name] = secret.Text(value)
		}
	case "fields":
		x.values.Fields = values
	case "request":
		x.request = values
	case "want":
		x.want = values
	case "base_url":
		if err := checkBaseURL(text); err != nil {
			return errorAt(at, "%s", err)
		}
		x.values.BaseURL, _ = baseurl.Parse(text) // as a config's is stored
	case "now":
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return errorAt(x.place+".now", "must be RFC 3339, such as 2026-01-02T03:04:05Z")
		}
		x.moment.Now = at
	default: // uuid and nonce
		if text == "" || len(text) > maxExampleID || !printable(text) {
			return errorAt(at, "must be printable ASCII of 1 to %d bytes", maxExampleID)
		}
		if key == "uuid" {
			x.moment.UUID = text
		} else {
			x.moment.Nonce = text
		}
	}
	return nil
}

// checkExamples says what is wrong with the examples, without signing them.
func (d *document) checkExamples(s *Scheme) error {
	wanted := map[string]bool{}
	for _, x := range d.examples {
		for _, predeclared := range predeclared {
			if s.uses[predeclared] && !x.given[predeclared] {
				return errorAt(x.place, "needs %s, which the scheme uses", predeclared)
			}
		}
		outputs := s.outputs()
		for _, known := range []struct {
			section string
			given   []string
			names   []string
		}{
			{"secrets", slices.Collect(maps.Keys(x.values.Secrets)), s.Secrets()},
			{"fields", slices.Collect(maps.Keys(x.values.Fields)), s.Fields()},
			{"request", slices.Collect(maps.Keys(x.request)), s.Request()},
			{"want", slices.Collect(maps.Keys(x.want)), outputNames(outputs)},
		} {
			for _, given := range known.given {
				if !slices.Contains(known.names, given) {
					return errorAt(x.place+"."+known.section, "has a key that the scheme does not declare; it declares: %s",
						strings.Join(known.names, ", "))
				}
			}
		}
		for want := range x.want {
			wanted[want] = true
		}
		if _, err := s.signer(x.values); err != nil {
			return errorAt(x.place, "%s", err)
		}
	}
	for _, output := range s.outputs() {
		if output.ofSecret && !wanted[output.name] {
			return errorAt(output.place, "has a digest of a secret in it, so at least one example must have it in its want")
		}
	}
	return nil
}

// outputs are the headers and query parameters.
func (s *Scheme) outputs() []output { return slices.Concat(s.headers, s.query) }

func outputNames(outputs []output) []string {
	names := make([]string, len(outputs))
	for i, output := range outputs {
		names[i] = output.name
	}
	return names
}

// CheckExamples signs the document's examples and compares what comes out. The error shows both, so it must be called
// after CheckHidden has made sure that no secret of the config is in the document.
func (s *Scheme) CheckExamples() error {
	whole, err := s.whole()
	if err != nil {
		return err
	}
	for _, x := range whole.document.examples {
		signer, err := s.signer(x.values)
		if err != nil {
			return errorAt(x.place, "%s", err)
		}
		signed, err := signer.Sign(x.moment, x.request)
		if err != nil {
			return errorAt(x.place, "%s", err)
		}
		for _, output := range s.outputs() {
			want, wanted := x.want[output.name]
			got := signed.Headers[output.name]
			if strings.HasPrefix(output.place, "query.") {
				got = signed.Query[output.name]
			}
			if wanted && got != want {
				return errorAt(x.place+".want."+output.name, "the scheme gives %q, and the example wants %q", got, want)
			}
		}
	}
	return nil
}

// publicTexts are where no secret of a config may occur: the document, every scalar of it, and the decoded secrets of the examples.
func (s *Scheme) publicTexts() ([]string, error) {
	whole, err := s.whole()
	if err != nil {
		return nil, err
	}
	d := whole.document
	public := slices.Clone(d.texts)
	for _, x := range d.examples {
		for _, declared := range d.secrets {
			if decoded, err := declared.decode(x.values.Secrets[declared.name]); err == nil {
				public = append(public, decoded.Reveal())
			}
		}
	}
	return public, nil
}
