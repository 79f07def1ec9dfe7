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
	anchored = `request.body.pattern: has ^, \A, $ or \z; leave it out`
	tooLarge = "pattern: the patterns so far are too large together: more than 1,000 instructions, or 8,192 characters"
	tooSlow  = "scheme: its patterns would take too long"
	reserved = ": this name is a parameter of the engine or of Vault"
)

// Each limit, from both sides: what is good is accepted as a new document, and what is outdated only as a stored one.
func TestNewerRules(t *testing.T) {
	t.Parallel()
	body := func(options string) string { return replaced(t, "{body: {}}", "{body: {"+options+"}}") }
	request := func(more string) string { return replaced(t, "{body: {}}", "{body: {max: 1}, "+more+"}") }
	leaves := joined(167, "+", `""`) // 499 nodes; the header has 4
	nodes := func(last string) string {
		return replaced(t, "ttl: 60s", "let: {a: '"+leaves+"', b: '"+leaves+"', c: '"+last+"'}\nttl: 60s")
	}
	for name, test := range map[string]struct{ good, outdated, want string }{
		"caret":             {body(`pattern: '\^a[$^]\$'`), body(`pattern: '^a'`), anchored},
		"dollar":            {body(`pattern: '\Q^$\E'`), body(`pattern: 'a$'`), anchored},
		"begin of text":     {body(`pattern: '\\A'`), body(`pattern: '\Aa'`), anchored},
		"end of text":       {body(`pattern: '\bz\B'`), body(`pattern: 'a\z'`), anchored},
		"in a group":        {body(`pattern: '(a|b)'`), body(`pattern: '((?:x|^a)|b)'`), anchored},
		"of a line":         {body(`pattern: '(?s).*'`), body(`pattern: '(?m)^a$'`), anchored},
		"instructions":      {body(`pattern: 'a{1000}', max: 1`), body(`pattern: 'a{1000}a', max: 1`), "request.body." + tooLarge},
		"of all patterns":   {request(`b: {pattern: 'a{990}', max: 1}`), request(`b: {pattern: 'a{990}', max: 1}, c: {pattern: 'a{9}', max: 1}`), "request.c." + tooLarge},
		"equal patterns":    {request(`b: {pattern: 'a{900}', max: 1}, c: {pattern: 'a{900}', max: 1}`), request(`b: {pattern: 'a{900}', max: 1}, c: {pattern: 'a{901}', max: 1}`), "request.c." + tooLarge},
		"runes":             {body(`pattern: '\pL\PL\pL\PL\pL'`), body(`pattern: '\pL\PL\pL\PL\pL\PL\pL'`), "request.body." + tooLarge},
		"runes of all":      {request(`b: {pattern: '\pL\PL\pL'}`), request(`b: {pattern: '\pL\PL\pL'}, c: {pattern: '\PL\pL\PL\pL'}`), "request.c." + tooLarge},
		"steps":             {body(`pattern: 'a{1000}', max: 1200`), body(`pattern: 'a{1000}', max: 1201`), tooSlow},
		"sum of max":        {request("a: {max: 65536}, b: {max: 65536}, c: {max: 65536}, d: {max: 65535}"), request("a: {max: 65536}, b: {max: 65536}, c: {max: 65536}, d: {max: 65536}"), "request: the max of its fields are more than 262,144 bytes together"},
		"nodes":             {nodes("lower(lower(" + joined(166, "+", `""`) + "))"), nodes(leaves), "the expressions so far have more than 1500 nodes"},
		"secret_expires_at": {request("secret_expires: {}"), request("secret_expires_at: {}"), "request, line 2" + reserved},
		"scheme_name":       {request("schemes: {}"), request("scheme_name: {}"), "request, line 2" + reserved},
		"scheme_upgrade":    {request("upgrade: {}"), replaced(t, "ttl: 60s", "fields: {scheme_upgrade: {default: a}}\nttl: 60s"), "fields, line 4" + reserved},
		"requests":          {request("a: {}"), replaced(t, "ttl: 60s", "let: {requests: body}\nttl: 60s"), "let, line 4" + reserved},
		"min_ttl":           {replaced(t, "key", "min"), replaced(t, "key", "min_ttl"), "secrets, line 1" + reserved},
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
	for name, test := range map[string]struct{ text, want string }{
		"all patterns": {replaced(t, "{body: {}}", "{"+strings.ReplaceAll(manyPatterns(8), "}'}", "}', max: 1}")+"}"), ""},
		"one more":     {replaced(t, "{body: {}}", "{"+manyPatterns(9)+"}"), "request.p8.pattern: the patterns so far are too large together: more than 16,000"},
		"steps":        {replaced(t, "{body: {}}", "{body: {pattern: 'a{1000}', max: 20000}}"), ""},
		"more steps":   {replaced(t, "{body: {}}", "{body: {pattern: 'a{1000}', max: 20001}}"), tooSlow},
		"of a pattern": {replaced(t, "{body: {}}", "{body: {pattern: 'a{1000}a{1000}'}}"), ""},
		"too large":    {replaced(t, "{body: {}}", "{body: {pattern: 'a{1000}a{1000}a'}}"), "request.body.pattern: is too large"},
		// A class counts as one instruction, and one more for each 32 ranges.
		"32 ranges": {replaced(t, "{body: {}}", "{body: {pattern: '"+ranges(32)+"{1000}'}}"), ""},
		"63 ranges": {replaced(t, "{body: {}}", "{body: {pattern: '"+ranges(63)+"{1000}'}}"), ""},
		"64 ranges": {replaced(t, "{body: {}}", "{body: {pattern: '"+ranges(64)+"{1000}'}}"), "request.body.pattern: is too large"},
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
		"both ends":       {`^[a-z]+$`, map[string]bool{"abc": true, "": false, "ABC": false, "abc\n": false, "\nabc": false}},
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
			made, err := s.Signer(scheme.Values{Secrets: map[string]secret.Text{"key": "k"}, BaseURL: "https://api.example"})
			require.NoError(t, err)
			for value, matches := range test.matches {
				_, err := made.Sign(scheme.Moment{Now: time.Unix(0, 0)}, map[string]string{"body": value})
				require.Equal(t, matches, err == nil, "%q", value)
			}
		})
	}
}
