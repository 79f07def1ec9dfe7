package backend

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"
)

// Every path and operation rejects an unknown parameter, except reads to which tools add one. The error names it and
// the parameters that exist.
func TestUnknownParametersAreRejected(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	m.write("config/avanan/main", m.avananValues())
	before := m.stored()
	const (
		ofPave = "this takes api_key, api_secret, base_url, ca_cert, request_timeout, secret_expires_at, " +
			"timestamp_format, ttl, username, verify"
		ofAvanan = "this takes app_id, base_url, ca_cert, date_format, min_ttl, region, request_timeout, " +
			"secret_expires_at, secret_key, verify"
		ofSign   = "this takes request_string, unauthorized"
		ofBatch  = "this takes request_strings, requests, unauthorized"
		ofCreds  = "this takes unauthorized"
		ofTokens = "this takes min_ttl, unauthorized"
		none     = "this takes no parameters"
	)
	for path, operations := range map[string]map[logical.Operation]string{
		"config/pave/main": {
			logical.CreateOperation: ofPave,
			logical.UpdateOperation: ofPave,
			logical.PatchOperation:  ofPave,
			logical.ReadOperation:   none,
			logical.DeleteOperation: none,
		},
		"config/avanan/main": {
			logical.CreateOperation: ofAvanan,
			logical.UpdateOperation: ofAvanan,
			logical.PatchOperation:  ofAvanan,
			logical.ReadOperation:   none,
			logical.DeleteOperation: none,
		},
		"check/pave/main":        {logical.UpdateOperation: none},
		"check/avanan/main":      {logical.UpdateOperation: none},
		"status/pave/":           {logical.ListOperation: none},
		"config":                 {logical.ListOperation: none},
		"status/":                {logical.ListOperation: none},
		"config/pave/":           {logical.ListOperation: none},
		"config/avanan/":         {logical.ListOperation: none},
		"creds/pave/main":        {logical.UpdateOperation: ofCreds},
		"creds/avanan/main":      {logical.UpdateOperation: ofTokens},
		"sign/avanan/main":       {logical.ReadOperation: ofSign, logical.UpdateOperation: ofSign},
		"sign/avanan/main/batch": {logical.UpdateOperation: ofBatch},
		"sign/custom/main/batch": {logical.UpdateOperation: "this takes requests, unauthorized"},
	} {
		for operation, want := range operations {
			t.Run(fmt.Sprint(operation, " ", path), func(t *testing.T) {
				t.Parallel()
				m := m.in(t)
				for _, name := range []string{
					"format", "TTL", "Request_String", "name", "", "timestamp\n", strings.Repeat("x", 1000),
				} {
					data := values{name: "canary"}
					if path == "sign/avanan/main" {
						data["request_string"] = "/v1.0/scopes"
					}
					text := m.refused(operation, path, data)
					require.Contains(t, text, "unknown parameter"+quoted(name)+"; "+want)
					require.NotContains(t, text, "canary")
					require.Less(t, len(text), 300)
				}
				require.Equal(t, before, m.stored())
			})
		}
		ignoring := map[bool]int{true: 1}[strings.HasPrefix(path, "creds/")]
		require.Len(t, m.Route(path).Operations, len(operations)+ignoring, path)
	}
}

