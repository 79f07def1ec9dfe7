package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// documented is an API whose documents are the names of secrets and, after a semicolon, of fields. Its calls are noted,
// and faults says which of them fail.
type documented struct {
	*api.API
	calls  []string
	faults map[string]bool
}

var document = api.Field{Name: "document", Required: true, Bound: true, Account: true}

func newDocumented() *documented {
	d := &documented{faults: map[string]bool{}}
	d.API = &api.API{
		Name:  "documented",
		Title: "Documented",
		Form: api.Form{Fields: []api.Field{
			document, baseURL, api.SecretExpiresAt, api.SecretWrittenAt,
		}},
		Document: &api.Document{
			Field: document,
			Read:  d.read,
			Catalogue: &api.Catalogue{
				Name:    api.Field{Name: "document_name", Learned: true, OmitEmpty: true},
				Upgrade: api.Field{Name: "document_upgrade", Kind: api.Flag, Unstored: true},
				Text:    func(string) string { return "" },
			},
		},
	}
	return d
}

// call notes a call, and fails if it is one of the faults.
func (d *documented) call(name string) error {
	d.calls = append(d.calls, name)
	if d.faults[name] {
		return api.Invalidf("%s fails", name)
	}
	return nil
}

// did returns the calls since it was asked last.
func (d *documented) did() []string {
	calls := d.calls
	d.calls = nil
	return calls
}

func (d *documented) read(text string) (api.Form, error) {
	if err := d.call("read"); err != nil {
		return api.Form{}, err
	}
	secrets, fields, _ := strings.Cut(text, ";")
	form := api.Form{
		Open:     d.open,
		Warnings: func() []string { return []string{"a warning of the document"} },
		Readable: map[string]any{"secrets": strings.Fields(secrets)},
	}
	if strings.Contains(text, "outdated") {
		form.Outdated = api.Invalidf("the document is outdated")
	}
	for name := range strings.FieldsSeq(secrets) {
		form.Fields = append(form.Fields, api.Field{
			Name: name, Kind: api.Secret, Required: true, Account: true, Group: api.GroupSecrets,
		})
	}
	for name := range strings.FieldsSeq(fields) {
		own := api.Field{
			Name: name, Bound: true, Account: true, Credential: true, OmitEmpty: true, Group: api.GroupFields,
			Rules: []api.Rule{api.PlainText},
		}
		if name == "zone" {
			own.Default = "default"
		}
		form.Fields = append(form.Fields, own)
	}
	return form, nil
}

func (d *documented) open(api.Values) (*api.Account, error) {
	if err := d.call("open"); err != nil {
		return nil, err
	}
	return &api.Account{Declared: d, SendsSecret: d.faults["send"]}, nil
}

func (d *documented) CheckHidden() error   { return d.call("hidden") }
func (d *documented) CheckExamples() error { return d.call("examples") }
func (d *documented) Warnings() []string   { return nil }

// config is a config of a document with a secret and two fields.
func (d *documented) config(t *testing.T) api.Values {
	t.Helper()
	change := write(t, d.API, d.New(), named{
		"document": "key;account label", "base_url": "https://other.example", "key": "canary-key", "account": "acme",
	})
	d.did()
	return change.Next
}

// What is wrong is found in one order: what the write names, what is missing, what is bound to the secret, and only
// then what compares stored secrets with what the write names. An answer must not tell whether a guess at a secret was
// right.
func TestApplyOrderOfErrors(t *testing.T) {
	t.Parallel()
	const bound = "changing account needs key in the same write: the stored one was given for what account was before"
	everything := []string{"open", "hidden", "examples", "send"}
	for name, test := range map[string]struct {
		write  named
		faults []string
		want   string
		calls  []string
	}{
		"an unknown parameter": {
			write:  named{"account": "other\n", "stranger": "x"},
			faults: everything,
			want:   "unknown parameter stranger",
		},
		"a value against a rule": {
			write:  named{"account": "other\n", "key": ""},
			faults: everything,
			want:   "key is required",
		},
		"a missing field": {
			write:  named{"document": "key;account label ", "account": "other"},
			faults: everything,
			want: "key is required; " +
				"a write that changes document starts over, so it must contain every secret and field",
			calls: []string{"read"},
		},
		"a bound field": {
			write:  named{"account": "other"},
			faults: everything,
			want:   bound,
		},
		"a bound field, and another date": {
			write:  named{"account": "other", "secret_expires_at": "2027-03-01T00:00:00Z"},
			faults: everything,
			want:   bound,
		},
		"another address": {
			write:  named{"base_url": "https://canary-key.example"},
			faults: everything,
			want: "changing base_url needs key in the same write: " +
				"the stored one was given for what base_url was before",
		},
		"opening fails": {
			write:  named{"account": "other", "key": "new"},
			faults: everything,
			want:   "open fails",
			calls:  []string{"open"},
		},
		"a secret shows": {
			write:  named{"account": "other", "key": "new"},
			faults: []string{"hidden", "examples", "send"},
			want:   "hidden fails",
			calls:  []string{"open", "hidden"},
		},
		"the examples fail": {
			write:  named{"account": "other", "key": "new"},
			faults: []string{"examples", "send"},
			want:   "examples fails",
			calls:  []string{"open", "hidden", "examples"},
		},
		"the secret is sent to a stored address": {
			write:  named{"account": "other", "key": "new"},
			faults: []string{"send"},
			want: "this write relies on the stored base_url https://other.example; " +
				"name it again in the same write, because the secret itself is sent there",
			calls: []string{"open", "hidden", "examples"},
		},
		"the document cannot be read": {
			write:  named{"document": "other;", "stranger": "x"},
			faults: []string{"read"},
			want:   "read fails",
			calls:  []string{"read"},
		},
		"the document is outdated": {
			write:  named{"document": "outdated;", "stranger": "x"},
			faults: everything,
			want:   "the document is outdated",
			calls:  []string{"read"},
		},
		"no document": {
			write:  named{"document": ""},
			faults: everything,
			want:   "document is required",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDocumented()
			old := d.config(t)
			for _, fault := range test.faults {
				d.faults[fault] = true
			}
			require.Equal(t, test.want, refused(t, d.API, old, test.write))
			require.Equal(t, test.calls, d.did())
		})
	}
}

