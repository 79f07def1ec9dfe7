package backend

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/apis"
)

// apiRow is what the tests of this package must know of an API. Every API has a row, and TestEveryAPIHasARow says what
// is missing.
type apiRow struct {
	// whole is a config that works with the sandbox of a mount.
	whole func(*mount) values
	// others has, for each optional field of whole that is stored, a value that is not the default.
	others values
	// written is a config, and stored the JSON that it is stored as. Neither is changed once the API was released: configs
	// that were stored keep working.
	written values
	stored  string
	// faulty is how readers meet a faulty vendor; nil for an API without tokens.
	faulty *faultyVendor
}

// apiRows are the rows by the names of the APIs. A new API needs one.
func apiRows() map[string]apiRow {
	return map[string]apiRow{
		"pave": {
			whole: (*mount).paveValues,
			others: values{
				"timestamp_format":  "unix",
				"ttl":               20,
				"base_url":          "https://other.example",
				"request_timeout":   20,
				"ca_cert":           testCertificate,
				"secret_expires_at": "2027-03-01T00:00:00Z",
			},
			written: values{
				"username":         "user",
				"api_key":          "key",
				"api_secret":       "secret",
				"timestamp_format": "unix",
				"ttl":              77,
				"base_url":         "https://pave.example",
			},
			stored: `{
				"username": "user",
				"api_key": "key",
				"api_secret": "secret",
				"timestamp_format": "unix",
				"detected_timestamp_format": "",
				"ttl": 77,
				"base_url": "https://pave.example",
				"request_timeout": 10,
				"ca_cert": "",
				"secret_written_at": "2026-01-02T03:04:05Z"
			}`,
		},
		"avanan": {
			whole: (*mount).avananValues,
			others: values{
				"region":            "eu",
				"base_url":          "https://other.example",
				"date_format":       "zulu",
				"min_ttl":           20,
				"request_timeout":   20,
				"ca_cert":           testCertificate,
				"secret_expires_at": "2027-03-01T00:00:00Z",
			},
			written: values{
				"region":          "eu",
				"app_id":          "app",
				"secret_key":      "secret",
				"base_url":        "https://avanan.example",
				"date_format":     "zulu",
				"min_ttl":         11,
				"request_timeout": 12,
				"ca_cert":         testCertificate,
				"verify":          false,
			},
			stored: `{
				"region": "eu",
				"app_id": "app",
				"secret_key": "secret",
				"base_url": "https://avanan.example",
				"date_format": "zulu",
				"detected_date_format": "",
				"min_ttl": 11,
				"request_timeout": 12,
				"ca_cert": ` + quotedJSON(testCertificate) + `,
				"secret_written_at": "2026-01-02T03:04:05Z"
			}`,
			faulty: &faultyVendor{
				config:   values{"app_id": "app", "secret_key": "canary-secret", "date_format": "zoneless"},
				body:     "a.b.c",
				life:     time.Hour,
				size:     "64 KiB",
				empty:    "the body is empty",
				notToken: "not a token",
				faults:   avananFaults(),
			},
		},
		"infinity": {
			whole: (*mount).infinityValues,
			others: values{
				"region":            "eu",
				"base_url":          "https://other.example",
				"min_ttl":           20,
				"request_timeout":   20,
				"ca_cert":           testCertificate,
				"secret_expires_at": "2027-03-01T00:00:00Z",
			},
			written: values{"region": "ae", "client_id": "id", "access_key": "secret", "base_url": "", "verify": false},
			stored: `{
				"region": "ae",
				"client_id": "id",
				"access_key": "secret",
				"base_url": "",
				"min_ttl": 600,
				"request_timeout": 10,
				"ca_cert": "",
				"secret_written_at": "2026-01-02T03:04:05Z"
			}`,
			faulty: &faultyVendor{
				config:   values{"client_id": "id", "access_key": "canary-secret"},
				body:     `{"success":true,"data":{"token":"a.b.c","csrf":"c","expiresIn":1800}}`,
				life:     30 * time.Minute,
				size:     "64 KiB",
				empty:    "not the JSON of a login",
				notToken: "not the JSON of a login",
				faults:   infinityFaults(),
			},
		},
		"custom": {
			whole:   (*mount).customValues,
			others:  values{"base_url": "https://other.example", "secret_expires_at": "2027-03-01T00:00:00Z"},
			written: (*mount)(nil).customValues(),
			stored: `{
				"scheme": ` + quotedJSON(customScheme1) + `,
				"base_url": "https://api.example",
				"secrets": {"application_secret": "canary-custom-secret"},
				"fields": {"application_key": "key1", "consumer_key": "consumer"},
				"secret_written_at": "2026-01-02T03:04:05Z"
			}`,
			faulty: &faultyVendor{
				config:   loginConfig(""),
				body:     `{"access_token":"a.b.c","token_type":"Bearer","expires_in":1800}`,
				life:     30 * time.Minute,
				size:     "256 KiB",
				empty:    "JSON",
				notToken: "JSON",
				faults:   customFaults(),
			},
		},
	}
}

