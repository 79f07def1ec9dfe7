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
	const target, refused = "/cgi?continuouspantiltmove=-25,0;speed=1", "request_string contains a comma: write it as %2C"
	for name, test := range map[string]struct {
		options, target string
		fault           string
	}{
		"admitted":                  {"commas: true", target, ""},
		"in the path":               {"commas: true", "/a,b/c;d,e", ""},
		"not asked for":             {"commas: false", target, refused},
		"by the pattern alone":      {"pattern: '.*'", target, refused},
		"not by the pattern":        {"commas: true, pattern: '[a-z/]+'", target, "request_string does not match"},
		"encoded":                   {"commas: false", "/cgi?continuouspantiltmove=-25%2C0;speed=1", ""},
		"a dot segment":             {"commas: true", "/a,b/../c", "request_string has a . or .. segment in its path"},
		"a dot segment and a comma": {"commas: true", "/a,b/%2e%2e;,/c", "request_string has a . or .. segment"},
		"a space":                   {"commas: true", "/a, b", "request_string contains a space"},
		"an appended parameter":     {"commas: true", "/a,b?c=d;Sig=e", "the scheme appends: sig"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made := signer(t, replaced(t, "{body: {}}", "{body: {}, request_string: {"+test.options+"}}",
				"ttl: 60s", "query: {sig: body}\nttl: 60s", "key, body", "key, body + request_string"),
				scheme.Values{Secrets: map[string]secret.Text{"key": "k"}})
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
	for name, test := range map[string]struct{ text, want string }{
		"another request field": {
			replaced(t, "{body: {}}", "{body: {commas: true}}"),
			"line 2: unknown key in request.body; the keys are pattern, optional, max",
		},
		"a field of the config": {
			replaced(t, "ttl: 60s", "fields: {request_string: {commas: true}}\nttl: 60s"),
			"line 4: unknown key in fields.request_string; the keys are pattern, optional, default, max, address",
		},
		"no bool": {
			replaced(t, "{body: {}}", "{body: {}, request_string: {commas: 1}}"),
			"request.request_string.commas: must be true or false",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := scheme.Parse(test.text)
			require.EqualError(t, err, test.want)
		})
	}
}

// A policy cannot hold values with commas.
func TestCommasWarn(t *testing.T) {
	t.Parallel()
	const warning = "request: request_string can contain a comma, at which Vault splits the values of a policy's"
	for options, warns := range map[string]bool{
		"commas: true": true, "commas: true, pattern: '/.*'": true, "commas: true, pattern: '[a-z/]+'": false,
		"": false, "commas: false": false, "pattern: '.*'": false,
	} {
		t.Run(options, func(t *testing.T) {
			t.Parallel()
			s := parsed(t, replaced(t, "{body: {}}", "{body: {}, request_string: {"+options+"}}"))
			require.Equal(t, warns, strings.Contains(strings.Join(s.Lints(), "\n"), warning))
		})
	}
}
