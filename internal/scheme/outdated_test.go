package scheme_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

const (
	anchored = `pattern: has ^, \A, $ or \z; leave it out`
	tooLarge = "pattern: the patterns so far are too large together: more than 1,000 instructions, or 8,192 characters"
	tooSlow  = "scheme: its patterns would take too long"
	reserved = ": this name is a parameter of the engine or of Vault"
)

// Each limit, from both sides: what is good is accepted as a new document, and what is outdated only as a stored one.
func TestNewerRules(t *testing.T) {
	t.Parallel()
	request := func(fields string) string { return replaced(t, "{body: {}}", "{body: {max: 1}, "+fields+"}") }
	one := func(pattern string) string { return request("b: {pattern: '" + pattern + "', max: 1}") }
	two := func(pattern, other string) string {
		return request("b: {pattern: '" + pattern + "', max: 1}, c: {pattern: '" + other + "', max: 1}")
	}
	sized := func(pattern, size string) string {
		return replaced(t, "{body: {}}", "{body: {pattern: '"+pattern+"', max: "+size+"}}")
	}
	section := func(text string) string { return replaced(t, "ttl: 60s", text+"\nttl: 60s") }
	dated := func(expression string) string {
		return replaced(t, "ttl: 60s", "let: {a: "+expression+"}\nttl: 60s",
			"    want:", "    now: 2026-01-02T03:04:05Z\n    want:")
	}
	leaves := joined(167, "+", `""`) // 499 nodes; the header has 4
	nodes := func(last string) string {
		return section("let: {a: '" + leaves + "', b: '" + leaves + "', c: '" + last + "'}")
	}
	const many = "a: {max: 65536}, b: {max: 65536}, c: {max: 65536}, d: {max: 65535}" // with the body, 256 KiB
	for name, test := range map[string]struct{ good, outdated, want string }{
		"caret":         {one(`\^a[$^]\$`), one(`^a`), "request.b." + anchored},
		"dollar":        {one(`\Q^$\E`), one(`a$`), "request.b." + anchored},
		"begin of text": {one(`\\A`), one(`\Aa`), "request.b." + anchored},
		"end of text":   {one(`\bz\B`), one(`a\z`), "request.b." + anchored},
		"in a group":    {one(`(a|b)`), one(`((?:x|^a)|b)`), "request.b." + anchored},
		"begin of line": {one(`(?m)a`), one(`(?m)^a`), "request.b." + anchored},
		"end of line":   {one(`(?s).*`), one(`(?m)a$`), "request.b." + anchored},
		// The body's pattern has 3 instructions and 6 runes.
		"instructions":    {one(`a{997}`), one(`a{998}`), "request.b." + tooLarge},
		"of all patterns": {two(`a{990}`, `a{7}`), two(`a{990}`, `a{8}`), "request.c." + tooLarge},
		"equal patterns":  {two(`a{900}`, `a{900}`), two(`a{900}`, `a{901}`), "request.c." + tooLarge},
		"runes":           {one(`\pL\PL\pL\PL\pL`), one(`\pL\PL\pL\PL\pL\PL\pL`), "request.b." + tooLarge},
		"runes of all":    {two(`\pL\PL\pL`, `\PL\pL`), two(`\pL\PL\pL`, `\PL\pL\PL\pL`), "request.c." + tooLarge},
		"steps":           {sized(`a{1000}`, "1200"), sized(`a{1000}`, "1201"), tooSlow},
		"sum of max": {
			request(many), request(many + ", e: {max: 1}"), "request: its fields can have more than 262,144 bytes together",
		},
		"nodes": {
			nodes("lower(lower(" + joined(166, "+", `""`) + "))"), nodes(leaves),
			"headers.X-Sig: the expressions so far have more than 1500 nodes",
		},
		"secret_expires_at": {request("expires: {}"), request("secret_expires_at: {}"), "request, line 2" + reserved},
		"scheme_name":       {request("schemes: {}"), request("scheme_name: {}"), "request, line 2" + reserved},
		"scheme_upgrade": {
			section("fields: {upgrade: {default: a}}"), section("fields: {scheme_upgrade: {default: a}}"),
			"fields, line 4" + reserved,
		},
		"requests": {section("let: {several: body}"), section("let: {requests: body}"), "let, line 4" + reserved},
		"layout": {
			dated(`'now.format("%%")'`), dated(`'now.format("a")'`), "let.a, column 12: the layout has no %",
		},
		"values": {
			section("let: {values: body}"), section("fields: {values: {default: a}}"), "fields, line 4: this name is part",
		},
		"allow_shared_key": {
			section("let: {allow_shared_key: body}"), section("fields: {allow_shared_key: {default: a}}"),
			"fields, line 4: this name is part",
		},
		"min_ttl": {replaced(t, "key", "min"), replaced(t, "key", "min_ttl"), "secrets, line 1" + reserved},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Some patterns admit one value, or none.
			lifted := strings.NewReplacer("ttl: 60s", "ttl: 60s\nallow_static: true")
			test.good, test.outdated = lifted.Replace(test.good), lifted.Replace(test.outdated)
			_, err := scheme.Parse(test.good)
			require.NoError(t, err)
			_, err = scheme.Parse(test.outdated)
			require.ErrorContains(t, err, test.want)
			good, err := scheme.ParseStored(test.good)
			require.NoError(t, err)
			require.NoError(t, good.Outdated())
			stored, err := scheme.ParseStored(test.outdated)
			require.NoError(t, err)
			require.ErrorContains(t, stored.Outdated(), test.want)
			_, err = stored.Signer(scheme.Values{
				Secrets: map[string]secret.Text{"key": "k", "min_ttl": "k"}, BaseURL: "https://api.example",
			})
			require.NoError(t, err)
		})
	}
}

