package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
)

// A write changes the fields that it names, which are cleaned, and no others. The engine's own fields and those about
// one write are not stored.
func TestApplyMerges(t *testing.T) {
	t.Parallel()
	all := map[string]any{
		"user": "me", "region": "", "base_url": "https://other.example", "format": "auto", "found": "", "note": "n",
		"loud":    false,
		"min_ttl": 20, "ca_cert": "", "secret_written_at": "2026-01-02T03:04:05Z",
	}
	for name, test := range map[string]struct {
		write   named
		changes map[string]any
	}{
		"a text": {named{"note": "other"}, map[string]any{"note": "other"}},
		"a text with slashes": {
			named{"base_url": "https://b.example//", "key": "k"}, map[string]any{"base_url": "https://b.example"},
		},
		"seconds":             {named{"min_ttl": 30}, map[string]any{"min_ttl": 30}},
		"a flag":              {named{"loud": true}, map[string]any{"loud": true}},
		"null for a flag":     {named{"loud": nil}, map[string]any{"loud": true}},
		"null for seconds":    {named{"min_ttl": nil}, map[string]any{"min_ttl": 600}},
		"one of some":         {named{"format": "b"}, map[string]any{"format": "b"}},
		"null for a choice":   {named{"format": nil}, map[string]any{"format": "auto"}},
		"null for a text":     {named{"note": nil}, map[string]any{"note": nil}},
		"what a login found":  {named{"found": "b"}, nil},
		"when it was written": {named{"secret_written_at": "2020-01-01T00:00:00Z"}, nil},
		"about one write":     {named{"verify": true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, old := newStored(t, named{"note": "n", "loud": false, "min_ttl": 20})
			require.Equal(t, all, old.Readable())
			change := write(t, p.API, old, test.write)
			want := map[string]any{}
			for field, value := range all {
				want[field] = value
			}
			for field, value := range test.changes {
				if want[field] = value; value == nil {
					delete(want, field)
				}
			}
			require.Equal(t, want, change.Next.Readable())
			require.False(t, change.Next.Has(verify))
			require.Equal(t, all, old.Readable(), "values do not change")
			require.Equal(t, 1, p.opens)
		})
	}
}

// What a write names must keep the rules; what is stored need not.
func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	entry := []byte(`{"user":"me","key":"canary-key","note":"far too long","base_url":"http://old.example"}`)
	for name, test := range map[string]struct {
		write named
		want  string
	}{
		"too long":            {named{"note": "longer"}, "note is longer than 5 bytes"},
		"a control character": {named{"note": "a\x7f"}, "note contains a newline or another control character"},
		"too few seconds":     {named{"min_ttl": -1}, "min_ttl must be from 0s to 1800s"},
		"too many seconds":    {named{"min_ttl": 1801}, "min_ttl must be from 0s to 1800s"},
		"none of some":        {named{"format": "c"}, "format must be one of auto, a, b"},
		"an empty choice":     {named{"format": ""}, "format must be one of auto, a, b"},
		"a region":            {named{"region": "uk"}, "region must be one of eu, us"},
		"an empty text":       {named{"note": ""}, "note is empty"},
		"an empty secret":     {named{"key": ""}, "key is required"},
		"null for a secret":   {named{"key": nil}, "key is required"},
		"a damaged secret":    {named{"key": "canary\ufffd"}, "key contains U+FFFD"},
		"a quoted value":      {named{"user": "can'ary"}, "user contains a quote"},
		"no address":          {named{"base_url": "canary"}, "base_url begins with neither"},
		"no certificate":      {named{"ca_cert": "canary"}, "ca_cert contains something that is not PEM"},
		"no date":             {named{"secret_expires_at": "canary"}, "secret_expires_at must be a time as in RFC 3339"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlain()
			stored, err := p.Decode(entry, nil)
			require.NoError(t, err)
			text := refused(t, p.API, stored, test.write)
			require.True(t, strings.HasPrefix(text, test.want), text)
			require.NotContains(t, text, "canary")
			require.Zero(t, p.opens)
			write(t, p.API, stored, named{"loud": false})
		})
	}
}

