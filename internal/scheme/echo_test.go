package scheme_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// echoed is a scheme whose login is made of secrets in every way.
func echoed(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf(`secrets:
  {text: {}, raw: {encoding: base64}, digits: {encoding: hex}, short: {}, seed: {}, pair: {key: p256}, unsent: {},
  tiny: {encoding: base64}}
fields: {client_id: {}}
let:
  key: derive_hmac_sha256(seed, client_id)
  unused: derive_md5(seed)
  inner: base64(percent_encode(text) + "!")
login:
  path: '"/login"'
  query: {q: text, t: '"x"'}
  headers:
    X-Basic: '"Basic " + base64(client_id + ":" + raw)'
    X-Id: client_id
    X-Inner: inner
    X-Outer: base64(percent_encode(raw))
  form: {id: client_id, digits: hex(digits), key: hex(key), sig: 'hex(ecdsa_sha256(pair, "login"))', s: short}
  answer: {token: {pointer: /token}, more: {header: X-More}}
  ttl: 1h
headers: {X-Token: token + more, X-Used: 'hex(hmac_sha384(unsent + tiny, uuid))'}
ttl: 60s
examples:
  - secrets:
      {text: made-up-1, raw: bWFkZS11cC0y, digits: 6d6164652d75702d33, short: ab, seed: made-up-4, pair: %q, unsent: a,
      tiny: YQ==}
    uuid: u
    fields: {client_id: id}
    login:
      want: {path: /login, query: x, headers: {X-Basic: x, X-Id: id, X-Inner: x, X-Outer: x}, form: x}
      answer: x
      gives: {token: t, more: m}
    want: {X-Token: tm, X-Used: x}
`, testKey(t, "p256.pem"))
}

const givesBack = "what login.answer or login.life takes has a secret of the config in it, or a part of the request " +
	"that was made with one; nothing of it is used"

// echoing is the login of echoed, with what it is made of.
func echoing(t *testing.T) scheme.LoginCall {
	t.Helper()
	signer, err := parsed(t, echoed(t)).Signer(scheme.Values{
		Secrets: map[string]secret.Text{
			"text": "can ary/t\"ext+1é", "raw": secret.Text(base64.StdEncoding.EncodeToString([]byte("canary\x00raw\xff2"))),
			"digits": secret.Text(hex.EncodeToString([]byte("canary-digits"))), "short": "pass12", "seed": "canary-seed",
			"unsent": "canary-unsent", "tiny": "cGFzczM0",
			"pair": secret.Text(testKey(t, "p256-sec1-other.pem")),
		},
		Fields:  map[string]string{"client_id": "client-identifier"},
		BaseURL: "https://api.example",
	})
	require.NoError(t, err)
	call, err := signer.Login(scheme.Moment{Now: asked})
	require.NoError(t, err)
	return call
}

// echo reads an answer with a token, and a header.
func echo(t *testing.T, call scheme.LoginCall, token, more string) (scheme.Gives, error) {
	t.Helper()
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(token)
	return call.Read(scheme.LoginAnswer{
		Header: http.Header{"X-More": {more}}, Body: []byte(`{"token":"` + quoted + `"}`), At: asked,
	})
}

// everyByte writes each byte of a text by a format.
func everyByte(text, format string) string {
	written := ""
	for i := range len(text) {
		written += fmt.Sprintf(format, text[i])
	}
	return written
}

// spelledOut are the spellings of a text in which an answer may not have it.
func spelledOut(text string) map[string]string {
	spelled := map[string]string{
		"hex":                                 hex.EncodeToString([]byte(text)),
		"hex in upper case":                   strings.ToUpper(hex.EncodeToString([]byte(text))),
		"percent-encoded":                     everyByte(text, "%%%02X"),
		"percent-encoded in lower case":       everyByte(text, "%%%02x"),
		"percent-encoded, where it must be":   url.PathEscape(text),
		"form-encoded":                        url.QueryEscape(text),
		"hex between others":                  "f" + hex.EncodeToString([]byte(text)) + "0",
		"percent-encoded between others":      "%41+" + everyByte(text, "%%%02X") + "%zz%",
		"percent-encoded, with a plus itself": strings.ReplaceAll(url.PathEscape(text), "%2B", "+"),
	}
	for before := range 3 {
		for after := range 3 {
			around := strings.Repeat("x", before) + text + strings.Repeat("y", after)
			at := fmt.Sprintf(" after %d and before %d", before, after)
			spelled["base64"+at] = base64.StdEncoding.EncodeToString([]byte(around))
			spelled["base64url"+at] = base64.RawURLEncoding.EncodeToString([]byte(around))
		}
	}
	printable := true
	for _, r := range text {
		printable = printable && ' ' <= r && r <= '~'
	}
	if printable {
		spelled["as it is"] = text
		spelled["as it is, between others"] = "a" + text + "b"
		spelled["JSON-escaped"] = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `/`, `\/`).Replace(text) + `\n`
		spelled["escaped in full"] = everyByte(text, `\u%04x`)
	}
	return spelled
}

