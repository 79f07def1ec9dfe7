package backend

import (
	"maps"
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
		ofPave   = "this takes api_key, api_secret, base_url, ca_cert, request_timeout, secret_expires_at, timestamp_format, ttl, username, verify"
		ofAvanan = "this takes app_id, base_url, ca_cert, date_format, min_ttl, region, request_timeout, secret_expires_at, secret_key, verify"
		ofSign   = "this takes request_string, unauthorized"
		ofCreds  = "this takes unauthorized"
		ofTokens = "this takes min_ttl, unauthorized"
		none     = "this takes no parameters"
	)
	for path, operations := range map[string]map[logical.Operation]string{
		"config/pave/main": {
			logical.CreateOperation: ofPave, logical.UpdateOperation: ofPave, logical.PatchOperation: ofPave,
			logical.ReadOperation: none, logical.DeleteOperation: none,
		},
		"config/avanan/main": {
			logical.CreateOperation: ofAvanan, logical.UpdateOperation: ofAvanan, logical.PatchOperation: ofAvanan,
			logical.ReadOperation: none, logical.DeleteOperation: none,
		},
		"check/pave/main":   {logical.UpdateOperation: none},
		"check/avanan/main": {logical.UpdateOperation: none},
		"status/pave/":      {logical.ListOperation: none},
		"config":            {logical.ListOperation: none},
		"status/":           {logical.ListOperation: none},
		"config/pave/":      {logical.ListOperation: none},
		"config/avanan/":    {logical.ListOperation: none},
		"creds/pave/main":   {logical.UpdateOperation: ofCreds},
		"creds/avanan/main": {logical.UpdateOperation: ofTokens},
		"sign/avanan/main":  {logical.ReadOperation: ofSign, logical.UpdateOperation: ofSign},
	} {
		for operation, want := range operations {
			for _, name := range []string{"format", "TTL", "Request_String", "name", "", "timestamp\n", strings.Repeat("x", 1000)} {
				data := values{name: "canary"}
				if path == "sign/avanan/main" {
					data["request_string"] = "/v1.0/scopes"
				}
				text := m.refused(operation, path, data)
				require.Contains(t, text, "unknown parameter"+quoted(name)+"; "+want, "%s %s", operation, path)
				require.NotContains(t, text, "canary")
				require.Less(t, len(text), 300)
			}
		}
		ignoring := map[bool]int{true: 1}[strings.HasPrefix(path, "creds/")]
		require.Len(t, m.Route(path).Operations, len(operations)+ignoring, path)
	}
	require.Equal(t, before, m.stored())
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
	const ofCreds, ofTokens = "this takes unauthorized", "this takes min_ttl, unauthorized"
	for name, test := range map[string]struct {
		path    string
		query   values
		warning string
	}{
		"bank-vaults, PAVE":     {"creds/pave/main", values{"version": "-1"}, `ignored unknown parameters "version"; ` + ofCreds},
		"bank-vaults, Avanan":   {"creds/avanan/us", values{"version": "-1"}, `ignored unknown parameters "version"; ` + ofTokens},
		"bank-vaults, Infinity": {"creds/infinity/us", values{"version": "-1"}, `ignored unknown parameters "version"; ` + ofTokens},
		"bank-vaults, declared": {"creds/custom/x", values{"version": "-1"}, `ignored unknown parameters "version"; ` + ofCreds},
		"a status":              {"status/avanan/us", values{"format": "json"}, `ignored unknown parameters "format"; this takes no parameters`},
		"a scrape":              {"metrics", values{"format": "prometheus"}, ""},
		"two, and a known one": {
			"creds/pave/main", values{"b": "canary", "a": []string{"canary", "canary"}, "unauthorized": "true"}, `ignored unknown parameters "a", "b"; ` + ofCreds,
		},
		"the config's name":   {"creds/pave/main", values{"name": "canary"}, `ignored unknown parameters "name"; ` + ofCreds},
		"no name of its kind": {"creds/pave/main", values{"canary-secret": "1"}, "ignored unknown parameters; " + ofCreds},
		"a known one alone":   {"creds/pave/main", values{"unauthorized": "true"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, status, text := m.handle(logical.ReadOperation, test.path, test.query)
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
	require.Contains(t, m.refused(logical.ReadOperation, "creds/pave/main", values{"version": "-1", "unauthorized": "canary"}),
		"unauthorized must be true or false")
	require.Contains(t, m.refused(logical.ReadOperation, "creds/pave/none", values{"version": "-1"}), "there is no config")
	for path, operation := range map[string]logical.Operation{
		"sign/avanan/us": logical.ReadOperation, "config/pave/main": logical.ReadOperation, "creds/custom/x": logical.UpdateOperation,
	} {
		require.Contains(t, m.refused(operation, path, values{"version": "-1"}), `unknown parameter "version"`)
	}
}

// A value of the wrong JSON type is rejected. The error names the parameter and does not quote the value.
func TestValuesOfWrongTypeAreRejected(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	strings := []any{1, 1.5, true, []string{"canary"}, []string{}, values{"canary": "canary"}, values{}}
	durations := []any{true, []int{1}, values{"a": 1}, "canary", "1 hour", "10m canary", "1e3", "9223372036854775807", 1e300, -1, "", 1.5, "1500ms", "0.5", "1.5s"}
	bools := []any{"canary", "", "yes", []bool{true}, values{}, 1, 0.5}
	for path, parameters := range map[string]map[string][]any{
		"config/pave/main": {
			"username": strings, "api_key": strings, "api_secret": strings, "timestamp_format": strings, "base_url": strings, "ttl": durations,
		},
		"config/avanan/us": {
			"region": strings, "app_id": strings, "secret_key": strings, "base_url": strings, "date_format": strings, "ca_cert": strings,
			"min_ttl": durations, "request_timeout": durations, "verify": bools,
		},
		"sign/avanan/us": {"request_string": strings},
	} {
		for parameter, wrong := range parameters {
			for _, value := range append(wrong, nil) {
				text := m.refused(logical.UpdateOperation, path, values{parameter: value})
				require.Contains(t, text, parameter, "%v", value)
				require.NotContains(t, text, "canary")
			}
		}
	}
	require.Empty(t, m.stored())
}

// The command line sends all values as text, and JSON clients send numbers and bools. Both are accepted.
func TestDurationsAndBoolsInAnyForm(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	for _, test := range []struct {
		value any
		want  int
	}{{100, 100}, {"100", 100}, {"100s", 100}, {"2m30s", 150}, {"2m", 120}, {240, 240}, {"1", 1}} {
		m.write("config/pave/main", values{"ttl": test.value})
		require.Equal(t, test.want, m.read("config/pave/main")["ttl"], "%v", test.value)
	}
	for _, value := range []any{0, 241, "0", "241s", "1d", 86400} {
		require.Contains(t, m.refused(logical.UpdateOperation, "config/pave/main", values{"ttl": value}), "ttl must be from 1s to 240s", "%v", value)
	}
	require.Equal(t, 1, m.read("config/pave/main")["ttl"])
	for i, value := range []any{false, "false", "0", "F"} {
		m.write("config/avanan/us", with(m.avananValues(), values{"verify": value, "secret_key": strings.Repeat("x", i+1)}))
	}
	require.Zero(t, m.vendor.Handshakes())
	for _, value := range []any{true, "true", "1"} {
		require.Contains(t, m.refused(logical.UpdateOperation, "config/avanan/us", values{"verify": value, "secret_key": "wrong"}), "403")
	}
}

// Every string parameter rejects control characters, alone and at either end of a good value.
func TestControlCharactersAreRejected(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	for path, config := range map[string]values{"config/pave/main": m.paveValues(), "config/avanan/us": m.avananValues()} {
		strings := maps.Clone(config)
		if path == "config/avanan/us" {
			strings["date_format"], strings["ca_cert"] = "zoneless", testCertificate
		} else {
			strings["timestamp_format"] = "unix"
		}
		for parameter, good := range strings {
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
		}
	}
	require.Empty(t, m.stored())
	require.Zero(t, m.vendor.Handshakes())
}