// A write opens once, and reads a document only if it changes it. Secrets are looked for by writes that bring a value
// which a read returns, or a secret.
func TestApplyOpensOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		write named
		calls []string
	}{
		"a date":            {named{"secret_expires_at": "2027-03-01T00:00:00Z"}, []string{"open", "examples"}},
		"a secret":          {named{"key": "new"}, []string{"open", "hidden", "examples"}},
		"the same field":    {named{"account": "acme"}, []string{"open", "hidden", "examples"}},
		"the same document": {named{"document": "key;account label"}, []string{"open", "hidden", "examples"}},
		"another document": {
			named{"document": "secret;", "secret": "new"}, []string{"read", "open", "hidden", "examples"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDocumented()
			old := d.config(t)
			change := write(t, d.API, old, test.write)
			require.NotNil(t, change.Account)
			require.Equal(t, test.calls, d.did())
		})
	}
}

// Another document starts over: of the old one's secrets and fields nothing is kept, of the others everything.
func TestAnotherDocumentStartsOver(t *testing.T) {
	t.Parallel()
	d := newDocumented()
	old := d.config(t)
	entry, err := old.Encode(nil)
	require.NoError(t, err)
	change := write(t, d.API, old, named{"document": "key other;label", "key": "new", "other": "o"})
	changed, err := change.Next.Encode(entry)
	require.NoError(t, err)
	require.JSONEq(t, `{"document":"key other;label","base_url":"https://other.example",
		"secrets":{"key":"new","other":"o"},"fields":{},"secret_written_at":"2026-01-02T03:04:05Z"}`, string(changed))
	require.Equal(t, []string{"a warning of the document"}, change.Warnings)
	require.Empty(t, write(t, d.API, change.Next, named{"secret_expires_at": ""}).Warnings, "the document is not named")
}

// A document's field that is named as a common one has its own meaning, in a write, in storage and in what is known of
// the secret.
func TestDocumentsFieldNamedAsACommonOneWins(t *testing.T) {
	t.Parallel()
	d := newDocumented()
	const entry = `{"document":"key secret_written_at;secret_expires_at base_url",
		"secret_expires_at":"2027-03-01T00:00:00Z",
		"secrets":{"key":"canary-key","secret_written_at":"canary-own"},
		"fields":{"secret_expires_at":"2028-03-01T00:00:00Z","base_url":"here"}}`
	values, err := d.Decode([]byte(entry), nil)
	require.NoError(t, err)
	require.False(t, values.Has(api.SecretExpiresAt), "the common one")
	require.False(t, values.Has(api.SecretWrittenAt), "the common one")
	require.Zero(t, values.SecretDates())
	require.Equal(t, map[string]any{
		"document":          "key secret_written_at;secret_expires_at base_url",
		"secret_expires_at": "2028-03-01T00:00:00Z",
		"base_url":          "here",
		"secrets":           []string{"key", "secret_written_at"},
	}, values.Readable())

	change := write(t, d.API, values, named{"key": "new", "secret_written_at": "mine", "base_url": "no address"})
	again, err := change.Next.Encode([]byte(entry))
	require.NoError(t, err)
	require.JSONEq(t, `{"document":"key secret_written_at;secret_expires_at base_url",
		"secret_expires_at":"2027-03-01T00:00:00Z",
		"secrets":{"key":"new","secret_written_at":"mine"},
		"fields":{"secret_expires_at":"2028-03-01T00:00:00Z","base_url":"no address"}}`, string(again))
	require.Empty(t, change.Outlived)
	require.False(t, change.Next.Has(api.SecretWrittenAt))
}

