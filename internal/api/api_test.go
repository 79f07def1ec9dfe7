package api_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// now is when the tests write.
var now = time.Date(2026, 1, 2, 3, 4, 5, 123_456_789, time.UTC)

// The fields of the API below: one of each kind, and each with another rule.
var (
	user    = api.Public("user", "Who it is.")
	key     = api.SecretField("key", "What proves it.")
	region  = api.Region([]string{"eu", "us"})
	baseURL = api.BaseURL("Where it is.")
	format  = api.Field{
		Name: "format", Default: api.FormatAuto, OneOf: []string{"auto", "a", "b"}, Absent: "a", Account: true,
	}
	found  = api.Field{Name: "found", Learned: true}
	note   = api.Field{Name: "note", OmitEmpty: true, Rules: []api.Rule{notEmpty, api.AtMost(5), api.PlainText}}
	loud   = api.Field{Name: "loud", Kind: api.Flag, Default: true}
	verify = api.Verify(true, "Whether a write logs in.")
)

// notEmpty is a rule that null in a patch need not keep.
func notEmpty(value string) string {
	if value == "" {
		return "is empty"
	}
	return ""
}

// plainAPI is an API without a document, which counts how often a config is opened.
type plainAPI struct {
	*api.API
	opens int
	// login is that of its accounts.
	login api.Login
}

// noLogin is a login that is not used.
type noLogin struct{}

func (noLogin) Login(context.Context, api.Caller, string) (api.Report, error) {
	panic("a write logs in")
}
func (noLogin) Refused() string { return "" }

func newPlain() *plainAPI {
	p := &plainAPI{login: noLogin{}}
	p.API = &api.API{
		Name:    "plain",
		Title:   "Plain",
		Calls:   true,
		Format:  &api.Format{Chosen: format, Detected: found},
		OwnURLs: []string{"https://own.example"},
		Form: api.Form{
			Fields: []api.Field{
				user, key, region, baseURL, format, found, note, loud, api.MinTTL, api.CACert, api.SecretExpiresAt,
				api.SecretWrittenAt, verify,
			},
			Open: func(api.Values) (*api.Account, error) {
				p.opens++
				return &api.Account{Login: p.login}, nil
			},
		},
	}
	return p
}

// newStored is a plain API and a config of it, beyond whole.
func newStored(t *testing.T, more named) (*plainAPI, api.Values) {
	t.Helper()
	p := newPlain()
	old := write(t, p.API, p.New(), with(whole(), more)).Next
	p.opens = 0
	return p, old
}

// named are what a write names: a string, an int, a bool, or nil for a patch's null.
type named map[string]any

func (n named) Given(f api.Field) (value api.Value, null, given bool) {
	raw, given := n[f.Name]
	null = given && raw == nil
	if raw == nil {
		raw = f.Default
	}
	return valueOf(raw), null, given
}

func (n named) Check(fields []api.Field) error {
	for name := range n {
		if !slices.ContainsFunc(fields, func(f api.Field) bool { return f.Name == name }) {
			return api.Invalidf("unknown parameter %s", name)
		}
	}
	return nil
}

// write applies a write that must keep every rule.
func write(t *testing.T, a *api.API, old api.Values, parameters named) api.Change {
	t.Helper()
	change, err := a.Apply(api.Write{Name: "main", Now: now, Old: old, Parameters: parameters})
	require.NoError(t, err)
	return change
}

// refused applies a write that must not be done, and returns the error's text.
func refused(t *testing.T, a *api.API, old api.Values, parameters named) string {
	t.Helper()
	change, err := a.Apply(api.Write{Name: "main", Now: now, Old: old, Parameters: parameters})
	require.Zero(t, change)
	var invalid *api.Invalid
	require.ErrorAs(t, err, &invalid)
	return err.Error()
}

// whole is what a write of a whole config of plain names.
func whole() named {
	return named{"user": "me", "key": "canary-key", "base_url": "https://other.example"}
}

// with is a copy of base with what over has.
func with(base, over named) named {
	all := named{}
	for _, from := range []named{base, over} {
		for name, value := range from {
			all[name] = value
		}
	}
	return all
}

// valueOf is a text, seconds or a flag as a value.
func valueOf(plain any) (value api.Value) {
	switch typed := plain.(type) {
	case string:
		value.Text = secret.Text(typed)
	case int:
		value.Seconds = typed
	case bool:
		value.Flag = typed
	}
	return value
}
