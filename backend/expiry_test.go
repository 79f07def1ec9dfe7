package backend

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/scheme"
)

// The date on which a secret expires can be written without the secret, and is read, shown by status and in metrics. It
// changes neither the token nor when the secret was written. Nothing, and null in a patch, take it away.
func TestSecretExpiresAtOfEveryVendor(t *testing.T) {
	t.Parallel()
	for config := range newMount(t).wholeConfigs() {
		t.Run(config, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			vendor, name, _ := strings.Cut(config, "/")
			m.write("config/"+config, m.wholeConfigs()[config])
			before, state := m.read("config/"+config), m.read("status/"+config)
			require.NotContains(t, before, "secret_expires_at")
			require.NotContains(t, state, "secret_expires_at")
			stored := m.stored()
			exchanges := m.vendor.Handshakes() + m.vendor.Logins()
			m.advance(time.Minute)
			const date = "2027-03-01T01:00:00.5+01:00"
			m.write("config/"+config, values{"secret_expires_at": date})
			require.Equal(t, with(before, values{"secret_expires_at": date}), m.read("config/"+config))
			require.Equal(t, "2027-03-01T00:00:00Z", m.read("status/" + config)["secret_expires_at"])
			series := fmt.Sprintf(`apisig_secret_expires_timestamp_seconds{config=%q,vendor=%q}`, name, vendor)
			require.InDelta(t, 1803859200.5, m.scrape()[series], 0) // date -u -d 2027-03-01 +%s
			if m.hasToken(config) {
				m.read("creds/" + config)
			}
			require.Equal(t, exchanges, m.vendor.Handshakes()+m.vendor.Logins(), "the token stays")

			for name, clear := range map[string]func(){
				"nothing": func() { m.write("config/"+config, values{"secret_expires_at": ""}) },
				"null":    func() { m.patch("config/"+config, values{"secret_expires_at": nil}) },
			} {
				m.write("config/"+config, values{"secret_expires_at": date})
				clear()
				require.Equal(t, before, m.read("config/"+config), name)
				require.NotContains(t, m.read("status/"+config), "secret_expires_at", name)
				require.NotContains(t, m.scrape(), series, name)
				require.Equal(t, stored, m.stored(), name)
			}
		})
	}
}

// What is no date is refused, without being quoted, and changes nothing.
func TestSecretExpiresAtMustBeRFC3339(t *testing.T) {
	t.Parallel()
	const form = "secret_expires_at must be a time as in RFC 3339, such as 2026-03-01T00:00:00Z"
	for name, test := range map[string]struct {
		value any
		want  string
	}{
		"a word":                  {"canary", form},
		"a date":                  {"2027-03-01", form},
		"seconds":                 {"1803859200", form},
		"a space for the T":       {"2027-03-01 00:00:00Z", form},
		"no zone":                 {"2027-03-01T00:00:00", form},
		"a day that never comes":  {"2027-02-29T00:00:00Z", form},
		"an hour that never does": {"2027-03-01T24:00:00Z", form},
		"a space before":          {" 2027-03-01T00:00:00Z", form},
		"a line feed behind":      {"2027-03-01T00:00:00Z\n", form},
		"too long":                {strings.Repeat("2", 2000), "secret_expires_at is longer than 1024 bytes"},
		"a number":                {1803859200, "secret_expires_at must be a string, given once"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/pave/main", with(m.paveValues(), values{"secret_expires_at": "2027-03-01T00:00:00Z"}))
			before, change := m.stored(), values{"secret_expires_at": test.value}
			require.Equal(t, test.want, m.refused(logical.UpdateOperation, "config/pave/main", change))
			require.Equal(t, before, m.stored())
		})
	}
}