// Each value of an entry is that of a field in its own object. A field that the entry lacks has its default.
func TestDecodeReadsFieldsInTheirObjects(t *testing.T) {
	t.Parallel()
	values, err := newDocumented().Decode([]byte(`{"document":"key;account zone","account":"outside",
		"secrets":{"key":"canary-key","base_url":"https://stray.example"},"fields":{"key":"canary","account":"acme"}}`), nil)
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"document": "key;account zone", "base_url": "", "account": "acme", "zone": "default", "secrets": []string{"key"},
	}, values.Readable())
	require.Equal(t, secret.Text("canary-key"), values.Secret(api.Field{Name: "key", Group: api.GroupSecrets}))
}

// The first write of a config must name its document.
func TestFirstWriteNamesTheDocument(t *testing.T) {
	t.Parallel()
	d := newDocumented()
	require.Equal(t, "document is required", refused(t, d.API, d.New(), named{"key": "canary-key"}))
	require.Equal(t, "key is required", refused(t, d.API, d.New(), named{"document": "key;"}), "nothing starts over")
}

// A document that is the same as before is not read again, which takes time.
func TestDecodeReadsAKnownDocumentOnce(t *testing.T) {
	t.Parallel()
	d := newDocumented()
	old := d.config(t)
	entry, err := old.Encode(nil)
	require.NoError(t, err)
	again, err := d.Decode(entry, &old)
	require.NoError(t, err)
	require.Empty(t, d.did())
	require.True(t, again.Equal(old))
	for name, known := range map[string]*api.Values{"nothing is known": nil, "another is known": ptr(d.New())} {
		again, err := d.Decode(entry, known)
		require.NoError(t, err, name)
		require.Equal(t, []string{"read"}, d.did(), name)
		require.True(t, again.Equal(old), name)
	}
	dates, err := d.DecodeDates(entry)
	require.NoError(t, err)
	require.Equal(t, "2026-01-02T03:04:05Z", api.RFC3339(dates.Written))
	require.Empty(t, d.did())
}

// A stored document that cannot be read keeps the config's own fields, which can be read and changed, and says why it
// is not opened.
func TestConfigOfADocumentThatCannotBeRead(t *testing.T) {
	t.Parallel()
	d := newDocumented()
	entry, err := d.config(t).Encode(nil)
	require.NoError(t, err)
	d.faults["read"] = true
	values, err := d.Decode(entry, nil)
	require.NoError(t, err)
	_, err = values.Open()
	require.EqualError(t, err, "read fails")
	require.Equal(t, map[string]any{
		"document": "key;account label", "base_url": "https://other.example", "secret_written_at": "2026-01-02T03:04:05Z",
	}, values.Readable())
	require.Equal(t, "read fails", refused(t, d.API, values, named{"secret_expires_at": ""}))
	d.faults["read"] = false
	change := write(t, d.API, values, named{"document": "secret;", "secret": "new"})
	require.Equal(t, secret.Text("new"), change.Next.Secret(api.Field{Name: "secret", Group: api.GroupSecrets}))
}

// A config whose document would be refused today goes on working, and says so. A write of the document is refused,
// others are not.
func TestOutdatedDocument(t *testing.T) {
	t.Parallel()
	d := newDocumented()
	values, err := d.Decode([]byte(`{"document":"key;outdated","base_url":"","secrets":{"key":"canary-key"}}`), nil)
	require.NoError(t, err)
	_, err = values.Open()
	require.NoError(t, err)
	require.Equal(t,
		"this config goes on working, but a write of its declaration would be refused: the document is outdated",
		values.Outdated())
	require.Empty(t, d.config(t).Outdated())
	write(t, d.API, values, named{"key": "new"})
	require.Equal(t, "the document is outdated", refused(t, d.API, values, named{
		"document": "key;outdated", "key": "new",
	}))
}

// An upgrade writes the document without naming it, so it warns of the new text, and a newer rule refuses it.
func TestUpgradeWritesTheDocument(t *testing.T) {
	t.Parallel()
	d := newDocumented()
	c := d.Document.Catalogue
	d.Form.Fields = append(d.Form.Fields, c.Name, c.Upgrade)
	text := "key; first"
	c.Text = func(string) string { return text }
	upgrade := named{"document_upgrade": true, "key": "canary-key", "base_url": "https://own.example"}
	old := write(t, d.API, d.New(), named{"document": "a-name", "key": "canary-key", "base_url": "https://own.example"})
	require.Empty(t, write(t, d.API, old.Next, upgrade).Warnings, "the text is the same")
	text = "key; second"
	change := write(t, d.API, old.Next, upgrade)
	require.Equal(t, "key; second", change.Next.Readable()["document"])
	require.Equal(t, []string{"a warning of the document"}, change.Warnings)
	text = "key; outdated"
	require.Equal(t, "the document is outdated", refused(t, d.API, old.Next, upgrade))
}

func ptr[T any](value T) *T { return &value }