// A config that is named as one of the choices has that one, where a write leaves it empty.
func TestConfigsNameIsTheValue(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config string
		write  named
		want   string
	}{
		"named as a region":            {"eu", named{}, "eu"},
		"named as one, and empty":      {"eu", named{"region": ""}, "eu"},
		"named as one, and another":    {"eu", named{"region": "us"}, "us"},
		"named as one, and null":       {"us", named{"region": nil}, "us"},
		"named otherwise":              {"main", named{}, ""},
		"named as one, in capitals":    {"EU", named{}, ""},
		"named otherwise, of a region": {"main", named{"region": "us"}, "us"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlain()
			change, err := p.Apply(api.Write{
				Name: test.config, Now: now, Old: p.New(), Parameters: with(whole(), test.write),
			})
			require.NoError(t, err)
			require.Equal(t, test.want, change.Next.Text(region))
		})
	}
}

// A write tries the credentials if it changes what a login uses, or wants it.
func TestApplyVerifies(t *testing.T) {
	t.Parallel()
	secret := named{"key": "canary-key", "base_url": "https://other.example"}
	for name, test := range map[string]struct {
		write named
		want  bool
	}{
		"another secret":              {named{"key": "new"}, true},
		"another format":              {named{"format": "b"}, true},
		"another account":             {with(secret, named{"user": "other"}), true},
		"the same secret":             {secret, false},
		"nothing that a login uses":   {named{"note": "n"}, false},
		"nothing, and it is wanted":   {named{"note": "n", "verify": true}, true},
		"a secret, and it is not":     {named{"key": "new", "verify": false}, false},
		"nothing, and null":           {named{"note": "n", "verify": nil}, false},
		"another secret, and null":    {named{"key": "new", "verify": nil}, true},
		"wanted, and nothing changes": {named{"verify": true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, old := newStored(t, nil)
			require.True(t, write(t, p.API, p.New(), whole()).Verify, "a new config")
			require.Equal(t, test.want, write(t, p.API, old, test.write).Verify)
			p.login = nil
			require.False(t, write(t, p.API, old, test.write).Verify, "an account without a login")
		})
	}
}

// What a login found is forgotten with another address or another choice, and nothing else.
func TestApplyForgetsWhatALoginFound(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		write named
		want  string
	}{
		"another address":        {named{"base_url": "https://b.example", "key": "k"}, ""},
		"another region":         {named{"region": "us", "key": "k"}, ""},
		"another choice":         {named{"format": "a"}, ""},
		"the same address":       {named{"base_url": "https://other.example/"}, "b"},
		"another secret":         {named{"key": "k"}, "b"},
		"another account":        {named{"user": "other", "key": "k"}, "b"},
		"another text":           {named{"note": "n"}, "b"},
		"another choice, as now": {named{"format": "auto"}, "b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, old := newStored(t, nil)
			old = old.Learn("b")
			require.Equal(t, "b", old.Detected())
			require.Equal(t, test.want, write(t, p.API, old, test.write).Next.Detected())
		})
	}
}

