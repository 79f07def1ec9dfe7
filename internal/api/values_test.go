package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// A field that the form lacks is a mistake in an API's own code, which must not read as an empty text: no config could
// be opened.
func TestValuesPanicForAFieldThatTheFormLacks(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(api.Values){
		"a text, misspelt":      func(v api.Values) { v.Text(api.Field{Name: "usr"}) },
		"a secret, misspelt":    func(v api.Values) { v.Secret(api.SecretField("usr", "")) },
		"seconds, misspelt":     func(v api.Values) { v.Seconds(api.RequestTimeout("")) },
		"a text of a document":  func(v api.Values) { v.Text(api.Field{Name: "user", Group: api.GroupFields}) },
		"a field for one write": func(v api.Values) { v.Text(verify) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, values := newStored(t, nil)
			require.PanicsWithValue(t, "the form of plain has no field "+map[bool]string{
				strings.HasSuffix(name, "misspelt"): "usr",
				name == "seconds, misspelt":         "request_timeout",
				name == "a text of a document":      "user",
				name == "a field for one write":     "verify",
			}[true], func() { read(values) })
		})
	}
}

// Reading what a form forgot fails at the first open, in the first test of an API.
func TestOpenPanicsForAForgottenField(t *testing.T) {
	t.Parallel()
	p := newPlain()
	p.Form.Open = func(v api.Values) (*api.Account, error) {
		return &api.Account{SendsSecret: v.Text(api.Field{Name: "forgotten"}) != ""}, nil
	}
	require.PanicsWithValue(t, "the form of plain has no field forgotten", func() {
		_, _ = p.Apply(api.Write{Now: now, Old: p.New(), Parameters: whole()})
	})
}

// Neither values nor a value print what they are, as texts or as numbers of their bytes.
func TestValuesPrintNoSecret(t *testing.T) {
	t.Parallel()
	p, values := newStored(t, named{"note": "canar"})
	change := write(t, p.API, values, named{"note": "canar"})
	value := api.Value{Text: "canary-key"}
	for name, printed := range map[string]any{
		"values":              values,
		"a pointer to values": &values,
		"values in a list":    []api.Values{values},
		"values in a map":     map[string]api.Values{"x": values},
		"values in a struct":  struct{ Values api.Values }{values},
		"a change":            change,
		"a pointer to one":    &change,
		"a value":             value,
		"a pointer to it":     &value,
		"a value in a list":   []api.Value{value},
		"a write":             api.Write{Old: values, Parameters: named{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, verb := range printingVerbs {
				requireNoCanary(t, fmt.Sprintf(verb, printed), verb)
			}
			encoded, err := json.Marshal(printed)
			require.NoError(t, err)
			requireNoCanary(t, string(encoded), "JSON")
		})
	}
	require.Equal(t, "values of plain", values.String())
}

// printingVerbs are those with which values are printed.
var printingVerbs = []string{"%v", "%+v", "%s", "%q", "%x", "%X", "%#v", "%d"}

func requireNoCanary(t *testing.T, printed, how string) {
	t.Helper()
	for _, format := range []string{"%s", "%x", "%X", "%d"} {
		leak := strings.Trim(fmt.Sprintf(format, []byte("canar")), "[]")
		require.NotContains(t, printed, leak, how)
	}
}