// Reads of creds, status and metrics ignore unknown parameters in the query, because bank-vaults and scrapers add one.
// A warning says so, except where the answer is text. Known parameters keep their rules.
func TestUnknownParametersOfReadsAreIgnored(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	m.write("config/avanan/us", m.avananValues())
	m.write("config/infinity/us", m.infinityValues())
	m.write("config/custom/x", m.customCreds())
	m.write("config/custom/ovh", m.customValues())
	const (
		ofCreds  = "; this takes unauthorized"
		ofTokens = "; this takes min_ttl, unauthorized"
		version  = `ignored unknown parameters "version"`
	)
	for name, test := range map[string]struct {
		path    string
		query   values
		warning string
	}{
		"bank-vaults, PAVE":     {"creds/pave/main", values{"version": "-1"}, version + ofCreds},
		"bank-vaults, Avanan":   {"creds/avanan/us", values{"version": "-1"}, version + ofTokens},
		"bank-vaults, Infinity": {"creds/infinity/us", values{"version": "-1"}, version + ofTokens},
		"bank-vaults, declared": {"creds/custom/x", values{"version": "-1"}, version + ofTokens},
		"a status": {
			path:    "status/avanan/us",
			query:   values{"format": "json"},
			warning: `ignored unknown parameters "format"; this takes no parameters`,
		},
		"a scrape": {"metrics", values{"format": "prometheus"}, ""},
		"two, and a known one": {
			path:    "creds/pave/main",
			query:   values{"b": "canary", "a": []string{"canary", "canary"}, "unauthorized": "true"},
			warning: `ignored unknown parameters "a", "b"` + ofCreds,
		},
		"the config's name": {
			path:    "creds/pave/main",
			query:   values{"name": "canary"},
			warning: `ignored unknown parameters "name"` + ofCreds,
		},
		"no name of its kind": {
			path:    "creds/pave/main",
			query:   values{"canary-secret": "1"},
			warning: "ignored unknown parameters" + ofCreds,
		},
		"a known one alone": {"creds/pave/main", values{"unauthorized": "true"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, status, text := m.in(t).handle(logical.ReadOperation, test.path, test.query)
			require.Empty(t, text)
			require.Equal(t, http.StatusOK, status)
			require.NotEmpty(t, resp.Data)
			if test.warning == "" {
				require.Empty(t, resp.Warnings)
				return
			}
			require.Equal(t, []string{test.warning}, resp.Warnings)
		})
	}
	wrong := values{"version": "-1", "unauthorized": "canary"}
	require.Contains(t, m.refused(logical.ReadOperation, "creds/pave/main", wrong), "unauthorized must be true or false")
	require.Contains(t, m.refused(logical.ReadOperation, "creds/pave/none", values{"version": "-1"}), "there is no config")
	for path, operation := range map[string]logical.Operation{
		"sign/avanan/us":       logical.ReadOperation,
		"config/pave/main":     logical.ReadOperation,
		"creds/custom/x":       logical.UpdateOperation,
		"sign/custom/ovh":      logical.ReadOperation,
		"sign/avanan/us/batch": logical.UpdateOperation,
	} {
		t.Run("not of "+path, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, m.in(t).refused(operation, path, values{"version": "-1"}), `unknown parameter "version"`)
		})
	}
}

// A value of the wrong JSON type is rejected. The error names the parameter and does not quote the value.
func TestValuesOfWrongTypeAreRejected(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	texts := []any{1, 1.5, true, []string{"canary"}, []string{}, values{"canary": "canary"}, values{}, nil}
	aList, anObject := []int{1}, values{"canary": 1}
	durations := []any{
		true, aList, anObject, nil,
		"canary", "1 hour", "10m canary", "1e3", "9223372036854775807", "", "1500ms", "0.5", "1.5s",
		1e300, -1, 1.5,
	}
	flags := []any{"canary", "", "yes", []bool{true}, values{}, 1, 0.5, nil}
	maps := []any{"canary", 1, true, []string{"canary"}, []any{values{}, 1}, []any{[]any{}}, values{"canary": 1}, nil}
	for path, parameters := range map[string]map[string][]any{
		"config/pave/main": {
			"username":         texts,
			"api_key":          texts,
			"api_secret":       texts,
			"timestamp_format": texts,
			"base_url":         texts,
			"ttl":              durations,
		},
		"config/avanan/us": {
			"region":          texts,
			"app_id":          texts,
			"secret_key":      texts,
			"base_url":        texts,
			"date_format":     texts,
			"ca_cert":         texts,
			"min_ttl":         durations,
			"request_timeout": durations,
			"verify":          flags,
		},
		"sign/avanan/us":        {"request_string": texts, "unauthorized": flags},
		"sign/avanan/us/batch":  {"requests": maps},
		"sign/custom/ovh/batch": {"requests": maps},
	} {
		for parameter, wrong := range parameters {
			t.Run(parameter+" of "+path, func(t *testing.T) {
				t.Parallel()
				m := m.in(t)
				for _, value := range wrong {
					text := m.refused(logical.UpdateOperation, path, values{parameter: value})
					require.True(t, strings.HasPrefix(text, parameter+" "), "%v: %s", value, text)
					require.NotContains(t, text, "canary")
				}
				require.Empty(t, m.stored())
			})
		}
	}
}

