package scheme

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// ambiguousFields are the fields of which a lint says that they can have the literal beside them in theirs.
func ambiguousFields(t *testing.T, request, expression string) string {
	t.Helper()
	s, err := Parse(`secrets: {key: {}}
fields: {config: {}}
request: {` + request + `}
let: {sep: '"&"'}
headers: {X-Sig: 'hex(hmac_sha256(key, ` + expression + ` + "\n" + now.unix()))'}
ttl: 60s
examples:
  - secrets: {key: a}
    fields: {config: c}
    request: {a: a, b: b}
    now: 2026-01-02T03:04:05Z
    want: {X-Sig: x}
`)
	require.NoError(t, err, expression)
	found := []string{} // one lint for a place
	for _, lint := range s.Lints() {
		if name, is := strings.CutSuffix(lint, " can have the text in it that stands next to it, so its value can pass for "+
			"more than its own part of what is signed; declare a pattern without that text, or percent_encode the field if the "+
			"API does"); is {
			found = append(found, strings.ReplaceAll(strings.TrimPrefix(name, "headers.X-Sig: "), ", ", " "))
		}
	}
	require.LessOrEqual(t, len(found), 1, expression)
	return strings.Join(found, "")
}

func TestAmbiguousFieldsAreWarnedOf(t *testing.T) {
	t.Parallel()
	const plain = "a: {}, b: {}"
	for _, test := range []struct{ request, expression, want string }{
		// Cloudinary: folder=x&public_id=b.
		{plain, `"folder=" + a + "&public_id=" + b`, "a b"},
		{`a: {pattern: '[^&\n]+'}, b: {pattern: '[^&\n]+'}`, `"folder=" + a + "&public_id=" + b`, ""},
		{`a: {pattern: '[\w&]+'}, b: {pattern: '\w+'}`, `"folder=" + a + "&public_id=" + b`, "a"},
		// The last one can add a parameter too, but only with the equals sign of its name.
		{`a: {pattern: '\w+'}, b: {pattern: '[\w&=]+'}`, `"folder=" + a + "&public_id=" + b`, "b"},
		{`a: {pattern: '\w+'}, b: {pattern: '[\w=]+'}`, `"folder=" + a + "&public_id=" + b`, ""},
		{plain, `a + "&" + b`, "a"},
		{plain, `a + sep + b`, "a"},
		{plain, `a + ("&" + b)`, "a"},
		{plain, `a + (sep + b)`, "a"},
		{plain, `(a + "") + "&"`, "a"},
		{plain, `hex(bytes(a) + bytes("&"))`, "a"},
		{plain, `lower(a) + "&"`, "a"},
		{plain, `key + a + "&"`, "a"},
		{plain, `choose(a == "x", a, "y") + "&"`, "a"},
		{plain, `a + choose(b == "x", "", "&b=" + b) + "."`, "b a"},
		{`a: {}, b: {optional: true}`, `a + b + "&"`, "b a"},
		{`a: {}, b: {optional: true}`, `a + (b + "&")`, "b a"},
		{plain, `a + "\n" + b`, ""},
		{`a: {pattern: '(?s).+'}, b: {}`, `a + "\n" + b`, "a"},
		{`a: {pattern: '.+'}, b: {}`, `a + "\n" + b`, ""},
		{`a: {pattern: '(?i)k+'}, b: {}`, `a + "K" + b`, "a"},
		{`a: {pattern: '(?i)k+'}, b: {}`, `a + "\u212a" + b`, "a"}, // the Kelvin sign
		{`a: {pattern: 'k+'}, b: {}`, `a + "K" + b`, ""},
		{`a: {pattern: '(x|y[&])*z'}, b: {}`, `a + "&" + b`, "a"},
		{plain, `percent_encode(a) + "&" + b`, ""},
		{plain, `hex(sha256(a)) + "&" + b`, ""},
		{plain, `a + hex(sha256("&")) + b`, ""},
		{plain, `config + "&" + config`, ""},
		// Where it begins and ends is known.
		{plain, `"&" + a + " " + b`, ""},
		{plain, `"/api" + a + "\n" + b`, ""},
		{plain, `"v1:" + a + "/\n" + b`, ""},
		{`a: {}, b: {pattern: '(?s).+', optional: true}`, `a + "\n" + b + key`, ""},
		{`a: {}, b: {pattern: '(?s).+', optional: true}`, `a + "\n\n" + b + key`, ""},
		{plain, `a + "x" + b`, "a"},
		{`a: {pattern: '[^y]+'}, b: {}`, `a + "xy" + b`, "a"},
		{`a: {pattern: '.+'}, b: {}`, `a + "&" + b`, "a"},
		{`a: {pattern: '.+'}, b: {}`, `a + "\t" + b`, "a"},
		{`a: {pattern: '[^x]+'}, b: {}`, `a + "xy" + b`, ""},
	} {
		t.Run(test.expression+" of "+test.request, func(t *testing.T) {
			t.Parallel()
			request := test.request
			if !strings.Contains(test.expression, "b") {
				request = strings.Replace(request, "b: {}", "b: {pattern: b}", 1)
			}
			require.Equal(t, test.want, ambiguousFields(t, request, test.expression))
		})
	}
}

// A request string has characters only that its own rules admit.
func TestAlphabetOfRequestStrings(t *testing.T) {
	t.Parallel()
	everything, fault := newPattern(`(?s).*`)
	require.Empty(t, fault)
	target := field{name: requestString, pattern: everything, max: 100}.alphabet()
	require.True(t, target.hasAll("/a?b=c&d=%20+:;"))
	for _, refused := range []string{",", "\n", " ", "#", `\`} {
		require.False(t, target.hasAll("a"+refused), refused)
	}
	body := field{name: "body", pattern: everything, max: 100}.alphabet()
	require.True(t, body.hasAll("\n, #\u00e9"))
}

// However many literals and fields meet, it takes no time to speak of.
func TestEdgesAreBounded(t *testing.T) {
	t.Parallel()
	var many edge
	for i := range 1_000 {
		many = many.or(edge{literals: []string{fmt.Sprint(i)}, fields: []*edgeField{{}}})
	}
	require.Len(t, many.literals, maxEdge)
	require.Len(t, many.fields, maxEdge)
}
