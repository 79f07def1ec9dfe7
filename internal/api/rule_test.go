package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
)

// Rules say what is wrong with a value, and never quote it.
func TestRules(t *testing.T) {
	t.Parallel()
	const (
		control = "contains a newline or another control character (printf %s writes none at the end, echo does)"
		header  = "contains a space, a control character or one outside ASCII"
		notPEM  = "contains something that is not PEM"
	)
	endsIn := api.EndsIn("which is added", "/v1", "/v1/auth")
	certificates, date := api.CACert.Rules[0], api.SecretExpiresAt.Rules[1]
	address := api.BaseURL("").Rules[1]
	oneLine := strings.ReplaceAll(testCertificate, "\n", `\n`)
	for name, test := range map[string]struct {
		rule  api.Rule
		value string
		want  string
	}{
		"as long as it may be":   {api.AtMost(4), "üü", ""},
		"longer":                 {api.AtMost(4), "üüx", "is longer than 4 bytes"},
		"plain text":             {api.PlainText, "a b ü '\"", ""},
		"a newline":              {api.PlainText, "a\n", control},
		"a byte 0":               {api.PlainText, "a\x00", control},
		"DEL":                    {api.PlainText, "\x7f", control},
		"a C1 control character": {api.PlainText, "\u0085", control},
		"printable ASCII":        {api.HeaderText, "!~", ""},
		"a space":                {api.HeaderText, "a b", header},
		"a tab":                  {api.HeaderText, "a\tb", header},
		"DEL in a header":        {api.HeaderText, "\x7f", header},
		"not ASCII":              {api.HeaderText, "ü", header},
		"ends in a path":         {endsIn, "https://a.example/v1", "ends in /v1, which is added: leave that out"},
		"ends in a longer one": {
			endsIn, "https://a.example/v1/auth//", "ends in /v1/auth, which is added: leave that out",
		},
		"ends in it, in capitals": {endsIn, "https://a.example/V1/", "ends in /v1, which is added: leave that out"},
		"ends in another":         {endsIn, "https://a.example/xv1", ""},
		"goes on":                 {endsIn, "https://a.example/v1/x", ""},
		"no address":              {address, "", ""},
		"an address":              {address, "https://a.example/b/", ""},
		"no certificate":          {certificates, "", ""},
		"a certificate":           {certificates, testCertificate, ""},
		"two, with a comment":     {certificates, "a comment\n" + testCertificate + otherCertificate, ""},
		"in one line":             {certificates, `"` + oneLine + oneLine + `"`, ""},
		"text behind it":          {certificates, testCertificate + "more", notPEM},
		"text alone":              {certificates, "canary", notPEM},
		"a line feed alone":       {certificates, "\n", notPEM},
		"one quote":               {certificates, `"` + testCertificate, notPEM},
		"a key": {
			certificates, "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n",
			"contains PEM that is not a certificate",
		},
		"no certificate in it": {
			certificates, "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n",
			"contains a certificate that cannot be parsed",
		},
		"too long":    {certificates, strings.Repeat("x", 64<<10+1), "is longer than 65536 bytes"},
		"no date":     {date, "", ""},
		"a date":      {date, "2026-03-01T00:00:00.5+01:00", ""},
		"a day alone": {date, "2026-03-01", "must be a time as in RFC 3339, such as 2026-03-01T00:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, test.rule(test.value))
		})
	}
}

// An address is stored without slashes at its end, and certificates as nothing but certificates.
func TestClean(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		field       api.Field
		given, want string
	}{
		"an address":           {baseURL, "https://a.example/b//", "https://a.example/b"},
		"no address":           {baseURL, "", ""},
		"what is none":         {baseURL, "canary", "canary"},
		"a certificate":        {api.CACert, testCertificate, testCertificate},
		"with a comment":       {api.CACert, "a comment\n" + testCertificate, testCertificate},
		"with carriage return": {api.CACert, strings.ReplaceAll(testCertificate, "\n", "\r\n"), testCertificate},
		"no certificate":       {api.CACert, "", ""},
		"with a key that was cut off": {
			api.CACert, "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n" + testCertificate + otherCertificate,
			testCertificate + otherCertificate,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, test.field.Clean(test.given))
		})
	}
}

// Accepts says which parameters there are.
func TestAccepts(t *testing.T) {
	t.Parallel()
	require.Equal(t, "this takes no parameters", api.Accepts(nil))
	require.Equal(t, "this takes a, b", api.Accepts([]string{"a", "b"}))
}