// An answer that gives a secret back, or what the login makes of one, is not used.
func TestSecretsThatAreGivenBack(t *testing.T) {
	t.Parallel()
	call := echoing(t)
	gives, err := echo(t, call, "tok+en%zz\\", "more")
	require.NoError(t, err)
	require.Equal(t, map[string]secret.Text{"token": `tok+en%zz\`, "more": "more"}, gives.Values)
	// What is public may be given back.
	_, err = echo(t, call, "client-identifier", "/login")
	require.NoError(t, err)

	form := string(call.Body)
	part := func(name string) string {
		values, err := url.ParseQuery(form)
		require.NoError(t, err)
		require.NotEmpty(t, values.Get(name))
		return values.Get(name)
	}
	key, err := hex.DecodeString(part("key"))
	require.NoError(t, err)
	_, query, _ := strings.Cut(call.URL, "?")
	basic := call.Header["X-Basic"][0]
	for name, text := range map[string]string{
		"a secret":                        "can ary/t\"ext+1é",
		"a decoded secret":                "canary\x00raw\xff2",
		"a secret of hex":                 "canary-digits",
		"a secret that is derived from":   "canary-seed",
		"a secret that is never sent":     "canary-unsent",
		"a part of a let":                 "can%20ary%2Ft%22ext%2B1%C3%A9",
		"a part of a header":              "canary%00raw%FF2",
		"a derived key":                   string(key),
		"a derived key in hex":            part("key"),
		"what is joined":                  "client-identifier:canary\x00raw\xff2",
		"a header":                        basic,
		"the query":                       query,
		"the form":                        form,
		"a signature that was made of it": part("sig"),
	} {
		for spelling, written := range spelledOut(text) {
			t.Run(name+", "+spelling, func(t *testing.T) {
				t.Parallel()
				gives, err := echo(t, call, written, "more")
				require.EqualError(t, err, givesBack)
				require.Empty(t, gives)
				_, err = echo(t, call, "token", written)
				require.EqualError(t, err, givesBack, "in a header")
				if half := len(written) / 2; written[half] != ' ' && written[half-1] != ' ' {
					_, err = echo(t, call, written[:half], written[half:])
					require.EqualError(t, err, givesBack, "in two values")
				}
			})
		}
	}
}

// A secret that is too short to be searched for must not be the whole value.
func TestShortSecretsThatAreGivenBack(t *testing.T) {
	t.Parallel()
	call := echoing(t)
	for name, test := range map[string]struct {
		token, more string
		good        bool
	}{
		"the whole value":             {"pass12", "more", false},
		"the other value":             {"token", "pass12", false},
		"both values":                 {"pas", "s12", false},
		"percent-encoded":             {"p%61ss12", "more", false},
		"escaped":                     {`p\u0061ss12`, "more", false},
		"decoded":                     {"pass34", "more", false},
		"as it is given, in base64":   {"token", "xcGFzczM0x", false},
		"a part of a value":           {"xpass12", "more", true},
		"a value that begins with it": {"pass12x", "more", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := echo(t, call, test.token, test.more)
			if test.good {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, givesBack)
			}
		})
	}
}

// A text of the request that a short secret is in is not used either, and one without a secret is.
func TestTextsThatAreGivenBack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ sections, text string }{
		"a query":  {"path: path\nmethod: GET\nquery: {a: any, b: KEY}", "a=a%20b%26c&b=pass12"},
		"a header": {"path: path\nheaders: {X-Any: '\"a \" + KEY'}", "a pass12"},
		"a form":   {"path: path\nform: {a: any, b: KEY}", "a=a%20b%26c&b=pass12"},
		"JSON":     {"path: path\njson: {a: any, b: KEY}", `{"a":"a b&c","b":"pass12"}`},
		"a body":   {"path: path\nbody: '\"a:\" + json(KEY)'\ncontent_type: '\"text/plain\"'", `a:"pass12"`},
	} {
		for _, of := range []string{"key", "path"} {
			t.Run(name+" of "+of, func(t *testing.T) {
				t.Parallel()
				signer, err := parsed(t, sending(strings.ReplaceAll(test.sections, "KEY", of))).Signer(scheme.Values{
					Secrets: map[string]secret.Text{"key": "pass12"}, BaseURL: "https://api.example",
				})
				require.NoError(t, err)
				call, err := signer.Login(scheme.Moment{Now: asked})
				require.NoError(t, err)
				text := test.text
				if of == "path" {
					text = strings.NewReplacer("=pass12", "=%2Flogin", "pass12", "/login").Replace(text)
				}
				for _, body := range []string{text, "x" + text + "y", base64.StdEncoding.EncodeToString([]byte("a" + text))} {
					_, err = call.Read(scheme.LoginAnswer{Body: []byte(body), At: asked})
					if of == "key" {
						require.EqualError(t, err, givesBack)
					} else {
						require.NoError(t, err)
					}
				}
			})
		}
	}
}

// What a vendor makes of a body that it takes for a form is not used either: a + of base64 is a space there.
func TestFormsThatAreGivenBack(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]string{
		"a secret": "base64(key)", "what is joined": `base64(percent_encode(key)) + "+%41"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const key = "canary~~>>??~~~>"
			text := sending("path: path\nbody: '\"a=\" + " + of + "'\ncontent_type: '\"text/plain\"'")
			signer, err := parsed(t, text).Signer(scheme.Values{
				Secrets: map[string]secret.Text{"key": key}, BaseURL: "https://api.example",
			})
			require.NoError(t, err)
			call, err := signer.Login(scheme.Moment{Now: asked})
			require.NoError(t, err)
			form, err := url.ParseQuery(string(call.Body))
			require.NoError(t, err)
			require.Contains(t, form.Get("a"), " ")
			_, err = call.Read(scheme.LoginAnswer{Body: []byte(form.Get("a")), At: asked})
			require.EqualError(t, err, givesBack)
			_, err = call.Read(scheme.LoginAnswer{Body: []byte(form.Get("a")[1:]), At: asked})
			require.NoError(t, err, "a part of it")
		})
	}
}