// The command line sends all values as text, and JSON clients send numbers and bools. Both are accepted.
func TestDurationsAndBoolsInAnyForm(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		value any
		want  int // 0: refused
	}{
		"a number":               {100, 100},
		"digits":                 {"100", 100},
		"digits and s":           {"100s", 100},
		"minutes and seconds":    {"2m30s", 150},
		"minutes":                {"2m", 120},
		"the greatest":           {240, 240},
		"the least":              {"1", 1},
		"less":                   {0, 0},
		"more":                   {241, 0},
		"less, digits":           {"0", 0},
		"more, digits and s":     {"241s", 0},
		"a day":                  {"1d", 0},
		"the seconds of one day": {86400, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/pave/main", m.paveValues())
			if test.want == 0 {
				require.Contains(t, m.refused(logical.UpdateOperation, "config/pave/main", values{"ttl": test.value}),
					"ttl must be from 1s to 240s")
				require.Equal(t, 150, m.read("config/pave/main")["ttl"])
				return
			}
			m.write("config/pave/main", values{"ttl": test.value})
			require.Equal(t, test.want, m.read("config/pave/main")["ttl"])
		})
	}
	for name, test := range map[string]struct {
		value    any
		verifies bool
	}{
		"false":           {false, false},
		"false as a text": {"false", false},
		"0":               {"0", false},
		"F":               {"F", false},
		"true":            {true, true},
		"true as a text":  {"true", true},
		"1":               {"1", true},
	} {
		t.Run("verify, "+name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			config := with(m.avananValues(), values{"verify": test.value, "secret_key": "wrong"})
			if test.verifies {
				require.Contains(t, m.refused(logical.UpdateOperation, "config/avanan/us", config), "403")
				return
			}
			m.write("config/avanan/us", config)
			require.Zero(t, m.vendor.Handshakes())
		})
	}
}

// Every string parameter rejects control characters, alone and at either end of a good value.
func TestControlCharactersAreRejected(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	for path, config := range map[string]values{
		"config/pave/main": with(m.paveValues(), values{"timestamp_format": "unix"}),
		"config/avanan/us": with(m.avananValues(), values{"date_format": "zoneless", "ca_cert": testCertificate}),
	} {
		for parameter, good := range config {
			t.Run(parameter+" of "+path, func(t *testing.T) {
				t.Parallel()
				m := m.in(t)
				text, _ := good.(string)
				bad := []string{"\x00", "canary\x00" + text, text + "\x00", text + "\x7fcanary", "\u0085" + text}
				if parameter != "ca_cert" {
					bad = append(bad, "\n", "canary\r\n"+text, text+"\n", "\n"+text, text+"\r\n", text+"\t")
				}
				for _, value := range bad {
					refusal := m.refused(logical.UpdateOperation, path, with(config, values{parameter: value}))
					require.Regexp(t, "^"+parameter+" ", refusal)
					require.NotContains(t, refusal, "canary")
				}
				require.Empty(t, m.stored())
				require.Zero(t, m.vendor.Handshakes())
			})
		}
	}
}
