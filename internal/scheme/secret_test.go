package scheme_test

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// encoded is a scheme with a secret of each encoding.
const encoded = `secrets: {plain: {}, based: {encoding: base64}, digits: {encoding: hex}}
request: {body: {}}
headers: {X-Sig: 'hex(hmac_sha256(plain + based + digits, body))'}
ttl: 60s
examples:
  - secrets: {plain: made-up, based: bWFkZS11cA==, digits: 6D6164652D7570}
    request: {body: hello}
    want: {X-Sig: ""}
`

func parsed(t *testing.T, text string) *scheme.Scheme {
	t.Helper()
	s, err := scheme.Parse(text)
	require.NoError(t, err)
	return s
}

// A secret that is not what its encoding says is refused, and the error does not quote it.
func TestSecretsAreDecodedStrictly(t *testing.T) {
	t.Parallel()
	s := parsed(t, encoded)
	good := map[string]secret.Text{"plain": "canary one", "based": "Y2FuYXJ5", "digits": "63616E617279aaFF"}
	values := func(name string, value secret.Text) scheme.Values {
		secrets := map[string]secret.Text{}
		for other, text := range good {
			secrets[other] = text
		}
		secrets[name] = value
		return scheme.Values{Secrets: secrets, BaseURL: "https://api.example"}
	}
	const size, notText = " must have 1 to 4096 bytes", "plain is not UTF-8 text"
	for _, test := range []struct {
		name, of string
		value    secret.Text
		want     string
	}{
		{"a text", "plain", "canary one", ""},
		{"spaces, which are not trimmed", "plain", " canary ", ""},
		{"a text outside ASCII", "plain", "\u00e9\u4e2d", ""},
		{"the longest text", "plain", secret.Text(strings.Repeat("c", 4096)), ""},
		{"no text", "plain", "", "plain" + size},
		{"a text that is too long", "plain", secret.Text(strings.Repeat("c", 4097)), "plain" + size},
		{"a newline", "plain", "canary\n", notText + " without control characters"},
		{"DEL", "plain", "canary\x7f", notText},
		{"NEL", "plain", "canary\u0085", notText},
		{"a byte that is not UTF-8", "plain", "canary\xff", notText},
		{"an exclamation mark in base64", "based", "canary!", "based is not base64"},
		{"base64 without one =", "based", "Y2FuYXJ", "based is not base64"},
		{"base64 without ==", "based", "Y2FuYXJ5Cg", "based is not base64"},
		{"a newline in base64, which Go skips", "based", "Y2Fu\nYXJ5", "based is not base64"},
		{"a space in base64", "based", "Y2Fu YXJ5", "based is not base64"},
		{"a newline after base64", "based", "Y2FuYXJ5\n", "based is not base64"},
		{"base64url", "based", "Y2F-_XJ5", "based is not base64"},
		{"base64 of a", "based", "YQ==", ""},
		{"base64 with bits after the end", "based", "YX==", "based is not base64"},
		{"= alone", "based", "=", "based is not base64"},
		{"no base64", "based", "", "based" + size},
		{"letters that are not hex", "digits", "canary", "digits is not hex"},
		{"three digits", "digits", "636", "digits is not hex"},
		{"0x", "digits", "0x63", "digits is not hex"},
		{"a space in hex", "digits", "63 61", "digits is not hex"},
		{"hex in either case", "digits", "aAfF", ""},
		{"no hex", "digits", "", "digits" + size},
		{"hex that is too long", "digits", secret.Text(strings.Repeat("ab", 4097)), "digits" + size},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := s.Signer(values(test.of, test.value))
			if test.want == "" {
				require.NoError(t, err)
				require.NoError(t, s.CheckSecret(test.of, test.value))
				return
			}
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "canary")
			require.NotContains(t, err.Error(), "Y2F")
			require.Error(t, s.CheckSecret(test.of, test.value))
		})
	}
}

// elsewhere are secrets for encoded that are in no document.
func elsewhere() map[string]secret.Text {
	return map[string]secret.Text{"plain": "p-not-there", "based": "bm90LXRoZXJl", "digits": "6e6f742d7468657265"}
}

// checkSecret is the error for one secret of a document with those of encoded. The others are in no document.
func checkSecret(t *testing.T, document, name string, value secret.Text) error {
	t.Helper()
	secrets := elsewhere()
	secrets[name] = value
	return parsed(t, document).CheckHidden(scheme.Values{Secrets: secrets, BaseURL: "https://api.example"})
}

