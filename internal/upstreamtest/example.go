package upstreamtest

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// ExampleLogin is the login of a scheme's example, as far as a vendor plays it.
type ExampleLogin struct{ Answer ExampleAnswer }

// ExampleAnswer is the answer to a login in a scheme's example: a body, or headers and a body.
type ExampleAnswer struct {
	Headers map[string]string
	Body    string
}

// UnmarshalYAML reads either form.
func (a *ExampleAnswer) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		return node.Decode(&a.Body)
	}
	type whole ExampleAnswer
	return node.Decode((*whole)(a))
}

// instant is one in RFC 3339, without its fraction and its zone, which is UTC.
var instant = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d`)

// Handler gives the answer, by a clock that is later than the example's, with the vendor's own address in place of the
// example's base_url.
func (a ExampleAnswer) Handler(baseURL string, later time.Duration) http.HandlerFunc {
	body := instant.ReplaceAllStringFunc(a.Body, func(text string) string {
		const layout = "2006-01-02T15:04:05"
		at, err := time.Parse(layout, text)
		if err != nil {
			return text
		}
		return at.Add(later).Format(layout)
	})
	return func(w http.ResponseWriter, r *http.Request) {
		for name, value := range a.Headers {
			w.Header().Set(name, value)
		}
		here := body
		if baseURL != "" {
			here = strings.ReplaceAll(body, baseURL, "http://"+r.Host)
		}
		_, _ = io.WriteString(w, here) //nolint:gosec // it answers tests
	}
}
