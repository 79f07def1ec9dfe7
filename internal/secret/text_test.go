package secret_test

import (
	"bytes"
	"encoding"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

const canary = secret.Text("canary")

// holder has a secret in every kind of value that encoders and fmt look into.
type holder struct {
	Secret  secret.Text
	Pointer *secret.Text
	Any     any
	List    []secret.Text
	Array   [1]secret.Text
	Map     map[string]secret.Text
	Nested  struct{ Secret secret.Text }
}

func holding(text secret.Text) holder {
	return holder{
		Secret:  text,
		Pointer: &text,
		Any:     text,
		List:    []secret.Text{text},
		Array:   [1]secret.Text{text},
		Map:     map[string]secret.Text{"key": text},
		Nested:  struct{ Secret secret.Text }{text},
	}
}

// requireRedacted checks that a text contains [redacted] and not the canary, neither as text nor as the numbers of its
// bytes.
func requireRedacted(t *testing.T, printed, how string) {
	t.Helper()
	require.Contains(t, printed, "[redacted]", how)
	for _, form := range []string{"canary", "%x", "%X", "% x", "% X", "%d", "%o", "%b", "%U"} {
		leak := form
		if strings.HasPrefix(form, "%") {
			leak = strings.Trim(fmt.Sprintf(form, []byte("canary")), "[]")
		}
		require.NotContains(t, printed, leak, how)
	}
}

// fmt prints [redacted] for every verb, known or not, with any flags, width and precision. The exceptions are %p and
// %w: fmt calls no method of a Text for those, and go vet reports them.
func TestTextPrintsAsRedacted(t *testing.T) {
	t.Parallel()
	text := canary
	all := holding(text)
	all.Pointer = nil // within a struct, fmt prints the address of a pointer
	values := map[string]any{
		"text":                text,
		"pointer":             &text,
		"slice":               []secret.Text{text},
		"array":               [1]secret.Text{text},
		"slice of any":        []any{text, &text},
		"map":                 map[string]secret.Text{"key": text},
		"map of any":          map[string]any{"key": text},
		"struct":              struct{ Secret secret.Text }{text},
		"pointer to a struct": &struct{ Secret secret.Text }{text},
		"all of them":         all,
	}
	for name, value := range values {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, flags := range []string{"", "+", "#", "-", " ", "0", "10", "-10", "+#10.3", ".0", ".2", "20.4"} {
				for _, verb := range "vsqxXdtcboOUeEfFgGZ" {
					format := "%" + flags + string(verb)
					requireRedacted(t, fmt.Sprintf(format, value), format)
				}
			}
		})
	}
	requireRedacted(t, fmt.Sprint(text), "Sprint")
	requireRedacted(t, fmt.Sprintln(text), "Sprintln")
	requireRedacted(t, string(fmt.Append(nil, text)), "Append")
	requireRedacted(t, fmt.Errorf("config: %v", all).Error(), "Errorf")
	requireRedacted(t, text.String(), "String")
	requireRedacted(t, text.GoString(), "GoString")
}

// Encoders write [redacted].
func TestTextEncodesAsRedacted(t *testing.T) {
	t.Parallel()
	for name, marshal := range map[string]func(any) ([]byte, error){"JSON": json.Marshal, "YAML": yaml.Marshal} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := canary
			for _, value := range []any{text, &text, []secret.Text{text}, map[string]any{"key": text}, holding(text)} {
				encoded, err := marshal(value)
				require.NoError(t, err)
				requireRedacted(t, string(encoded), name)
			}
		})
	}
	encoded, err := xml.Marshal(struct {
		XMLName   xml.Name    `xml:"config"`
		Attribute secret.Text `xml:"attribute,attr"`
		Element   secret.Text
		List      []secret.Text
	}{Attribute: canary, Element: canary, List: []secret.Text{canary}})
	require.NoError(t, err)
	requireRedacted(t, string(encoded), "XML")

	var marshaler encoding.TextMarshaler = canary
	encoded, err = marshaler.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "[redacted]", string(encoded))
}

func TestTextIsLoggedAsRedacted(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(logged *bytes.Buffer) slog.Handler { return slog.NewTextHandler(logged, nil) },
		"JSON": func(logged *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(logged, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := canary
			for _, value := range []any{
				text, &text, []secret.Text{text}, map[string]secret.Text{"key": text}, struct{ Secret secret.Text }{text},
			} {
				var logged bytes.Buffer
				slog.New(handler(&logged)).Info("config", "value", value, slog.Group("group", "value", value))
				requireRedacted(t, logged.String(), fmt.Sprintf("%T", value))
			}
		})
	}
}

func TestTextReveals(t *testing.T) {
	t.Parallel()
	require.Equal(t, "canary", canary.Reveal())

	var decoded struct{ Secret secret.Text }
	require.NoError(t, json.Unmarshal([]byte(`{"Secret":"canary"}`), &decoded))
	require.Equal(t, "canary", decoded.Secret.Reveal())
}
