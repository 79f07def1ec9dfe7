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
	m := newMount(t)
	pad := func(text, padding string, length int) string { return text + strings.Repeat(padding, length-len(text)) }
	const text, big = 1024, 65536
	for _, test := range []struct {
		path, field, start, padding string
		most                        int
	}{
		{"config/pave/x", "username", "u", "x", text},
		{"config/pave/x", "api_key", "k", "x", text},
		{"config/pave/x", "base_url", "https://pave.example/", "x", text},
		{"config/pave/x", "api_secret", "s", "x", big},
		{"config/avanan/x", "app_id", "a", "x", text},
		{"config/avanan/x", "base_url", "https://avanan.example/", "x", text},
		{"config/avanan/x", "secret_key", "s", "x", big},
		{"config/avanan/x", "ca_cert", testCertificate, "\n", big},
	} {
		config := m.paveValues()
		if strings.HasPrefix(test.path, "config/avanan/") {
			config = with(m.avananValues(), values{"verify": false})
		}
		longest := pad(test.start, test.padding, test.most)
		m.write(test.path, with(config, values{test.field: longest}))
		if got, shown := m.read(test.path)[test.field].(string); shown {
			require.Equal(t, strings.TrimSpace(longest), strings.TrimSpace(got), "%s %s", test.path, test.field)
		}
		refusal := m.refused(logical.UpdateOperation, test.path, with(config, values{test.field: longest + test.padding}))
		require.Equal(t, fmt.Sprintf("%s is longer than %d bytes", test.field, test.most), refusal)
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
	for _, bad := range []string{"a key", "key\x7f", "\x1fkey"} {
		require.Contains(t, m.refused(logical.UpdateOperation, "config/pave/x", with(m.paveValues(), values{"api_key": bad})), "api_key contains")
	}
}

// The error for an unknown parameter names it only if it looks like a name. Other text may be a secret in the wrong place.
func TestUnknownParameterIsNamedIfItLooksLikeAName(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	longest := strings.Repeat("Az_x", 8)
	for name, want := range map[string]string{
		"TTL": ` "TTL"`, "_": ` "_"`, longest: ` "` + longest + `"`, longest + "y": "", "": "", "key-1": "", "a b": "", "sk\n": "", "clé": "",
	} {
		require.Equal(t, "unknown parameter"+want+"; this takes unauthorized",
			m.refused(logical.UpdateOperation, "creds/pave/main", values{name: "1"}))
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
	for length, want := range map[int]string{100: "", 1000: "the answer would have more than 8 MiB; sign fewer calls at once"} {
		m := newMountOf(t, withTokens(func() (token.Token, error) {
			return token.Token{
				Value: secret.Text(strings.Repeat("t", 3200)), AskedAt: began, ExpiresAt: began.Add(time.Hour), Format: "zoneless",
			}, nil
		}))
		base := "https://gateway.example/"
		m.write("config/avanan/us", with(m.avananValues(), values{"base_url": base + strings.Repeat("x", length-len(base))}))
		data := values{"request_strings": slices.Repeat([]string{"/" + strings.Repeat("x", 799)}, 1000)}
		if want != "" {
			require.Equal(t, want, m.refused(logical.UpdateOperation, "sign/avanan/us/batch", data))
			continue
		}
		answer := mustJSON(t, m.must(logical.UpdateOperation, "sign/avanan/us/batch", data))
		require.LessOrEqual(t, len(answer), 8<<20)
	}
}
