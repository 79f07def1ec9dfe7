package scheme_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// A request_string can have commas if the scheme says so, and is otherwise held to the same rules.
func TestCommasInRequestStrings(t *testing.T) {
	t.Parallel()
	const target = "/cgi?continuouspantiltmove=-25,0;speed=1"
	for name, test := range map[string]struct {
		options, target string
		fault           string
	}{
		"admitted":                  {"commas: true", target, ""},
		"in the path":               {"commas: true", "/a,b/c;d,e", ""},
		"not asked for":             {"commas: false", target, "request_string contains a comma: write it as %2C, and send it that way"},
		"by the pattern alone":      {"pattern: '.*'", target, "request_string contains a comma: write it as %2C, and send it that way"},
		"not by the pattern":        {"commas: true, pattern: '[a-z/]+'", target, "request_string does not match the pattern"},
		"encoded":                   {"commas: false", "/cgi?continuouspantiltmove=-25%2C0;speed=1", ""},
		"a dot segment":             {"commas: true", "/a,b/../c", "request_string has a . or .. segment in its path"},
		"a dot segment and a comma": {"commas: true", "/a,b/%2e%2e;,/c", "request_string has a . or .. segment in its path"},
		"a space":                   {"commas: true", "/a, b", "request_string contains a space"},
		"an appended parameter":     {"commas: true", "/a,b?c=d;Sig=e", "the scheme appends: sig"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made := signer(t, replaced(t, "{body: {}}", "{body: {}, request_string: {"+test.options+"}}", "ttl: 60s", "query: {sig: body}\nttl: 60s",
				"key, body", "key, body + request_string"), scheme.Values{Secrets: map[string]secret.Text{"key": "k"}})
			signed, err := made.Sign(scheme.Moment{}, map[string]string{"body": "b", "request_string": test.target})
			if test.fault != "" {
				require.ErrorContains(t, err, test.fault)
				return
			}
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(signed.URL, "https://api.example"+test.target), signed.URL)
		})
	}
}

func TestCommasAreOfTheRequestString(t *testing.T) {
	t.Parallel()
	for want, text := range map[string]string{
		"line 2: unknown key in request.body; the keys are pattern, optional, max":              replaced(t, "{body: {}}", "{body: {commas: true}}"),
		"line 4: unknown key in fields.request_string; the keys are pattern, optional, default": replaced(t, "ttl: 60s", "fields: {request_string: {commas: true}}\nttl: 60s"),
		"request.request_string.commas: must be true or false":                                  replaced(t, "{body: {}}", "{body: {}, request_string: {commas: 1}}"),
	} {
		_, err := scheme.Parse(text)
		require.ErrorContains(t, err, want)
	}
}

// A policy cannot hold values with commas.
func TestCommasWarn(t *testing.T) {
	t.Parallel()
	for options, warns := range map[string]bool{
		"commas: true": true, "commas: false": false, "": false, "pattern: '.*'": false, "commas: true, pattern: '[a-z/]+'": false,
		"commas: true, pattern: '/.*'": true,
	} {
		s := parsed(t, replaced(t, "{body: {}}", "{body: {}, request_string: {"+options+"}}"))
		require.Equal(t, warns, strings.Contains(strings.Join(s.Lints(), "\n"), "request: request_string can contain a comma"), options)
	}
}
