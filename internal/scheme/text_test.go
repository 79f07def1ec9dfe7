package scheme

import (
	"fmt"
	"regexp/syntax"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// The expected values are Python's: urllib.parse.quote(text, safe="").
func TestPercentEncode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                     "",
		"azAZ09-._~":           "azAZ09-._~",
		"a b+c/\u00e9*":        "a%20b%2Bc%2F%C3%A9%2A",
		"%41&=?":               "%2541%26%3D%3F",
		"!\"#$'(),:;@[]\n\x00": "%21%22%23%24%27%28%29%2C%3A%3B%40%5B%5D%0A%00",
	} {
		t.Run(fmt.Sprintf("%q", text), func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, percentEncode(text))
		})
	}
}

// The expected values are Python's: urllib.parse.quote(text, safe="/").
func TestPercentEncodePath(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                   "",
		"/":                                  "/",
		"/a b/:*/~-._//":                     "/a%20b/%3A%2A/~-._//",
		"/model/a.b-v1%3A0/invoke":           "/model/a.b-v1%253A0/invoke",
		"/%2F%2f":                            "/%252F%252f",
		"/logs-*/_search\u00e9":              "/logs-%2A/_search%C3%A9",
		"/functions/arn:aws:lambda:eu:1:f:b": "/functions/arn%3Aaws%3Alambda%3Aeu%3A1%3Af%3Ab",
	} {
		t.Run(fmt.Sprintf("%q", text), func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, percentEncodePath(text))
		})
	}
}

// The expected values are Python's: "&".join(f"{k}={v}" for k, v in sorted((quote(k, safe=""), quote(v, safe="")) for
// k, v in parse_qsl(query, keep_blank_values=True))). A % that begins no escape stays, as with parse_qsl.
func TestSortedQuery(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"":                     "",
		"&&":                   "",
		"b=2&a=1":              "a=1&b=2",
		"a=2&a=1&a":            "a=&a=1&a=2",
		"a=b=c":                "a=b%3Dc",
		"a+b=c+d":              "a%20b=c%20d",
		"%61=1&b":              "a=1&b=",
		"a=%zz&b=%4":           "a=%25zz&b=%254",
		"A=1&a=2&%2B=3":        "%2B=3&A=1&a=2",
		"x=%e3%81%82":          "x=%E3%81%82",
		"a-b=1&a.b=2&a=3&a~=4": "a=3&a-b=1&a.b=2&a~=4", // by the whole name, not by the text with its =
		"=v":                   "=v",
	} {
		t.Run(fmt.Sprintf("%q", query), func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, sortedQuery(query))
		})
	}
}

// The expected values are JavaScript's JSON.stringify, which escapes control characters in this way; U+2028 and U+2029
// are escaped too.
func TestJSONString(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                             `""`,
		"a\"b\\c/<>&":                  `"a\"b\\c/<>&"`,
		"\b\f\n\r\t":                   `"\b\f\n\r\t"`,
		"\x00\x1f\x7f":                 "\"\\u0000\\u001f\x7f\"",
		"\u00e9\u2028\u2029\U0001f600": "\"\u00e9\\u2028\\u2029\U0001f600\"",
		"a\xffb\xc3":                   `"a\ufffdb\ufffd"`,
		"\ufffd":                       "\"\ufffd\"",
	} {
		t.Run(fmt.Sprintf("%q", text), func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, jsonString(text))
		})
	}
}

func TestSmallTextFunctions(t *testing.T) {
	t.Parallel()
	require.Equal(t, "az\u00c9\u0130", lowerASCII("AZ\u00c9\u0130"))
	require.Equal(t, "AZ\u00e9\u00df", upperASCII("az\u00e9\u00df"))
	require.Equal(t, "a b\v", trim(" \t\r\na b\v\n"))
	require.Equal(t, []string{"/a", "b?c"}, []string{pathOf("/a?b?c"), queryOf("/a?b?c")})
	require.Equal(t, []string{"/a", ""}, []string{pathOf("/a"), queryOf("/a")})
}

// The expected values are those of GNU date -u, with %3N and %6N for fractions.
func TestInstants(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 4, 4, 5, 678_999_999, time.FixedZone("", 3600))
	for name, want := range map[string]string{
		"rfc3339":    "2026-01-02T03:04:05Z",
		"rfc3339_ms": "2026-01-02T03:04:05.678Z",
		"http_date":  "Fri, 02 Jan 2026 03:04:05 GMT",
		"unix":       "1767323045",
		"unix_ms":    "1767323045678",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, functions[name].build([]operand{{}})(&environment{now: at}))
		})
	}
	for text, want := range map[string]string{
		"":                            "",
		"%Y%m%dT%H%M%SZ":              "20260102T030405Z",
		"%a, %d %b %y":                "Fri, 02 Jan 26",
		"%S.%3f %S.%6f %%Y 2006 .000": "05.678 05.678999 %Y 2006 .000",
	} {
		t.Run(fmt.Sprintf("%q", text), func(t *testing.T) {
			t.Parallel()
			compiled, valid := newLayout(text)
			require.True(t, valid)
			require.Equal(t, want, compiled.format(at.UTC()))
			require.GreaterOrEqual(t, compiled.max, len(want))
		})
	}
	for _, text := range []string{"%", "%q", "%2f", "%Z", "a%", "%-d"} {
		t.Run(fmt.Sprintf("%q", text), func(t *testing.T) {
			t.Parallel()
			_, valid := newLayout(text)
			require.False(t, valid)
		})
	}
}

