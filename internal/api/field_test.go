package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
)

// The description of a field says what follows from its declaration.
func TestFieldDescription(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		field api.Field
		want  string
	}{
		"a text":       {api.Field{Help: "What."}, "What."},
		"with default": {api.Field{Help: "What.", Default: "auto"}, "What. Default: auto."},
		"required":     {api.Field{Help: "What.", Required: true}, "What. Required."},
		"a secret":     {api.SecretField("key", "What."), "What. Never read back. Required."},
		"a bound text": {api.Public("user", "What."), "What. Changing it needs the secret in the same write. Required."},
		"seconds":      {api.RequestTimeout("What."), "What. From 1s to 30s. Default: 10s."},
		"a flag":       {api.Verify(false, "What."), "What. Default: false."},
		"a flag, true": {api.Verify(true, "What."), "What. Default: true."},
		"no default":   {api.Field{Help: "What.", Kind: api.Seconds, Most: 7200}, "What. From 0s to 120m."},
		"a bound PEM": {
			api.Field{Help: "What.", Kind: api.Certificates, Bound: true},
			"What. Adding one needs the secret in the same write.",
		},
		"an empty text": {api.Field{Help: "What.", Default: ""}, "What."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, test.field.Description())
		})
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for want, seconds := range map[string]int{
		"0s": 0, "59s": 59, "60s": 60, "150s": 150, "299s": 299, "5m": 300, "301s": 301, "10m": 600, "30m": 1800,
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, api.Duration(seconds))
		})
	}
}

// Secrets and what is about one write are not read back.
func TestReadable(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		field api.Field
		want  bool
	}{
		"a text":           {user, true},
		"a flag":           {loud, true},
		"certificates":     {api.CACert, true},
		"what login finds": {found, true},
		"a secret":         {key, false},
		"about one write":  {verify, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, test.field.Readable())
		})
	}
}
