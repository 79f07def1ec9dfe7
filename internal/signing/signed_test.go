package signing

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// The answer says which headers are for one call alone: each call gets other ones. An answer of an older engine does
// not say it.
func TestHeadersForOneCallAreMadeAnew(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		perCall any
		fresh   []string
	}{
		"an older engine":   {nil, []string{"x-av-req-id"}},
		"none":              {[]any{}, nil},
		"another header":    {[]any{"X-Request"}, []string{"x-request"}},
		"two":               {[]any{"x-request", "x-av-req-id"}, []string{"x-request", "x-av-req-id"}},
		"one that is not":   {[]any{"x-other"}, nil},
		"not even a string": {[]any{1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := map[string]any{
				"headers":  map[string]any{"x-av-req-id": "once", "x-request": "once", "Authorization": "always"},
				"base_url": "https://vendor.example",
			}
			if row.perCall != nil {
				data["per_call_headers"] = row.perCall
			}
			read, err := Parse("m/creds/x/y", data)
			require.NoError(t, err)
			first, second := read.ForOneCall(), read.ForOneCall()
			require.True(t, read.Is(first) && first.Is(second))
			require.Equal(t, "always", first.Headers["Authorization"])
			for _, header := range []string{"x-av-req-id", "x-request"} {
				require.Equal(t, "once", read.Headers[header], "what was read is shared")
				if !slices.Contains(row.fresh, header) {
					require.Equal(t, "once", first.Headers[header])
					continue
				}
				require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, first.Headers[header])
				require.NotEqual(t, first.Headers[header], second.Headers[header])
			}
		})
	}
}
