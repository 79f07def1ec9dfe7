package scheme_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// answered is a scheme whose login takes a token from an answer in some way, under some rules. Its example is not run.
func answered(token, rules string) string {
	return fmt.Sprintf(`secrets: {key: {}}
login:
  path: '"/login"'
  form: {key: key}
  answer: {token: %s, other: {header: X-Other}}
  %s
  ttl: 1h
headers: {X-Token: token + other}
examples:
  - secrets: {key: made-up-key}
    base_url: https://api.example
    login:
      want: {path: /login, form: key=made-up-key}
      answer: ""
      gives: {token: t, other: o}
    want: {X-Token: to}
`, token, rules)
}

// asked is when the logins of these tests were sent.
var asked = time.Unix(1767323045, 0)

// readLogin reads an answer to a login of a scheme.
func readLogin(t *testing.T, text string, header http.Header, body string) (scheme.Gives, error) {
	t.Helper()
	s, err := scheme.Parse(text)
	require.NoError(t, err)
	signer, err := s.Signer(scheme.Values{
		Secrets: map[string]secret.Text{"key": "canary-key"}, BaseURL: "https://api.example",
	})
	require.NoError(t, err)
	call, err := signer.Login(scheme.Moment{Now: asked})
	require.NoError(t, err)
	header = header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("X-Other", "o")
	return call.Read(scheme.LoginAnswer{Header: header, Body: []byte(body), At: asked})
}

const (
	noJSON   = "the answer is not JSON"
	tooDeep  = "the answer is JSON that is nested more than 64 deep"
	absent   = "login.answer.token: is not in the answer"
	twice    = "login.answer.token: uses a name that the answer has twice"
	noScalar = "login.answer.token: must be a string or a number in the answer"
	unsafe   = "login.answer.token: must be printable ASCII in the answer, without a space at either end"
	isEmpty  = "login.answer.token: is empty in the answer"
	tooLong  = "login.answer.token: has more than 8192 bytes in the answer; max can be up to 16384"
)

