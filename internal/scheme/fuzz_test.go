package scheme_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// FuzzScheme parses documents and signs with those that are accepted. Nothing panics, and no error quotes a value.
func FuzzScheme(f *testing.F) {
	text, err := os.ReadFile("testdata/ovhcloud.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		string(text), small, encoded, outputs, addressed, paveScheme, avananScheme, declaredPAVE("unix"), loggingIn,
		answered("{cookie: sid}",
			"refused: {pointer: /a, is_not: '0'}\n  life: [{jwt: other}, {pointer: /b, as: '%Y%m%d%H%M%S'}]"),
		sending("path: path\nheaders: {X-Key: any}\nbody: json(key) + any\ncontent_type: '\"text/plain\"'"),
	} {
		f.Add(seed, "canary-value", "/canary")
	}
	f.Fuzz(func(t *testing.T, text, value, target string) {
		s, err := scheme.Parse(text)
		if err != nil {
			return
		}
		_ = s.CheckExamples()
		values := scheme.Values{
			Secrets: map[string]secret.Text{},
			Fields:  map[string]string{},
			BaseURL: "https://api.example",
		}
		request := map[string]string{}
		for _, name := range s.Secrets() {
			values.Secrets[name] = secret.Text("canary" + value)
		}
		for _, name := range s.Fields() {
			values.Fields[name] = value
		}
		for _, name := range s.Request() {
			request[name] = value
		}
		if _, given := request["request_string"]; given {
			request["request_string"] = target
		}
		signer, err := s.Signer(values)
		if err != nil {
			if len(value) > 8 && strings.Contains(err.Error(), value) {
				t.Errorf("an error quotes a value: %s", err)
			}
			return
		}
		moment := scheme.Moment{Now: time.Unix(1767323045, 0), UUID: "u", Nonce: "n"}
		if s.HasLogin() {
			moment.Gives = map[string]secret.Text{}
			for _, name := range s.Gives() {
				moment.Gives[name] = "given"
			}
			call, err := signer.Login(moment)
			if err == nil && !strings.HasPrefix(call.URL, signer.LoginAddress()+"/") {
				t.Errorf("the login goes to %q", call.URL)
			}
			for name, header := range call.Header {
				if strings.ContainsAny(name+strings.Join(header, ""), "\r\n\x00") {
					t.Errorf("%q: %q", name, header)
				}
			}
		}
		signed, err := signer.Sign(moment, request)
		if err != nil {
			return
		}
		for name, header := range signed.Headers {
			if header == "" || strings.ContainsAny(name+header, "\r\n\x00") || strings.Contains(header, "canary"+value) {
				t.Errorf("%q: %q", name, header)
			}
		}
	})
}

// FuzzLoginAnswer reads answers. Nothing panics, no error quotes one, and what is given can be sent and has no secret
// in it.
func FuzzLoginAnswer(f *testing.F) {
	rules := "expect: {instance: {pointer: /instance, is: base_url}}\n  refused: {pointer: /code, is_not: '0'}\n  " +
		"life: [{jwt: token}, {pointer: /until, as: '%Y-%m-%d %H:%M:%S'}, {pointer: /at, as: rfc3339}, {pointer: /life}]"
	var calls []scheme.LoginCall
	for _, way := range []string{"{pointer: /token}", "{header: X-Token}", "{cookie: sid}", "{body: true}"} {
		s, err := scheme.Parse(answered(way, rules))
		if err != nil {
			f.Fatal(err)
		}
		signer, err := s.Signer(scheme.Values{
			Secrets: map[string]secret.Text{"key": "canary-key"}, BaseURL: "https://api.example",
		})
		if err != nil {
			f.Fatal(err)
		}
		call, err := signer.Login(scheme.Moment{Now: asked})
		if err != nil {
			f.Fatal(err)
		}
		calls = append(calls, call)
	}
	f.Add(`{"token":"abc","instance":"https://api.example","code":0,"life":60,"until":"2026-01-02 03:05:05"}`, "sid=a",
		"abc")
	f.Add(`{"token":"canary-key","token":"\u0063anary-key","code":"0"}`, "sid=canary-key; Path=/", "Y2FuYXJ5LWtleQ")
	f.Add(`[[[[{"token":{}}]]]]`, `sid="`, "%63anary-key")
	f.Fuzz(func(t *testing.T, body, cookie, header string) {
		for _, call := range calls {
			gives, err := call.Read(scheme.LoginAnswer{
				Header: http.Header{"Set-Cookie": {"sid=x", cookie}, "X-Token": {header}, "X-Other": {"o"}},
				Body:   []byte(body), At: asked,
			})
			if err != nil {
				for _, given := range []string{body, cookie, header} {
					if len(given) > 16 && strings.Contains(err.Error(), given) {
						t.Errorf("an error quotes the answer: %s", err)
					}
				}
				continue
			}
			token := gives.Values["token"].Reveal()
			if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r > '~' }) ||
				strings.Contains(token, "canary-key") || gives.Life <= 0 || gives.Life > 24*time.Hour {
				t.Errorf("%q for %s", token, gives.Life)
			}
		}
	})
}