// What was too large for earlier versions is refused in a stored document too.
func TestStoredDocumentsKeepTheOlderLimits(t *testing.T) {
	t.Parallel()
	body := func(options string) string { return replaced(t, "{body: {}}", "{body: {"+options+"}}") }
	eight := strings.ReplaceAll(manyPatterns(8), "'}", "', max: 1}")
	const tooLarge = "request.body.pattern: is too large"
	for name, test := range map[string]struct{ text, want string }{
		"all patterns": {replaced(t, "{body: {}}", "{"+eight+"}"), ""},
		"one more": {
			replaced(t, "{body: {}}", "{"+manyPatterns(9)+"}"),
			"request.p8.pattern: the patterns so far are too large together: more than 16,000 instructions",
		},
		"steps":        {body("pattern: 'a{1000}', max: 20000"), ""},
		"more steps":   {body("pattern: 'a{1000}', max: 20001"), tooSlow},
		"of a pattern": {body("pattern: 'a{1000}a{1000}'"), ""},
		"too large":    {body("pattern: 'a{1000}a{1000}a'"), tooLarge},
		// A class counts as one instruction, and one more for each 32 ranges.
		"32 ranges": {body("pattern: '" + ranges(32) + "{1000}'"), ""},
		"63 ranges": {body("pattern: '" + ranges(63) + "{1000}'"), ""},
		"64 ranges": {body("pattern: '" + ranges(64) + "{1000}'"), tooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := scheme.ParseStored(test.text)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
		})
	}
}

// ranges is a class of some characters, none next to another.
func ranges(count int) string {
	class := ""
	for i := range count {
		class += `\x` + string("23456789abcdef"[i/8]) + string("02468ace"[i%8])
	}
	return "[" + class + "]"
}

// A stored pattern with anchors matches what it matched.
func TestStoredAnchorsMatchAsBefore(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		pattern string
		matches map[string]bool
	}{
		"both ends":       {`^[a-z]+$`, map[string]bool{"abc": true, "": false, "abc\n": false, "\nabc": false}},
		"nothing":         {`^[ a]*$`, map[string]bool{"": true, " ": true, " a": true, "b": false}},
		"text":            {`\A(a|ab)\z`, map[string]bool{"a": true, "ab": true, "abc": false}},
		"one alternative": {`^a|b`, map[string]bool{"a": true, "b": true, "ab": false}},
		"lines":           {`(?m)^a$\n^b$`, map[string]bool{"a\nb": true, "a\nbc": false, "ab": false}},
		"flags":           {`(?i)^a.b$`, map[string]bool{"AxB": true, "a\nb": false}},
		"inside":          {`a^b`, map[string]bool{"ab": false, "a^b": false}},
		"unclosed":        {`^\Qa)|(b\E$`, map[string]bool{"a)|(b": true, "a": false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := scheme.ParseStored(replaced(t, "{body: {}}", "{body: {pattern: '"+test.pattern+"'}}"))
			require.NoError(t, err)
			made, err := s.Signer(scheme.Values{
				Secrets: map[string]secret.Text{"key": "k"}, BaseURL: "https://api.example",
			})
			require.NoError(t, err)
			for value, matches := range test.matches {
				_, err := made.Sign(scheme.Moment{Now: time.Unix(0, 0)}, map[string]string{"body": value})
				require.Equal(t, matches, err == nil, "%q", value)
			}
		})
	}
}
