package backend

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// A text may have 1,024 bytes, and a secret or ca_cert 64 KiB. One byte more is rejected.
func TestValuesAtTheirLimits(t *testing.T) {
	t.Parallel()
	const text, big = 1024, 65536
	for name, test := range map[string]struct {
		vendor, field, start, padding string
		most                          int
	}{
		"PAVE's username":     {"pave", "username", "u", "x", text},
		"PAVE's api_key":      {"pave", "api_key", "k", "x", text},
		"PAVE's base_url":     {"pave", "base_url", "https://pave.example/", "x", text},
		"PAVE's api_secret":   {"pave", "api_secret", "s", "x", big},
		"Avanan's app_id":     {"avanan", "app_id", "a", "x", text},
		"Avanan's base_url":   {"avanan", "base_url", "https://avanan.example/", "x", text},
		"Avanan's secret_key": {"avanan", "secret_key", "s", "x", big},
		"Avanan's ca_cert":    {"avanan", "ca_cert", testCertificate, "\n", big},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			path := "config/" + test.vendor + "/us"
			config := with(apiRows()[test.vendor].whole(m), values{"verify": false})
			longest := test.start + strings.Repeat(test.padding, test.most-len(test.start))
			m.write(path, with(config, values{test.field: longest}))
			if got, shown := m.read(path)[test.field].(string); shown {
				require.Equal(t, strings.TrimSpace(longest), strings.TrimSpace(got))
			}
			longer := with(config, values{test.field: longest + test.padding})
			require.Equal(t, fmt.Sprintf("%s is longer than %d bytes", test.field, test.most),
				m.refused(logical.UpdateOperation, path, longer))
		})
	}
}

// A value that is sent in a header may contain every printable character of ASCII, from ! to ~, and none beyond them.
func TestHeaderValuesArePrintableASCII(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/x", with(m.paveValues(), values{"api_key": "!key~"}))
	require.Equal(t, "!key~", m.read("creds/pave/x")["api_key"])
	m.write("config/avanan/x", with(m.avananValues(), values{"app_id": "!app~", "verify": false}))
	require.Equal(t, "!app~", m.read("config/avanan/x")["app_id"])
	for name, bad := range map[string]string{"a space": "a key", "DEL": "key\x7f", "a control character": "\x1fkey"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := with(m.paveValues(), values{"api_key": bad})
			require.Contains(t, m.in(t).refused(logical.UpdateOperation, "config/pave/x", config), "api_key contains")
		})
	}
}

// The error for an unknown parameter names it only if it looks like a name. Other text may be a secret in the wrong
// place.
func TestUnknownParameterIsNamedIfItLooksLikeAName(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	longest := strings.Repeat("Az_x", 8)
	for title, test := range map[string]struct{ name, want string }{
		"capitals":      {"TTL", ` "TTL"`},
		"an underscore": {"_", ` "_"`},
		"the longest":   {longest, ` "` + longest + `"`},
		"a longer one":  {longest + "y", ""},
		"nothing":       {"", ""},
		"with - and 1":  {"key-1", ""},
		"with a space":  {"a b", ""},
		"a line feed":   {"sk\n", ""},
		"not ASCII":     {"clé", ""},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, "unknown parameter"+test.want+"; this takes unauthorized",
				m.in(t).refused(logical.UpdateOperation, "creds/pave/main", values{test.name: "1"}))
		})
	}
}

// The error for a name that is too long states the limit.
func TestLongNameErrorStatesTheLimit(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	require.Equal(t, "the name is too long: together with config/pave/ it may have 256 bytes",
		m.refused(logical.ReadOperation, "creds/pave/"+strings.Repeat("a", 256-len("config/pave/")+1), nil))
}

// The error for a batch with too many request strings states the limit.
func TestLargeBatchErrorStatesTheLimit(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false}))
	many := strings.Split(strings.Repeat("/v1.0/scopes ", 1001), " ")[:1001]
	require.Equal(t, "request_strings has 1001 elements, more than 1000",
		m.refused(logical.UpdateOperation, "sign/avanan/us/batch", values{"request_strings": many}))
}

// The limit of a batch's answer counts the base URL, which is in every result.
func TestBatchLimitCountsTheBaseURL(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		length int
		want   string
	}{
		"a short one": {100, ""},
		"a long one":  {1000, "the answer would have more than 8 MiB; sign fewer calls at once"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMountOf(t, withTokens(func() (token.Token, error) {
				long := secret.Text(strings.Repeat("t", 3200))
				return token.Token{Value: long, AskedAt: began, ExpiresAt: began.Add(time.Hour), Format: "zoneless"}, nil
			}))
			base := "https://gateway.example/"
			base += strings.Repeat("x", test.length-len(base))
			m.write("config/avanan/us", with(m.avananValues(), values{"base_url": base}))
			data := values{"request_strings": slices.Repeat([]string{"/" + strings.Repeat("x", 799)}, 1000)}
			if test.want != "" {
				require.Equal(t, test.want, m.refused(logical.UpdateOperation, "sign/avanan/us/batch", data))
				return
			}
			answer := mustJSON(t, m.must(logical.UpdateOperation, "sign/avanan/us/batch", data))
			require.LessOrEqual(t, len(answer), 8<<20)
		})
	}
}
