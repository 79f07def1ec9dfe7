package backend

import (
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"
)

func TestConfigPaveDefaults(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.must(logical.CreateOperation, "config/pave/main", values{
		"username": "acme", "api_key": "key-1", "api_secret": "sec-1",
	})
	require.Equal(t, values{
		"username":                  "acme",
		"api_key":                   "key-1",
		"timestamp_format":          "auto",
		"detected_timestamp_format": "",
		"ttl":                       150,
		"base_url":                  "https://openapi.paveapi.com",
		"request_timeout":           10,
		"ca_cert":                   "",
		"secret_written_at":         "2026-01-02T03:04:05Z",
	}, m.read("config/pave/main"))
}

func TestConfigPaveRejectsInvalidValues(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	before := m.stored()
	for name, test := range map[string]struct {
		change values
		want   string
	}{
		"no username":               {values{"username": ""}, "username is required"},
		"long username":             {values{"username": strings.Repeat("x", 1025)}, "username is longer than"},
		"no api_key":                {values{"api_key": ""}, "api_key is required"},
		"long api_key":              {values{"api_key": strings.Repeat("x", 1025)}, "api_key is longer than"},
		"api_key with a space":      {values{"api_key": "key 1"}, "api_key contains a space"},
		"api_key after a space":     {values{"api_key": " key"}, "api_key contains a space"},
		"api_key beyond ASCII":      {values{"api_key": "kéy"}, "api_key contains a space"},
		"no api_secret":             {values{"api_secret": ""}, "api_secret is required"},
		"long api_secret":           {values{"api_secret": strings.Repeat("x", 64<<10+1)}, "api_secret is longer than"},
		"api_secret with a newline": {values{"api_secret": "canary\n"}, "api_secret contains a newline"},
		"no timestamp_format":       {values{"timestamp_format": ""}, "timestamp_format must be one"},
		"timestamp_format in caps":  {values{"timestamp_format": "RFC3339"}, "timestamp_format must be one"},
		"unknown timestamp_format":  {values{"timestamp_format": "iso"}, "timestamp_format must be one"},
		"ttl too small":             {values{"ttl": 0}, "ttl must be from 1s to 240s"},
		"ttl too large":             {values{"ttl": 241}, "ttl must be from 1s to 240s"},
		"ttl of minutes":            {values{"ttl": "5m"}, "ttl must be from 1s to 240s"},
		"base_url with http":        {values{"base_url": "http://openapi.paveapi.com"}, "base_url is plain http"},
		"base_url without scheme":   {values{"base_url": "openapi.paveapi.com"}, "base_url begins with neither"},
		"base_url of a port":        {values{"base_url": "127.0.0.1:8400"}, "base_url begins with neither"},
		"base_url with userinfo": {
			values{"base_url": "https://user:canary@openapi.paveapi.com"}, "base_url has userinfo",
		},
		"base_url with a query":     {values{"base_url": "https://openapi.paveapi.com?canary"}, "base_url has a query"},
		"base_url with a fragment":  {values{"base_url": "https://openapi.paveapi.com#canary"}, "base_url has a fragment"},
		"a parameter of others":     {values{"min_ttl": 1}, "unknown parameter \"min_ttl"},
		"request_timeout too small": {values{"request_timeout": 0}, "request_timeout must be from"},
		"request_timeout too large": {values{"request_timeout": 31}, "request_timeout must be from"},
		"ca_cert that is not PEM":   {values{"ca_cert": "canary"}, "ca_cert contains something"},
		"Avanan's app_id":           {values{"app_id": "x"}, "unknown parameter \"app_id\""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, change := m.in(t), with(values{"api_secret": "sandbox-pave-secret"}, test.change)
			text := m.refused(logical.UpdateOperation, "config/pave/main", change)
			require.Contains(t, text, test.want)
			require.NotContains(t, text, "canary")
			m.refused(logical.CreateOperation, "config/pave/new", with(m.paveValues(), test.change))
			require.Equal(t, before, m.stored())
		})
	}
	for _, missing := range []string{"username", "api_key", "api_secret"} {
		t.Run("without "+missing, func(t *testing.T) {
			t.Parallel()
			config := m.paveValues()
			delete(config, missing)
			require.Contains(t, m.in(t).refused(logical.CreateOperation, "config/pave/new", config), missing+" is required")
			require.Equal(t, before, m.stored())
		})
	}
}

// Values at the limits are accepted.
func TestConfigPaveAcceptsValuesAtLimits(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]values{
		"the least ttl":    {"ttl": 1},
		"the greatest ttl": {"ttl": 240},
		"the longest texts": {
			"username":   strings.Repeat("x", 1024),
			"api_key":    strings.Repeat("x", 1024),
			"api_secret": strings.Repeat("x", 64<<10),
		},
		"any characters": {"username": "Zoë Müller", "api_key": "k+/=%20", "api_secret": " p@ss wörd "},
		"a path":         {"base_url": "https://gateway.example/pave/"},
		"no base_url":    {"base_url": ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/pave/main", with(m.paveValues(), change))
			m.read("creds/pave/main")
			if name == "no base_url" {
				require.Equal(t, "https://openapi.paveapi.com", m.read("config/pave/main")["base_url"])
			}
		})
	}
}