// A secret of the config may not be in what is read back: the scheme, in whatever spelling, a field, or base_url.
func TestSecretsAreNotInTheDocument(t *testing.T) {
	t.Parallel()
	const hidden = "canary-secret"
	check := func(document, name string, value secret.Text) error { return checkSecret(t, document, name, value) }
	require.NoError(t, check(encoded, "plain", hidden))
	raw := []byte(hidden)
	for where, comment := range map[string]string{
		"as it is":          hidden,
		"in other text":     "x" + hidden + "y",
		"base64":            base64.StdEncoding.EncodeToString(raw),
		"base64, no pad":    base64.RawStdEncoding.EncodeToString(raw),
		"base64url":         base64.RawURLEncoding.EncodeToString(raw),
		"hex":               hex.EncodeToString(raw),
		"hex in upper case": strings.ToUpper(hex.EncodeToString(raw)),
	} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			err := check(encoded+"# "+comment+"\n", "plain", hidden)
			require.ErrorContains(t, err, "plain is in the scheme")
			require.NotContains(t, err.Error(), hidden)
			// Given in an encoding, it counts as decoded, too.
			based, digits := base64.StdEncoding.EncodeToString(raw), hex.EncodeToString(raw)
			err = check(encoded+"# "+comment+"\n", "based", secret.Text(based))
			require.ErrorContains(t, err, "based is in the scheme")
			err = check(encoded+"# "+comment+"\n", "digits", secret.Text(digits))
			require.ErrorContains(t, err, "digits is in")
		})
	}
	// Hex digits in another case, also of a secret that is short.
	require.ErrorContains(t, check(encoded+"# DEADBEEF\n", "digits", "deadbeef"), "digits is in the scheme")
	require.ErrorContains(t, check(encoded+"# deadbeef\n", "digits", "DEADBEEF"), "digits is in the scheme")
	require.NoError(t, check(encoded+"# DEADBE\n", "digits", "deadbe"))
	// In escapes of YAML, and of an expression.
	inRequest := strings.Replace(encoded, "{body: hello}", `{body: "c\x61nary-secret"}`, 1)
	require.ErrorContains(t, check(inRequest, "plain", hidden), "plain is in the scheme")
	inExpression := strings.Replace(encoded, "digits, body)", `digits, body + "c\x61nary-secret")`, 1)
	require.ErrorContains(t, check(inExpression, "plain", hidden), "plain is in the scheme")
	// A short one only as a whole: as the value of an example, a literal, a key.
	require.NoError(t, check(encoded, "plain", "ell"))
	for _, short := range []secret.Text{"hello", "made-up", "60s", "X-Sig", "body", "secrets"} {
		t.Run(short.Reveal(), func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, check(encoded, "plain", short), "plain is in the scheme")
		})
	}
	require.ErrorContains(t, check(strings.Replace(encoded, "digits, body)", `digits, body + "ab")`, 1), "plain", "ab"),
		"plain is in")
	// The example's secrets, in whatever spelling.
	require.ErrorContains(t, check(encoded, "based", "bWFkZS11cA=="), "based is in the scheme")
	require.ErrorContains(t, check(encoded, "digits", "6d6164652d7570"), "digits is in the scheme")

	withField := strings.Replace(encoded, "ttl:", "fields: {id: {}}\nttl:", 1)
	withField = strings.Replace(withField, "request: {body: hello}", "request: {body: hello}\n    fields: {id: x1}", 1)
	values := scheme.Values{
		Secrets: elsewhere(),
		Fields:  map[string]string{"id": "p-not-there"},
		BaseURL: "https://api.example",
	}
	err := parsed(t, withField).CheckHidden(values)
	require.EqualError(t, err, "plain is in the scheme, a field or base_url, which are read back; use made-up secrets "+
		"in examples")
	values.Fields["id"], values.BaseURL = "x", "https://p-not-there"
	require.ErrorContains(t, parsed(t, withField).CheckHidden(values), "plain is in")
	values.BaseURL = "https://api.example"
	require.NoError(t, parsed(t, withField).CheckHidden(values))
}

