package scheme

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

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
	// want is by the names of headers, query parameters and values; "" is one that is left out because it is empty.
	want map[string]string
	// login is what the example says of the login; nil for nothing.
	login *exampleLogin
	// given are the keys that the example has.
	given map[string]bool
}

// readExamples reads the section examples.
func (d *document) readExamples(node *yaml.Node) {
	if node == nil {
		return
	}
	if node.Kind != yaml.SequenceNode {
		panic(refuseAt("examples", "must be a list"))
	}
	if len(node.Content) > maxExamples {
		panic(refuseAt("examples", "has more than %d", maxExamples))
	}
	for i, item := range node.Content {
		d.examples = append(d.examples, readExample(item, fmt.Sprintf("examples[%d]", i)))
	}
}

func readExample(node *yaml.Node, place string) example {
	x := example{place: place, given: map[string]bool{}, values: Values{Secrets: map[string]secret.Text{}}}
	for _, p := range pairs(node, place, exampleShape.keyNames()...) {
		x.given[p.key] = true
		at := place + "." + p.key
		switch p.key {
		case "secrets":
			for name, value := range texts(p.value, at) {
				x.values.Secrets[name] = secret.Text(value)
			}
		case "fields":
			x.values.Fields = texts(p.value, at)
		case "request":
			x.request = texts(p.value, at)
		case "login":
			x.login = readExampleLogin(p.value, at)
		case "want":
			x.want = texts(p.value, at)
		case "name":
			if text := scalar(p.value, at); !printable(text) || len(text) > maxMessage {
				panic(refuseAt(at, "must be printable ASCII of at most %d bytes", maxMessage))
			}
		case "base_url":
			text := scalar(p.value, at)
			if err := checkBaseURL(text); err != nil {
				panic(refuseAt(at, "%s", err))
			}
			x.values.BaseURL = cleanAddress(text) // as a config's is stored
		case "now":
			now, err := time.Parse(time.RFC3339Nano, scalar(p.value, at))
			if err != nil {
				panic(refuseAt(at, "must be RFC 3339, such as 2026-01-02T03:04:05Z"))
			}
			x.moment.Now = now
		case "uuid":
			x.moment.UUID = readExampleID(p.value, at)
		case "nonce":
			x.moment.Nonce = readExampleID(p.value, at)
		}
	}
	x.moment.Gives = x.login.given()
	if len(x.want) == 0 {
		panic(refuseAt(place, "has no want: the headers, query parameters or values that it must give"))
	}
	return x
}

// readExampleID reads a uuid or a nonce.
func readExampleID(node *yaml.Node, place string) string {
	text := scalar(node, place)
	if text == "" || len(text) > maxExampleID || !printable(text) {
		panic(refuseAt(place, "must be printable ASCII of 1 to %d bytes", maxExampleID))
	}
	return text
}

// checkExamples refuses what is wrong with the examples, without signing them.
func (s *Scheme) checkExamples() {
	outputs := s.outputs()
	var names []string
	for _, output := range outputs {
		names = append(names, output.name)
	}
	wanted := map[string]bool{}
	for _, x := range s.document.examples {
		for _, name := range predeclared {
			if s.uses[name] && !x.given[name] {
				panic(refuseAt(x.place, "needs %s, which the scheme uses", name))
			}
		}
		known := func(section string, names []string, given iter.Seq[string]) {
			for name := range given {
				if !slices.Contains(names, name) {
					panic(refuseAt(x.place+"."+section, "has a key that the scheme does not declare; it declares: %s",
						strings.Join(names, ", ")))
				}
			}
		}
		known("secrets", s.Secrets(), maps.Keys(x.values.Secrets))
		known("fields", s.Fields(), maps.Keys(x.values.Fields))
		known("request", s.Request(), maps.Keys(x.request))
		known("want", names, maps.Keys(x.want))
		for want := range x.want {
			wanted[want] = true
		}
		if _, err := s.signer(x.values); err != nil {
			panic(refuseAt(x.place, "%s", err))
		}
		s.checkExampleLogin(x)
	}
	s.checkLoginWanted()
	for _, output := range outputs {
		if output.ofSecret && !wanted[output.name] {
			panic(refuseAt(output.place, "has a digest of a secret in it, so at least one example must have it in its want"))
		}
	}
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
			return refuseAt(x.place, "%s", err)
		}
		if err := whole.runLogin(x); err != nil {
			return err
		}
		signed, err := s.inTurn(context.Background(), func() (Signed, error) { return signer.Sign(x.moment, x.request) })
		if err != nil {
			return refuseAt(x.place, "%s", err)
		}
		for _, output := range whole.outputs() {
			want, wanted := x.want[output.name]
			// No two outputs have the same name.
			got := signed.Headers[output.name] + signed.Query[output.name] + signed.Values[output.name]
			if wanted && got != want {
				return refuseAt(x.place+".want."+output.name, "the scheme gives %q, and the example wants %q%s%s", got, want,
					whole.hashedFor(x, output), s.encodingHint(x))
			}
		}
	}
	return nil
}