// The expected values are those of GNU date -u -d "2026-01-02 03:04:05 UTC + …".
func TestTimesFromNow(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{
		`now.plus("9m").unix()`:                                 "1767323585",
		`now.minus("60s").rfc3339()`:                            "2026-01-02T03:03:05Z",
		`now.plus("24h").minus("1h").http_date()`:               "Sat, 03 Jan 2026 02:04:05 GMT",
		`now.minus("24h").format("%Y-%m-%dT%H:%M:%S.%3f")`:      "2026-01-01T03:04:05.678",
		`now.plus("1h30m").rfc3339_ms()`:                        "2026-01-02T04:34:05.678Z",
		`now.plus("1s").minus("1s").unix_ms()`:                  "1767323045678",
		`later.plus("1m").unix() + "," + now.unix()`:            "1767323165,1767323045",
		`choose(later.unix() == now.unix(), "same", "another")`: "another",
	} {
		t.Run(expression, func(t *testing.T) {
			t.Parallel()
			s, err := Parse(`secrets: {key: {}}
let: {later: 'now.plus("1m")'}
headers: {X-Test: '` + expression + `', X-Sig: 'hex(hmac_sha256(key, now.unix()))'}
ttl: 60s
examples: [{secrets: {key: a}, now: 2026-01-02T03:04:05.678Z, want: {X-Sig: x}}]
`)
			require.NoError(t, err)
			signer, err := s.Signer(Values{Secrets: map[string]secret.Text{"key": "k"}, BaseURL: "https://api.example"})
			require.NoError(t, err)
			signed, err := signer.Sign(Moment{Now: time.Unix(1767323045, 678_000_000)}, nil)
			require.NoError(t, err)
			require.Equal(t, want, signed.Headers["X-Test"])
		})
	}
}

// A pattern matches whole values, and nothing in it can change that.
func TestPatternsAreAnchored(t *testing.T) {
	t.Parallel()
	for text, values := range map[string][2]string{ // one that matches, and one that does not
		"a|b":        {"b", "ab"},
		"a":          {"a", "a\n"},
		"^a$":        {"a", "ba"},
		"(?m)^a$":    {"a", "a\nb"},
		"(?i)a":      {"A", "b"},
		"(?s).*":     {"a\nb", ""},
		".*":         {"a", "a\nb"},
		`\Qa.b\E`:    {"a.b", "axb"},
		`\\Qa`:       {`\Qa`, "a"},
		"a*":         {"", "b"},
		`\Aa\z|b`:    {"b", "ac"},
		"a||b":       {"", "c"},
		`[!-+\--~]+`: {"a/b", "a,b"},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			p, fault := newPattern(text)
			require.Empty(t, fault)
			require.True(t, p.matches(values[0]))
			if values[1] != "" {
				require.False(t, p.matches(values[1]))
			}
		})
	}
	for _, text := range []string{
		`a)|(b`, `\Qa`, `\Qa\E\Qb`, `(`, `)`, `a\`, `(?P<n>`, `[a`, `\8`, `(?=a)`, strings.Repeat(`\pL`, 9), `(?i)\x{100}`,
		"(?i)\u00e9",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			_, fault := newPattern(text)
			require.NotEmpty(t, fault)
			require.NotContains(t, fault, text+" ")
		})
	}
	for text, admits := range map[string]bool{
		`[!-+\--~]+`: false,
		"[a-z]+":     false,
		"a,b":        true,
		".":          true,
		"(?s).":      true,
		"[^a]":       true,
		"[+--]":      true,
		`\x2c`:       true,
		`\S`:         true,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			p, fault := newPattern(text)
			require.Empty(t, fault)
			require.Equal(t, admits, p.characters.hasAll(","))
		})
	}
}

// Patterns that would compile to large programs are refused before they are compiled.
func TestLargePatternsAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"a{1000}{3}", "((a{40}){40}){40}", "(a{1,999}b){3}", `(\pL{50}){30}`, "(((a|b){30}){30}){30}",
		"[a-z]{1000}[a-z]{1000}a",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			_, fault := newPattern(text)
			require.NotEmpty(t, fault)
		})
	}
	for _, text := range []string{"[a-z]{1,1000}", "[A-Za-z0-9-]{36}", `(\pL|\d){1,20}`} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			p, fault := newPattern(text)
			require.Empty(t, fault)
			require.LessOrEqual(t, p.instructions, maxInstructions)
		})
	}
}

// The estimate is near what package regexp makes of a pattern.
func TestInstructionsAreEstimated(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"a", "abc", "[a-z]{1,100}", "(a|b|c)*d+e?", "(?:a{3}){4}", `[A-Z]{3,7}`, `(?s).*`, `(\w+\.)+\w{2,}`,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			tree, err := syntax.Parse(text, syntax.Perl)
			require.NoError(t, err)
			compiled, err := syntax.Compile(tree.Simplify())
			require.NoError(t, err)
			require.InDelta(t, len(compiled.Inst), instructions(tree), 6+0.2*float64(len(compiled.Inst)))
		})
	}
}

func TestPatternsMatchWholeValues(t *testing.T) {
	t.Parallel()
	for text, values := range map[string][2]string{
		"b":       {"b", "ab"},
		"(?m)^b$": {"b", "a\nb"},
		"a|ab":    {"ab", "abb"},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			p, fault := newPattern(text)
			require.Empty(t, fault)
			require.True(t, p.matches(values[0]))
			require.False(t, p.matches(values[1]))
		})
	}
	_, fault := newPattern(strings.Repeat("a", 512))
	require.Empty(t, fault)
	_, fault = newPattern(strings.Repeat("a", 513))
	require.Equal(t, "is longer than 512 bytes", fault)
}
