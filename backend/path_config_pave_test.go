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
	m.must(logical.CreateOperation, "config/pave/main", values{"username": "acme", "api_key": "key-1", "api_secret": "sec-1"})
	require.Equal(t, values{
		"username": "acme", "api_key": "key-1", "timestamp_format": "auto", "detected_timestamp_format": "", "ttl": 150,
		"base_url": "https://openapi.paveapi.com", "request_timeout": 10, "ca_cert": "", "secret_written_at": "2026-01-02T03:04:05Z",
	}, m.read("config/pave/main"))
}

func TestConfigPaveRejectsInvalidValues(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	before := m.stored()
	for want, changes := range map[string][]values{
		"username is required":          {{"username": ""}},
		"username is longer than":       {{"username": strings.Repeat("x", 1025)}},
		"api_key is required":           {{"api_key": ""}},
		"api_key is longer than":        {{"api_key": strings.Repeat("x", 1025)}},
		"api_key contains a space":      {{"api_key": "key 1"}, {"api_key": " key"}, {"api_key": "kéy"}},
		"api_secret is required":        {{"api_secret": ""}},
		"api_secret is longer than":     {{"api_secret": strings.Repeat("x", 64<<10+1)}},
		"api_secret contains a newline": {{"api_secret": "canary\n"}},
		"timestamp_format must be one":  {{"timestamp_format": ""}, {"timestamp_format": "RFC3339"}, {"timestamp_format": "iso"}},
		"ttl must be from 1s to 240s":   {{"ttl": 0}, {"ttl": 241}, {"ttl": "5m"}},
		"base_url is plain http":        {{"base_url": "http://openapi.paveapi.com"}},
		"base_url begins with neither":  {{"base_url": "openapi.paveapi.com"}, {"base_url": "127.0.0.1:8400"}},
		"base_url has userinfo":         {{"base_url": "https://user:canary@openapi.paveapi.com"}},
		"base_url has a query":          {{"base_url": "https://openapi.paveapi.com?canary"}},
		"base_url has a fragment":       {{"base_url": "https://openapi.paveapi.com#canary"}},
		"unknown parameter \"min_ttl":   {{"min_ttl": 1}},
		"request_timeout must be from":  {{"request_timeout": 0}, {"request_timeout": 31}},
		"ca_cert contains something":    {{"ca_cert": "canary"}},
		"unknown parameter \"app_id\"":  {{"app_id": "x"}},
	} {
		for _, change := range changes {
			text := m.refused(logical.UpdateOperation, "config/pave/main", with(values{"api_secret": "sandbox-pave-secret"}, change))
			require.Contains(t, text, want)
			require.NotContains(t, text, "canary")
			require.Equal(t, before, m.stored())
			m.refused(logical.CreateOperation, "config/pave/new", with(m.paveValues(), change))
		}
	}
	for _, missing := range []string{"username", "api_key", "api_secret"} {
		config := m.paveValues()
		delete(config, missing)
		require.Contains(t, m.refused(logical.CreateOperation, "config/pave/new", config), missing+" is required")
	}
	require.Equal(t, before, m.stored())
}

// Values at the limits are accepted.
func TestConfigPaveAcceptsValuesAtLimits(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	for _, change := range []values{
		{"ttl": 1},
		{"ttl": 240},
		{"username": strings.Repeat("x", 1024), "api_key": strings.Repeat("x", 1024), "api_secret": strings.Repeat("x", 64<<10)},
		{"username": "Zoë Müller", "api_key": "k+/=%20", "api_secret": " p@ss wörd "},
		{"base_url": "https://gateway.example/pave/"},
		{"base_url": ""},
	} {
		m.write("config/pave/main", with(m.paveValues(), change))
		m.read("creds/pave/main")
	}
	require.Equal(t, "https://openapi.paveapi.com", m.read("config/pave/main")["base_url"])
}