// Spellings of a secret inside other text, made with Python's base64 and urllib.parse.
func TestSecretsInsideOtherTextAreFound(t *testing.T) {
	t.Parallel()
	const hidden = "canary-s\u00e9cret/+?>"
	for name, comment := range map[string]string{
		"base64, after nothing":         "Y2FuYXJ5LXPDqWNyZXQvKz8+Ong=",
		"base64, after u:":              "dTpjYW5hcnktc8OpY3JldC8rPz46eA==",
		"base64, after us:":             "dXM6Y2FuYXJ5LXPDqWNyZXQvKz8+Ong=",
		"a pasted header":               "Authorization: Basic dXNlcjpjYW5hcnktc8OpY3JldC8rPz46eA==",
		"base64url":                     "Y2FuYXJ5LXPDqWNyZXQvKz8-Ong",
		"base64url, after us:":          "dXM6Y2FuYXJ5LXPDqWNyZXQvKz8-Ong",
		"percent-encoded":               "user=a&password=canary-s%C3%A9cret%2F%2B%3F%3E",
		"percent-encoded in lower case": "password=canary-s%c3%a9cret%2f%2b%3f%3e",
		"percent-encoded in part":       "password=%63anary-s%C3%A9cret/+?%3E",
		"percent-encoded base64":        "auth=dXM6Y2FuYXJ5LXPDqWNyZXQvKz8%2BOng%3D",
		"hex":                           "757365723a63616e6172792d73c3a9637265742f2b3f3e3a78",
		"hex in upper case":             "757365723A63616E6172792D73C3A9637265742F2B3F3E3A78",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := checkSecret(t, encoded+"# "+comment+"\n", "plain", hidden)
			require.ErrorContains(t, err, "plain is in the scheme")
			require.NotContains(t, err.Error(), "canary")
		})
	}
	for comment, value := range map[string]secret.Text{
		"password=canary+secret%2B%2F":    "canary secret+/", // a form
		"password=canary%20secret%2B%2F":  "canary secret+/",
		"a=1+2&password=canary+secret%2F": "canary+secret/", // and no form
		"YToxMjM0NTY3OH5+":                "12345678",
		"YWI6MTIzNDU2Nzh+fg==":            "12345678",
		"YWJjOjEyMzQ1Njc4fn4=":            "12345678",
	} {
		t.Run(comment, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, checkSecret(t, encoded+"# "+comment+"\n", "plain", value), "plain is in the scheme")
		})
	}
	// The bytes of a secret, and what was given.
	const given = "+//+AQIDBP/+"
	for _, comment := range []string{
		"az37//4BAgME//4=", "az37__4BAgME__4", "k=%FB%FF%FE%01%02%03%04%FF%FE", "k=%2B%2F%2F%2BAQIDBP%2F%2B", "+//+AQIDBP/+",
	} {
		t.Run(comment, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, checkSecret(t, encoded+"# "+comment+"\n", "based", given), "based is in the scheme")
		})
	}
	// In the field of a config, and in base_url.
	withField := strings.Replace(encoded, "ttl:", "fields: {id: {}}\nttl:", 1)
	withField = strings.Replace(withField, "    want:", "    fields: {id: x1}\n    want:", 1)
	for _, public := range [][2]string{{"YWI6MTIzNDU2Nzh+fg==", ""}, {"1", "/%31%32345678"}} {
		t.Run(public[0], func(t *testing.T) {
			t.Parallel()
			secrets := elsewhere()
			secrets["plain"] = "12345678"
			require.ErrorContains(t, parsed(t, withField).CheckHidden(scheme.Values{
				Secrets: secrets, Fields: map[string]string{"id": public[0]}, BaseURL: "https://api.example" + public[1],
			}), "plain is in", public)
		})
	}
	// One that is reversed, or spread over lines, is not found: that is out of scope.
	require.NoError(t, checkSecret(t, encoded+"# terces-yranac\n# canary-\n# secret\n", "plain", "canary-secret"))
}

// A secret that came damaged is refused where it is written. One that is stored, perhaps from before that rule, signs
// as it is.
func TestDamagedSecretsAreRefusedWhenWritten(t *testing.T) {
	t.Parallel()
	s := parsed(t, encoded)
	const way = "; if the secret is no plain text, declare it with encoding: base64 and write its base64"
	for _, test := range []struct {
		name  string
		value secret.Text
		want  string
	}{
		{"plain", "canary\ufffd", "contains U+FFFD"},
		{"plain", "\ufeffcanary", "contains an invisible character"},
		{"plain", "\u201ccanary\u201d", "contains a typographic quote"},
		{"based", "\ufeffY2FuYXJ5", "contains an invisible character"},
		{"digits", "6361\u00a0", "contains an invisible character"},
		{"plain", " canary ", ""},
	} {
		t.Run(test.name+" "+test.want, func(t *testing.T) {
			t.Parallel()
			err := s.CheckSecret(test.name, test.value)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "canary")
			require.Equal(t, test.name == "plain", strings.HasSuffix(err.Error(), way), err)
			if test.name == "plain" {
				_, err = s.Signer(scheme.Values{
					Secrets: map[string]secret.Text{"plain": test.value, "based": "Y2FuYXJ5", "digits": "6361"},
					BaseURL: "https://api.example",
				})
				require.NoError(t, err)
			}
		})
	}
}