// From 14 days before a secret expires, reads of its config and its status say so. Those of credentials do not.
func TestReadsWarnOfASecretThatExpires(t *testing.T) {
	t.Parallel()
	const (
		soon = "the secret expires at 2026-03-01T00:00:00Z; write a new one before, together with its secret_expires_at"
		gone = "the secret expired at 2026-03-01T00:00:00Z; write a new one, together with its secret_expires_at"
	)
	for name, test := range map[string]struct {
		left time.Duration
		want []string
	}{
		"more than 14 days": {14*24*time.Hour + 1, nil},
		"14 days":           {14 * 24 * time.Hour, []string{soon}},
		"a moment":          {1, []string{soon}},
		"none":              {0, []string{gone}},
		"a year ago":        {-365 * 24 * time.Hour, []string{gone}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			for config, whole := range m.wholeConfigs() {
				m.write("config/"+config, with(whole, values{"secret_expires_at": "2026-03-01T00:00:00Z"}))
			}
			m.advance(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Add(-test.left).Sub(m.time()))
			for config := range m.wholeConfigs() {
				for _, path := range []string{"config/", "status/"} {
					resp, status, _ := m.handle(logical.ReadOperation, path+config, nil)
					require.Equal(t, http.StatusOK, status)
					require.Equal(t, test.want, resp.Warnings, path+config)
				}
			}
			resp, _, _ := m.handle(logical.ReadOperation, "creds/pave/main", nil)
			require.Empty(t, resp.Warnings)
		})
	}
}

// A write of a new secret that says nothing of its date leaves that of the old secret, and says so.
func TestNewSecretWithTheOldDateWarns(t *testing.T) {
	t.Parallel()
	for config := range newMount(t).wholeConfigs() {
		t.Run(config, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			path, whole := "config/"+config, m.wholeConfigs()[config]
			write := func(data values) []string {
				resp, _, text := m.handle(logical.UpdateOperation, path, data)
				require.Empty(t, text)
				if resp == nil {
					return nil
				}
				return slices.DeleteFunc(resp.Warnings, func(warning string) bool {
					return !strings.Contains(warning, "secret_expires_at")
				})
			}
			require.Empty(t, write(whole), "there is no date")
			require.Empty(t, write(with(whole, values{"secret_expires_at": "2027-03-01T00:00:00Z"})), "it is in the same write")
			require.Equal(t, []string{"secret_expires_at is still 2027-03-01T00:00:00Z; " +
				"if the new secret expires at another time, or never, write that too"}, write(whole))
			require.Empty(t, write(with(whole, values{"secret_expires_at": ""})))
			require.Empty(t, write(whole))
		})
	}
}

// After a restart, a scrape reads the dates from storage. One that was changed on another node, of a config that is in
// memory here, is the new one.
func TestExpiryMetricCoversEveryConfig(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	const series = `apisig_secret_expires_timestamp_seconds{config="main",vendor="pave"}`
	stored := with(m.paveValues(), values{"secret_expires_at": "2027-03-01T00:00:00Z"})
	m.put("config/pave/main", mustJSON(t, stored))
	require.InDelta(t, 1803859200, m.scrape()[series], 0)
	m.read("creds/pave/main")
	require.InDelta(t, 1803859200, m.scrape()[series], 0)

	m.elsewhere("config/pave/main", "secret_expires_at", "2028-03-01T00:00:00Z")
	m.InvalidateKey(t.Context(), "config/pave/main")
	m.storage.verb.Store("get")
	require.InDelta(t, 1803859200, m.scrape()[series], 0, "storage fails: what is known stays")
	m.storage.verb.Store("")
	require.InDelta(t, 1835481600, m.scrape()[series], 0) // date -u -d 2028-03-01 +%s
}

// ownExpiry is an API whose configs may declare a secret or a field that is called secret_expires_at, as schemes of
// earlier versions may: a scheme is the names of its secrets and of its fields.
func ownExpiry() *api.API {
	a := scheme.API()
	a.Document.Read = func(text string) (api.Form, error) {
		secrets, fields, _ := strings.Cut(text, ";")
		form := api.Form{
			Open:     func(api.Values) (*api.Account, error) { return &api.Account{Creds: staticKey{"key"}}, nil },
			Warnings: func() []string { return nil },
		}
		for name := range strings.FieldsSeq(secrets) {
			form.Fields = append(form.Fields, api.Field{
				Name: name, Kind: api.Secret, Required: true, Account: true, Group: api.GroupSecrets,
			})
		}
		for name := range strings.FieldsSeq(fields) {
			form.Fields = append(form.Fields, api.Field{
				Name: name, Bound: true, Account: true, OmitEmpty: true, Group: api.GroupFields,
			})
		}
		return form, nil
	}
	return a
}