// A write that names a secret notes when, and says on which stored values it relies, and that the date of the old one
// stays.
func TestApplyOfASecret(t *testing.T) {
	t.Parallel()
	const certificate = "ca_cert"
	for name, test := range map[string]struct {
		stored, write named
		relied        string
		outlived      string
	}{
		"nothing is stored": {
			write: whole(),
		},
		"no secret is named": {
			stored: named{"secret_expires_at": "2027-03-01T00:00:00Z"},
			write:  named{"note": "n"},
		},
		"an address is stored": {
			stored: named{},
			write:  named{"key": "new"},
			relied: "the stored base_url https://other.example, which is not Plain's own",
		},
		"it is named again": {
			stored: named{},
			write:  named{"key": "new", "base_url": "https://other.example"},
		},
		"the vendor's own is stored": {
			stored: named{"base_url": "https://own.example"},
			write:  named{"key": "new"},
		},
		"none is stored": {
			stored: named{"base_url": ""},
			write:  named{"key": "new"},
		},
		"a certificate is stored": {
			stored: named{"base_url": "", certificate: testCertificate},
			write:  named{"key": "new"},
			relied: "the stored ca_cert",
		},
		"a certificate is named again": {
			stored: named{"base_url": "", certificate: testCertificate},
			write:  named{"key": "new", certificate: testCertificate},
		},
		"both are stored": {
			stored: named{certificate: testCertificate},
			write:  named{"key": "new"},
			relied: "the stored base_url https://other.example, which is not Plain's own and the stored ca_cert",
		},
		"both are stored, one is named": {
			stored: named{certificate: testCertificate},
			write:  named{"key": "new", "base_url": "https://other.example"},
			relied: "the stored ca_cert",
		},
		"a date is stored": {
			stored: named{"base_url": "", "secret_expires_at": "2027-03-01T01:00:00+01:00"},
			write:  named{"key": "new"},
			outlived: "secret_expires_at is still 2027-03-01T00:00:00Z; " +
				"if the new secret expires at another time, or never, write that too",
		},
		"another date is named": {
			stored: named{"base_url": "", "secret_expires_at": "2027-03-01T01:00:00+01:00"},
			write:  named{"key": "new", "secret_expires_at": "2028-03-01T00:00:00Z"},
		},
		"the date is taken away": {
			stored: named{"base_url": "", "secret_expires_at": "2027-03-01T01:00:00+01:00"},
			write:  named{"key": "new", "secret_expires_at": ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, old := newStored(t, test.stored)
			if test.stored == nil {
				old = p.New()
			}
			change, err := p.Apply(api.Write{Now: now.AddDate(1, 0, 0), Old: old, Parameters: test.write})
			require.NoError(t, err)
			require.Equal(t, test.relied, change.Relied)
			require.Equal(t, test.outlived, change.Outlived)
			want := "2027-01-02T03:04:05Z"
			if test.write["key"] == nil {
				want = "2026-01-02T03:04:05Z"
			}
			require.Equal(t, want, change.Next.Text(api.SecretWrittenAt))
		})
	}
}

// Blanks at the ends of what authenticates are kept, and warned of.
func TestApplyWarnsOfBlanks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		write named
		want  []string
	}{
		"none":            {named{"key": "a b"}, nil},
		"of a secret":     {named{"key": " canary  "}, []string{"key has blanks at its ends, 1 before and 2 after the rest"}},
		"of a credential": {named{"owner": "me "}, []string{"owner has blanks at its ends, 0 before and 1 after the rest"}},
		"of another text": {named{"note": " n "}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlain()
			p.Form.Fields = append(p.Form.Fields, api.Field{Name: "owner", Credential: true})
			old := write(t, p.API, p.New(), whole()).Next
			change := write(t, p.API, old, test.write)
			require.Len(t, change.Warnings, len(test.want))
			for i, want := range test.want {
				require.Equal(t, want+"; they are part of it, so write it again if it should have none", change.Warnings[i])
			}
			for field, value := range test.write {
				require.Equal(t, value, change.Next.Text(api.Field{Name: field}))
			}
		})
	}
}

// A certificate is another if it is not among those before: adding one is bound to the secret, removing one is not.
func TestApplyBindsCertificates(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		certificates string
		refused      bool
	}{
		"the same, after a comment": {"a comment\n" + testCertificate, false},
		"the same, twice":           {testCertificate + testCertificate, false},
		"none":                      {"", false},
		"another":                   {otherCertificate, true},
		"one more":                  {testCertificate + otherCertificate, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, old := newStored(t, named{"ca_cert": testCertificate})
			if test.refused {
				require.Contains(t, refused(t, p.API, old, named{"ca_cert": test.certificates}), "changing ca_cert needs key")
				require.Zero(t, p.opens)
			} else {
				write(t, p.API, old, named{"ca_cert": test.certificates})
			}
			change := write(t, p.API, old, named{"ca_cert": test.certificates, "key": "new"})
			require.NotContains(t, change.Next.Text(api.CACert), "comment", "nothing but certificates is stored")
		})
	}
}
