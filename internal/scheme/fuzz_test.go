package scheme_test

import (
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
		string(text), small, encoded, outputs, addressed, paveScheme, avananScheme, declaredPAVE("unix"),
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
		signed, err := signer.Sign(scheme.Moment{Now: time.Unix(1767323045, 0), UUID: "u", Nonce: "n"}, request)
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