// Where a scheme has a secret or a field named secret_expires_at, that is what the name means, for this config.
func TestSchemesOwnSecretExpiresAtWins(t *testing.T) {
	t.Parallel()
	const date = "2026-01-03T00:00:00Z" // of which reads would warn
	for name, test := range map[string]struct {
		scheme string
		value  string
		read   any
		stored string
	}{
		"field": {
			scheme: "key;secret_expires_at",
			value:  "in spring",
			read:   "in spring",
			stored: `"secrets":{"key":"canary-key"},"fields":{"secret_expires_at":"in spring"}`,
		},
		"field, like a date": {
			scheme: "key;secret_expires_at",
			value:  date,
			read:   date,
			stored: `"secrets":{"key":"canary-key"},"fields":{"secret_expires_at":"` + date + `"}`,
		},
		"optional field": {
			scheme: "key;secret_expires_at",
			stored: `"secrets":{"key":"canary-key"},"fields":{}`,
		},
		"secret": {
			scheme: "key secret_expires_at;",
			value:  "canary-secret",
			stored: `"secrets":{"key":"canary-key","secret_expires_at":"canary-secret"},"fields":{}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMountOf(t, []*api.API{ownExpiry()})
			path := "config/custom/x"
			whole := values{
				"scheme":            test.scheme,
				"base_url":          "https://api.example",
				"key":               "canary-key",
				"secret_expires_at": test.value,
			}
			m.write(path, whole)
			want := values{
				"scheme":            test.scheme,
				"base_url":          "https://api.example",
				"secret_written_at": "2026-01-02T03:04:05Z",
			}
			if test.read != nil {
				want["secret_expires_at"] = test.read
			}
			requireMeaning := func() {
				t.Helper()
				resp, _, _ := m.handle(logical.ReadOperation, path, nil)
				require.Equal(t, want, resp.Data)
				require.Empty(t, resp.Warnings)
				require.NotContains(t, m.read("status/custom/x"), "secret_expires_at")
				for series := range m.scrape() {
					require.NotContains(t, series, "expires")
				}
			}
			requireMeaning()
			require.JSONEq(t, `{"scheme":"`+test.scheme+`","base_url":"https://api.example",`+
				`"secret_written_at":"2026-01-02T03:04:05Z",`+test.stored+`}`, m.stored()[path])
			m.InvalidateKey(t.Context(), path) // as after a restart
			m.scrape()
			requireMeaning()
			require.Empty(t, m.must(logical.UpdateOperation, path, whole), "no warning of an old date")

			// Under another scheme nothing of it stays, and the name is that of the date again.
			m.write(path, values{"scheme": "key;", "base_url": "https://api.example", "key": "canary-key"})
			delete(want, "secret_expires_at")
			want["scheme"] = "key;"
			require.Equal(t, want, m.read(path))
			require.NotContains(t, m.stored()[path], "secret_expires_at")
			m.write(path, values{"secret_expires_at": date})
			require.Equal(t, date, m.read("status/custom/x")["secret_expires_at"])
		})
	}
}

// A new scheme cannot declare the name.
func TestNewSchemesCannotDeclareSecretExpiresAt(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	whole := m.customValues()
	whole["scheme"] = strings.ReplaceAll(customScheme1, "consumer_key", "secret_expires_at")
	delete(whole, "consumer_key")
	text := m.refused(logical.UpdateOperation, "config/custom/x", with(whole, values{"secret_expires_at": "consumer"}))
	require.Contains(t, text, "this name is a parameter of the engine or of Vault")
	require.Empty(t, m.stored())
}