// rowOf is an API's row. Without one the test fails.
func rowOf(t *testing.T, a *api.API) apiRow {
	t.Helper()
	row, has := apiRows()[a.Name]
	require.True(t, has,
		"add a row %q to apiRows in backend/every_api_test.go: a config for the sandbox, and what it is stored as", a.Name)
	return row
}

// Every API has a whole row in apiRows, and every row is that of an API.
func TestEveryAPIHasARow(t *testing.T) {
	t.Parallel()
	const place = "in apiRows in backend/every_api_test.go"
	for _, a := range apis.All() {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			row := rowOf(t, a)
			require.NotNil(t, row.whole, "add whole to the row %q %s: a config that works with the sandbox", a.Name, place)
			whole := row.whole(&mount{url: "https://sandbox.example"})
			for _, f := range a.Form.Fields {
				_, inWhole := whole[f.Name]
				_, inOthers := row.others[f.Name]
				_, inWritten := row.written[f.Name]
				switch {
				case f.Unstored || f.Learned:
				case f.Required:
					if !inWhole {
						t.Errorf("add %s to whole of the row %q %s: the field is required", f.Name, a.Name, place)
					}
					if !inWritten {
						t.Errorf("add %s to written of the row %q %s: the field is required", f.Name, a.Name, place)
					}
				case !inOthers:
					t.Errorf("add %s to others of the row %q %s: a value that is not the field's default", f.Name, a.Name, place)
				case f.Default != nil && row.others[f.Name] == f.Default:
					t.Errorf("%s in others of the row %q %s is the field's default; give it another value", f.Name, a.Name, place)
				}
			}
			if row.stored == "" {
				t.Errorf("add stored to the row %q %s: the JSON that written is stored as", a.Name, place)
			}
			if a.Lease != nil && row.faulty == nil {
				t.Errorf("add faulty to the row %q %s: what a login answers, because the API has tokens", a.Name, place)
			}
		})
	}
	for name := range apiRows() {
		if !slices.ContainsFunc(apis.All(), func(a *api.API) bool { return a.Name == name }) {
			t.Errorf("remove the row %q %s: there is no such API", name, place)
		}
	}
}

// quotedJSON is a text as it is in JSON.
func quotedJSON(text string) string {
	quoted, _ := json.Marshal(text)
	return string(quoted)
}

// untried is a config for a write that does not try it, if its API is one that tries.
func untried(a *api.API, config values) values {
	if slices.ContainsFunc(a.Form.Fields, func(f api.Field) bool { return f.Unstored && f.Name == "verify" }) {
		return with(config, values{"verify": false})
	}
	return config
}

// wholeConfigs are a config of each API by its name in paths, as in "pave/us".
func (m *mount) wholeConfigs() map[string]values {
	m.t.Helper()
	configs := map[string]values{}
	for _, a := range apis.All() {
		configs[a.Name+"/us"] = rowOf(m.t, a).whole(m)
	}
	return configs
}