// What is stored is read back as it was, of every kind, and fields of a later version stay.
func TestEncodeAndDecode(t *testing.T) {
	t.Parallel()
	p, values := newStored(t, named{
		"region": "eu", "format": "b", "note": "ü\"\\", "loud": false, "min_ttl": 0, "ca_cert": testCertificate,
		"secret_expires_at": "2027-03-01T01:00:00+01:00",
	})
	const later = `"later":{"a":12345678901234567890},"another":null,"verify":"a text in a later version"`
	entry, err := values.Encode([]byte(`{"note":"old","loud":true,` + later + `}`))
	require.NoError(t, err)
	certificate, err := json.Marshal(testCertificate)
	require.NoError(t, err)
	require.JSONEq(t, `{
		"user": "me",
		"key": "canary-key",
		"region": "eu",
		"base_url": "https://other.example",
		"format": "b",
		"found": "",
		"note": "ü\"\\",
		"loud": false,
		"min_ttl": 0,
		"ca_cert": `+string(certificate)+`,
		"secret_expires_at": "2027-03-01T01:00:00+01:00",
		"secret_written_at": "2026-01-02T03:04:05Z",
		`+later+`
	}`, string(entry))
	require.Contains(t, string(entry), "12345678901234567890", "as it is written")
	again, err := p.Decode(entry, nil)
	require.NoError(t, err)
	require.True(t, again.Equal(values))
	require.Equal(t, values.Readable(), again.Readable())
	require.Equal(t, secret.Text("canary-key"), again.Secret(key))
	require.Zero(t, again.Seconds(api.MinTTL))
	dates, err := p.DecodeDates(entry)
	require.NoError(t, err)
	require.Equal(t, again.SecretDates(), dates)
	require.True(t, time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC).Equal(dates.Expires))
	require.True(t, now.Truncate(time.Second).Equal(dates.Written))

	emptied := write(t, p.API, again, named{"note": nil, "secret_expires_at": ""})
	entry, err = emptied.Next.Encode(entry)
	require.NoError(t, err)
	require.NotContains(t, string(entry), "note")
	require.NotContains(t, string(entry), "secret_expires_at")
	var stored map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(entry, &stored))
	require.JSONEq(t, `{"a":12345678901234567890}`, string(stored["later"]))
	require.JSONEq(t, `null`, string(stored["another"]))
	require.JSONEq(t, `"a text in a later version"`, string(stored["verify"]))
}

