package scheme_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

func TestGrowing(t *testing.T) {
	t.Parallel()
	const needs = "growing: needs now.unix_ms(), now.rfc3339_ms(), or %3f or %6f in now.format"
	for name, test := range map[string]struct {
		growing, expression string
		unit                time.Duration
		fault               string
	}{
		"unix_ms":           {"true", "now.unix_ms()", time.Millisecond, ""},
		"rfc3339_ms":        {"true", "now.rfc3339_ms()", time.Millisecond, ""},
		"milliseconds":      {"true", `now.unix() + now.format("%3f")`, time.Millisecond, ""},
		"microseconds":      {"true", `now.unix() + now.format("%6f")`, time.Microsecond, ""},
		"both in a layout":  {"true", `now.format("%6f%3f")`, time.Millisecond, ""},
		"both in functions": {"true", `now.unix_ms() + now.format("%6f") + now.unix()`, time.Millisecond, ""},
		"not growing":       {"false", "now.unix_ms()", 0, ""},
		"seconds":           {"true", "now.unix()", 0, needs},
		"a layout":          {"true", `now.format("%d%H%M%S%%3f")`, 0, needs},
		"no time":           {"true", `"a"`, 0, needs},
		"seconds, ungrown":  {"false", "now.unix()", 0, ""},
		"neither":           {"yes", "now.unix_ms()", 0, "growing: must be true or false"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := scheme.Parse(replaced(t,
				"ttl: 60s", "growing: "+test.growing+"\nlet: {count: '"+test.expression+"'}\nttl: 60s",
				"key, body", "key, body + count", "    want:", "    now: 2026-01-02T03:04:05Z\n    want:"))
			if test.fault != "" {
				require.EqualError(t, err, test.fault)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.unit, s.Unit())
		})
	}
}

func TestLayouts(t *testing.T) {
	t.Parallel()
	const text = `"%%%Y-%m-%dT%H:%M:%S.%3f%6f %y %b %a%%.%"`
	_, err := scheme.Parse(replaced(t, "ttl: 60s", "let: {x: 'now.format("+text+")'}\nttl: 60s"))
	require.ErrorContains(t, err, "the layout can have")
	made := signer(t, replaced(t, "{X-Sig:", "{X-Time: 'now.format("+text[:len(text)-2]+`")', X-Sig:`,
		"    want:", "    now: 2026-01-02T03:04:05Z\n    want:"), scheme.Values{Secrets: map[string]secret.Text{"key": "k"}})
	signed, err := made.Sign(scheme.Moment{Now: time.Date(2026, 1, 2, 3, 4, 5, 123_456_789, time.FixedZone("", 3600))},
		map[string]string{"body": "b"})
	require.NoError(t, err)
	require.Equal(t, "%2026-01-02T02:04:05.123123456 26 Jan Fri%.", signed.Headers["X-Time"])
}