// What an answer has at a pointer, and what makes no sense.
func TestAnswersOfJSON(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, pointer, body, token, fault string }{
		{"a string", "/token", `{"token":"abc"}`, "abc", ""},
		{"white space", "/token", " \r\n\t{ \"a\" : [ ] , \"token\" : \"abc\" } \n", "abc", ""},
		{"a number", "/token", `{"token":12345678901234567890}`, "12345678901234567890", ""},
		{"a number as it is written", "/token", `{"token":1.50e+02}`, "1.50e+02", ""},
		{"escapes", "/token", `{"token":"a\u0062\/\"\\"}`, `ab/"\`, ""},
		{"a name with escapes", "/token", `{"\u0074oken":"abc"}`, "abc", ""},
		{"a path", "/a/b/c", `{"a":{"x":1,"b":{"c":"abc"}}}`, "abc", ""},
		{"an item", "/a/1/b", `{"a":[0,{"b":"abc"},2]}`, "abc", ""},
		{"escapes of a pointer", "/a~1b/~01", `{"a/b":{"~1":"abc"}}`, "abc", ""},
		{"an empty name", "/", `{"":"abc"}`, "abc", ""},
		{"the whole text", "", `"abc"`, "abc", ""},
		{"a name twice beside the way", "/token", `{"a":1,"a":2,"b":{"token":"x","token":"x"},"token":"abc"}`, "abc", ""},
		{"8192 bytes", "/token", `{"token":"` + strings.Repeat("a", 8192) + `"}`, strings.Repeat("a", 8192), ""},
		{
			"64 deep beside the way", "/token", `{"a":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `,"token":"abc"}`,
			"abc", "",
		},
		{"brackets in a string", "/token", `{"a":"` + strings.Repeat(`[\"`, 200) + `","token":"abc"}`, "abc", ""},
		{"the largest", "/token", `{"token":"abc"` + strings.Repeat(" ", 256<<10-15) + `}`, "abc", ""},

		{"nothing", "/token", ``, "", noJSON},
		{"a page", "/token", `<html>canary</html>`, "", noJSON},
		{"a bare word", "/token", `canary`, "", noJSON},
		{"two texts", "/token", `{"token":"abc"}{"token":"abc"}`, "", noJSON},
		{"a text that breaks off", "/token", `{"token":"abc"`, "", noJSON},
		{"a trailing comma", "/token", `{"token":"abc",}`, "", noJSON},
		{"a byte-order mark", "/token", "\xef\xbb\xbf" + `{"token":"abc"}`, "", noJSON},
		{"a byte 0", "/token", `{"token":"abc"}` + "\x00", "", noJSON},
		{"65 deep", "/token", `{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `,"token":"abc"}`, "", tooDeep},
		{"a hundred thousand deep", "/token", strings.Repeat("[", 100_000), "", tooDeep},
		{"objects a hundred thousand deep", "/token", strings.Repeat(`{"a":`, 50_000), "", tooDeep},
		{
			"one byte too large", "/token", `{"token":"abc"` + strings.Repeat(" ", 256<<10-14) + `}`, "",
			"the answer has more than 262144 bytes",
		},

		{"no such name", "/token", `{"Token":"abc"}`, "", absent},
		{"a path that ends", "/token/a", `{"token":"abc"}`, "", absent},
		{"an item that is not there", "/token/1", `{"token":["abc"]}`, "", absent},
		{"an item after the last", "/token/-", `{"token":["abc"]}`, "", absent},
		{"an item with a leading zero", "/token/01", `{"token":["a","abc"]}`, "", absent},
		{"an empty list", "/0", `[]`, "", absent},
		{"null", "/token", `{"token":null}`, "", noScalar},
		{"true", "/token", `{"token":true}`, "", noScalar},
		{"an object", "/token", `{"token":{"canary":1}}`, "", noScalar},
		{"a list", "/token", `{"token":["canary"]}`, "", noScalar},
		{"a name twice", "/token", `{"token":"canary","token":"abc"}`, "", twice},
		{"a name twice, with an escape", "/token", `{"token":"canary","\u0074oken":"abc"}`, "", twice},
		{"a name twice on the way", "/a/token", `{"a":{"token":"canary"},"b":1,"a":{"token":"abc"}}`, "", twice},
		{"an empty string", "/token", `{"token":""}`, "", isEmpty},
		{"8193 bytes", "/token", `{"token":"` + strings.Repeat("a", 8193) + `"}`, "", tooLong},
		{"a line break", "/token", `{"token":"canary\r\nX-Evil: 1"}`, "", unsafe},
		{"a byte 0 in a string", "/token", `{"token":"canary\u0000"}`, "", unsafe},
		{"DEL", "/token", `{"token":"canary\u007f"}`, "", unsafe},
		{"a character outside ASCII", "/token", `{"token":"canäry"}`, "", unsafe},
		{"half of a pair", "/token", `{"token":"canary\ud800"}`, "", unsafe},
		{"bytes that are not UTF-8", "/token", "{\"token\":\"canary\xff\"}", "", unsafe},
		{"a space at the end", "/token", `{"token":"canary "}`, "", unsafe},
		{"a space at the beginning", "/token", `{"token":" canary"}`, "", unsafe},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			gives, err := readLogin(t, answered("{pointer: '"+test.pointer+"'}", ""), nil, test.body)
			if test.fault == "" {
				require.NoError(t, err)
				require.Equal(t, scheme.Gives{
					Values: map[string]secret.Text{"token": secret.Text(test.token), "other": "o"}, Life: time.Hour,
				}, gives)
				return
			}
			require.EqualError(t, err, test.fault)
			require.NotErrorIs(t, err, scheme.ErrLoginRefused)
			require.Empty(t, gives)
		})
	}
}

// What an answer has in headers, in cookies and as its body.
func TestAnswersOfOtherKinds(t *testing.T) {
	t.Parallel()
	set := func(values ...string) http.Header { return http.Header{"Set-Cookie": values} }
	for _, test := range []struct {
		name, way    string
		header       http.Header
		body         string
		token, fault string
	}{
		{"a header", "{header: x-token}", http.Header{"X-Token": {"abc"}}, "", "abc", ""},
		{"no header", "{header: X-Token}", nil, `{"X-Token":"canary"}`, "", absent},
		{
			"a header twice", "{header: X-Token}",
			http.Header{"X-Token": {"abc", "abc"}},
			"", "",
			"login.answer.token: is in the answer more than once",
		},
		{"an empty header", "{header: X-Token}", http.Header{"X-Token": {""}}, "", "", isEmpty},
		{"a header outside ASCII", "{header: X-Token}", http.Header{"X-Token": {"canäry"}}, "", "", unsafe},

		{"a cookie", "{cookie: sid}", set("sid=abc; Path=/; HttpOnly"), "", "abc", ""},
		{"the last of several", "{cookie: sid}", set("sid=canary", "other=x", "sid=abc; Path=/", "sidx=y"), "", "abc", ""},
		{"a cookie with an equals sign", "{cookie: sid}", set("sid=a=b=; Secure"), "", "a=b=", ""},
		{"a cookie with spaces", "{cookie: sid}", set(" sid = abc ;Secure"), "", "abc", ""},
		{"a cookie with quotes", "{cookie: sid}", set(`sid="abc"`), "", `"abc"`, ""},
		{"no cookie", "{cookie: sid}", set("SID=canary", "x=sid=canary"), "", "", absent},
		{"a cookie without a value", "{cookie: sid}", set("sid"), "", "", absent},
		{"a cookie that is deleted", "{cookie: sid}", set("sid=canary", "sid=; Max-Age=0"), "", "", isEmpty},
		{"a cookie with a control character", "{cookie: sid}", set("sid=can\x01ary"), "", "", unsafe},

		{"the body", "{body: true}", nil, "abc", "abc", ""},
		{"the body, trimmed", "{body: true}", nil, " \r\n\tabc\n", "abc", ""},
		{"one JSON string", "{body: true}", nil, "\"a\\u0062c\"\n", "abc", ""},
		{"something in quotes that is no JSON", "{body: true}", nil, `"a" and "b"`, `"a" and "b"`, ""},
		{"an object", "{body: true}", nil, `{"a":1}`, `{"a":1}`, ""},
		{"an empty body", "{body: true}", nil, "\n", "", isEmpty},
		{"an empty JSON string", "{body: true}", nil, `""`, "", isEmpty},
		{"a page", "{body: true}", nil, "<html>\ncanary</html>", "", unsafe},
		{"brackets", "{body: true}", nil, strings.Repeat("[", 10_000), "", tooLong},
		{
			"a body of another size", "{body: true, max: 3}", nil, "abcd", "",
			"login.answer.token: has more than 3 bytes in the answer; max can be up to 16384",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			gives, err := readLogin(t, answered(test.way, ""), test.header, test.body)
			if test.fault == "" {
				require.NoError(t, err)
				require.Equal(t, map[string]secret.Text{"token": secret.Text(test.token), "other": "o"}, gives.Values)
				return
			}
			require.EqualError(t, err, test.fault)
			require.Empty(t, gives)
		})
	}
}

// An answer of 2xx that the scheme calls a refusal.
func TestRefusedLogins(t *testing.T) {
	t.Parallel()
	const refused = "the answer is a refusal, as login.refused has it"
	for _, test := range []struct{ name, rule, body, want string }{
		{"a word", "{pointer: /ok, is: 'false'}", `{"ok":false,"token":"abc"}`, refused},
		{"another word", "{pointer: /ok, is: 'false'}", `{"ok":true,"token":"abc"}`, ""},
		{"a string of it", "{pointer: /ok, is: 'false'}", `{"ok":"false","token":"abc"}`, refused},
		{"nothing", "{pointer: /ok, is: 'false'}", `{"token":"abc"}`, ""},
		{"nothing, of not", "{pointer: /code, is_not: '0'}", `{"token":"abc"}`, ""},
		{"a number", "{pointer: /code, is_not: '0'}", `{"code":0,"token":"abc"}`, ""},
		{"another number", "{pointer: /code, is_not: '0'}", `{"code":40014,"token":"abc"}`, refused},
		{"a string of a number", "{pointer: /code, is_not: '0'}", `{"code":"0","token":"abc"}`, ""},
		{"a number of another text", "{pointer: /code, is_not: '0'}", `{"code":0.0,"token":"abc"}`, refused},
		{"null", "{pointer: /error, is_not: 'null'}", `{"error":null,"token":"abc"}`, ""},
		{"null that is no value", "{pointer: /error, is_not: '0'}", `{"error":null,"token":"abc"}`, refused},
		{"an empty string", "{pointer: /error, is_not: ''}", `{"error":"canary","token":"abc"}`, refused},
		{"a refusal without a token", "{pointer: /ok, is: 'false'}", `{"ok":false}`, refused},
		{
			"an object", "{pointer: /ok, is: 'false'}", `{"ok":{},"token":"abc"}`,
			"login.refused: is an object or a list in the answer",
		},
		{
			"twice", "{pointer: /ok, is: 'false'}", `{"ok":true,"ok":false,"token":"abc"}`,
			"login.refused: uses a name that the answer has twice",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := readLogin(t, answered("{pointer: /token}", "refused: "+test.rule), nil, test.body)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.want)
			require.Equal(t, test.want == refused, errors.Is(err, scheme.ErrLoginRefused))
		})
	}
	// An answer that need not be JSON is no refusal if it is none.
	inBody := answered("{body: true}", "refused: {pointer: /error, is_not: ''}")
	_, err := readLogin(t, inBody, nil, "abc.def.ghi")
	require.NoError(t, err)
	_, err = readLogin(t, inBody, nil, `{"error":"canary"}`)
	require.ErrorIs(t, err, scheme.ErrLoginRefused)
	_, err = readLogin(t, inBody, nil, strings.Repeat("[", 100))
	require.EqualError(t, err, tooDeep)
}

// An address in the answer must have the host that is expected.
func TestExpectedAddresses(t *testing.T) {
	t.Parallel()
	const differs = "login.expect.instance: is not an address with the host of base_url"
	for _, test := range []struct {
		given string
		good  bool
	}{
		{`"https://api.example"`, true},
		{`"https://API.example:443/path?query"`, true},
		{`"api.example"`, true},
		{`"api.example/path"`, true},
		{`"https://api.example.evil.example"`, false},
		{`"https://evil.example"`, false},
		{`"https://api.example:8443"`, false},
		{`"https://api.example@evil.example"`, false},
		{`"https://canary@api.example"`, false},
		{`"https://evil.example\\@api.example"`, false},
		{`"https://evil.example#api.example"`, false},
		{`"ftp://api.example"`, false},
		{`"javascript:api.example"`, false},
		{`"https:///api.example"`, false},
		{`" https://api.example"`, false},
		{`""`, false},
		{`null`, false},
		{`5`, false},
		{`["https://api.example"]`, false},
	} {
		t.Run(test.given, func(t *testing.T) {
			t.Parallel()
			text := answered("{pointer: /token}", "expect: {instance: {pointer: /instance, is: base_url}}")
			_, err := readLogin(t, text, nil, `{"token":"abc","instance":`+test.given+`}`)
			if test.good {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, differs)
			}
		})
	}
	text := answered("{header: X-Token}", "expect: {instance: {pointer: /instance, is: base_url}}")
	header := http.Header{"X-Token": {"abc"}}
	_, err := readLogin(t, text, header, `{}`)
	require.NoError(t, err, "an answer without an address has no other one")
	_, err = readLogin(t, text, header, `<html>`)
	require.EqualError(t, err, noJSON)
	_, err = readLogin(t, text, header, `{"instance":"https://api.example","instance":"https://evil.example"}`)
	require.EqualError(t, err, "login.expect.instance: uses a name that the answer has twice")
}