// A stored entry may lack fields, and have values that no write could bring.
func TestDecodeOfAnyEntry(t *testing.T) {
	t.Parallel()
	defaults := map[string]any{
		"user": "", "region": "", "base_url": "", "format": "a", "found": "", "loud": true, "min_ttl": 600, "ca_cert": "",
	}
	for name, test := range map[string]struct {
		entry   string
		changes map[string]any
	}{
		"an empty object":     {`{}`, nil},
		"null":                {`null`, nil},
		"null for a choice":   {`{"format":null}`, map[string]any{"format": "auto"}},
		"null for seconds":    {`{"min_ttl":null}`, nil},
		"null for a flag":     {`{"loud":null}`, nil},
		"null for a text":     {`{"note":null,"user":null}`, nil},
		"an empty text":       {`{"note":"","secret_written_at":""}`, nil},
		"another choice":      {`{"format":"later"}`, map[string]any{"format": "later"}},
		"a long text":         {`{"note":"far too long"}`, map[string]any{"note": "far too long"}},
		"the greatest":        {`{"min_ttl":1800}`, map[string]any{"min_ttl": 1800}},
		"beyond the greatest": {`{"min_ttl":1801}`, map[string]any{"min_ttl": 1800}},
		"far beyond":          {`{"min_ttl":9223372036854775807}`, map[string]any{"min_ttl": 1800}},
		"the least":           {`{"min_ttl":0}`, map[string]any{"min_ttl": 0}},
		"below the least":     {`{"min_ttl":-1}`, map[string]any{"min_ttl": 0}},
		"a flag":              {`{"loud":false}`, map[string]any{"loud": false}},
		"unknown fields":      {`{"later":[1],"verify":{}}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values, err := newPlain().Decode([]byte(test.entry), nil)
			require.NoError(t, err)
			want := map[string]any{}
			for _, from := range []map[string]any{defaults, test.changes} {
				for field, value := range from {
					want[field] = value
				}
			}
			require.Equal(t, want, values.Readable())
			_, err = values.Encode([]byte(test.entry))
			require.NoError(t, err)
		})
	}
}

// Of an entry that is no config, the error says so and quotes nothing.
func TestDecodeOfADamagedEntry(t *testing.T) {
	t.Parallel()
	for name, entry := range map[string]string{
		"nothing":                    ``,
		"cut off":                    `{"user":"canary`,
		"a list":                     `["canary"]`,
		"a text":                     `"canary"`,
		"a number for a text":        `{"user":7}`,
		"a list for a secret":        `{"key":["canary"]}`,
		"a text for seconds":         `{"min_ttl":"canary"}`,
		"a fraction for seconds":     `{"min_ttl":1.5}`,
		"too large for a number":     `{"min_ttl":1e300}`,
		"a text for a flag":          `{"loud":"canary"}`,
		"a number for certificates":  `{"ca_cert":1}`,
		"a number for what is found": `{"found":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlain()
			_, err := p.Decode([]byte(entry), nil)
			require.Equal(t, api.ErrDamaged, err)
			_, err = p.DecodeDates([]byte(entry))
			require.Equal(t, api.ErrDamaged, err)
			if !json.Valid([]byte(entry)) || entry[0] != '{' {
				_, err = p.New().Encode([]byte(entry))
				require.Equal(t, api.ErrDamaged, err)
			}
		})
	}
	d := newDocumented()
	for name, entry := range map[string]string{
		"a list of secrets":   `{"document":"key;","secrets":["canary"]}`,
		"a number of fields":  `{"document":"key;","fields":5}`,
		"a number for one":    `{"document":"key;","secrets":{"key":1}}`,
		"an object for a one": `{"document":"key;a","fields":{"a":{}}}`,
		"no document":         `{"document":["canary"]}`,
	} {
		t.Run("of a document, "+name, func(t *testing.T) {
			t.Parallel()
			_, err := newDocumented().Decode([]byte(entry), nil)
			require.Equal(t, api.ErrDamaged, err)
		})
	}
	_, err := d.Decode([]byte(`{"document":"key;a","secrets":null,"fields":{"a":null}}`), nil)
	require.NoError(t, err)
}

// Only a field that a token belongs to makes another account.
func TestSameAccount(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		write named
		same  bool
	}{
		"another user":        {named{"user": "other", "key": "canary-key"}, false},
		"another secret":      {named{"key": "other"}, false},
		"another region":      {named{"region": "us", "key": "canary-key"}, false},
		"another address":     {named{"base_url": "https://b.example", "key": "canary-key"}, false},
		"another format":      {named{"format": "b"}, false},
		"another certificate": {named{"ca_cert": testCertificate, "key": "canary-key"}, false},
		"the same":            {whole(), true},
		"another text":        {named{"note": "n"}, true},
		"another flag":        {named{"loud": false}, true},
		"another min_ttl":     {named{"min_ttl": 1}, true},
		"another date":        {named{"secret_expires_at": "2027-03-01T00:00:00Z"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, old := newStored(t, nil)
			next := write(t, p.API, old, test.write).Next
			require.Equal(t, test.same, next.SameAccount(old))
			require.Equal(t, name == "the same", next.Equal(old))
			require.False(t, next.Equal(p.New()))
		})
	}
}

// What a login found is kept under auto alone, and belongs to no account.
func TestLearn(t *testing.T) {
	t.Parallel()
	p, old := newStored(t, nil)
	learned := old.Learn("b")
	require.Equal(t, "b", learned.Detected())
	require.Empty(t, old.Detected(), "values do not change")
	require.True(t, learned.SameAccount(old))
	require.False(t, learned.Equal(old))
	fixed := write(t, p.API, old, named{"format": "a"}).Next
	require.Empty(t, fixed.Learn("b").Detected())
	p.Format = nil
	require.Empty(t, old.Learn("b").Detected(), "an API without formats")
}

// Open says what is missing of a stored config, or what this version does not know, before the API opens it.
func TestOpenOfAStoredConfig(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ entry, want string }{
		"nothing":        {`{}`, "user, key are required"},
		"no secret":      {`{"user":"me"}`, "key is required"},
		"a later choice": {`{"user":"me","key":"canary-key","format":"later"}`, "format must be one of auto, a, b"},
		"a later region": {`{"user":"me","key":"canary-key","region":"later"}`, "region must be one of eu, us"},
		"whole":          {`{"user":"me","key":"canary-key"}`, ""},
		"of old rules":   {`{"user":"a 'b'","key":"canary\n","note":"far too long","secret_expires_at":"soon"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlain()
			values, err := p.Decode([]byte(test.entry), nil)
			require.NoError(t, err)
			account, err := values.Open()
			if test.want == "" {
				require.NoError(t, err)
				require.NotNil(t, account)
				require.Equal(t, 1, p.opens)
				return
			}
			require.EqualError(t, err, test.want)
			require.Zero(t, p.opens)
		})
	}
}