// Readers see the life of what a login gives, so the answer must not tell a secret of digits as one.
func TestSecretsThatAreGivenBackAsALife(t *testing.T) {
	t.Parallel()
	const rules = "life: [{pointer: /none}, {pointer: /life}, {pointer: /until, as: unix}]"
	text := answered("{pointer: /token}", rules)
	for _, test := range []struct {
		name, key, body string
		good            bool
	}{
		{"a number", "12345", `{"token":"t","life":12345}`, false},
		{"a string", "0012345", `{"token":"t","life":"0012345"}`, false},
		{"an instant", "1767323105", `{"token":"t","until":1767323105}`, false},
		{"a part of an instant", "67323105", `{"token":"t","until":1767323105}`, false},
		{"another number", "12345", `{"token":"t","life":12346}`, true},
		{"with the token", "t12345", `{"token":"t","life":12345}`, true},
		{"elsewhere", "12345", `{"token":"t","other":12345}`, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			signer, err := parsed(t, text).Signer(scheme.Values{
				Secrets: map[string]secret.Text{"key": secret.Text(test.key)}, BaseURL: "https://api.example",
			})
			require.NoError(t, err)
			call, err := signer.Login(scheme.Moment{Now: asked})
			require.NoError(t, err)
			_, err = call.Read(scheme.LoginAnswer{
				Header: http.Header{"X-Other": {"o"}}, Body: []byte(test.body), At: asked,
			})
			if test.good {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, givesBack)
			}
		})
	}
}

// A private key that is given back, in any form, is not used.
func TestPrivateKeysThatAreGivenBack(t *testing.T) {
	t.Parallel()
	call := echoing(t)
	pem := strings.Split(strings.TrimSpace(testKey(t, "p256-sec1-other.pem")), "\n")
	body := strings.Join(pem[1:len(pem)-1], "")
	for name, token := range map[string]string{
		"its body":             body,
		"its body with blanks": strings.Join(pem[1:len(pem)-1], " "),
		"its lines as JSON":    strings.Join(pem, `\n`),
		"its body as base64":   base64.StdEncoding.EncodeToString([]byte(body)),
		"its file as base64":   base64.StdEncoding.EncodeToString([]byte(testKey(t, "p256-sec1-other.pem"))),
		"its file in hex":      hex.EncodeToString([]byte(testKey(t, "p256-sec1-other.pem"))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := echo(t, call, token, "more")
			require.EqualError(t, err, givesBack)
		})
	}
}

// A call prints nothing of itself.
func TestLoginCallsAreNotPrinted(t *testing.T) {
	t.Parallel()
	call := echoing(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		require.Equal(t, "the request of a login", fmt.Sprintf(verb, call))
		require.NotContains(t, fmt.Sprintf(verb, []any{call, &call}), "api.example")
	}
}
