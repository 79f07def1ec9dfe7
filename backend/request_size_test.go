package backend

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"
)

// No path takes parameters of more than 4 MiB. They are refused before anything else looks at them, so that nothing
// copies them.
func TestParametersHaveFourMiB(t *testing.T) {
	t.Parallel()
	text := func(bytes int) string { return strings.Repeat("x", bytes) }
	const name, most = 4, 4<<20 - 4 - perValue // a name of 4 bytes, and one text
	for title, test := range map[string]struct {
		data    map[string]any
		refused bool
	}{
		"a text":             {values{"abcd": text(most)}, false},
		"a text, too long":   {values{"abcd": text(most + 1)}, true},
		"a name, too long":   {values{text(name + most): "x"}, true},
		"texts, too long":    {values{"abcd": text(most / 2), "efgh": text(most / 2)}, true},
		"a list":             {values{"abcd": []any{text(most/2 - perValue), text(most/2 - perValue)}}, false},
		"a list, too long":   {values{"abcd": []any{text(most / 2), text(most / 2)}}, true},
		"nothing, often":     {values{"abcd": slices.Repeat([]any{""}, most/perValue)}, false},
		"nothing, too often": {values{"abcd": slices.Repeat([]any{""}, most/perValue+1)}, true},
		"numbers, too often": {values{"abcd": slices.Repeat([]any{1.0}, most/perValue+1)}, true},
		"an object":          {values{"abcd": map[string]any{"e": text(most - 2*perValue)}}, false},
		"an object's value":  {values{"abcd": map[string]any{"e": text(most)}}, true},
		"an object's name":   {values{"abcd": map[string]any{text(most): ""}}, true},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			for _, path := range []string{
				"sign/avanan/us/batch", "sign/custom/x/batch", "sign/avanan/us", "config/pave/main", "sign/custom/x",
				"creds/avanan/us",
			} {
				resp, err := m.HandleRequest(t.Context(), &logical.Request{
					Operation: logical.UpdateOperation, Path: path, Data: test.data, Storage: m.storage, MountPoint: "apisig/",
				})
				require.NoError(t, err)
				refused := resp.Error().Error() == "the parameters have more than 4 MiB together"
				require.Equal(t, test.refused, refused, "%s: %.200s", path, resp.Error())
			}
		})
	}
}

// The parameters of the largest scheme that could ever be stored are not too large: 63 of 64 KiB, with the longest
// names.
func TestParametersOfTheLargestStoredScheme(t *testing.T) {
	t.Parallel()
	data := values{}
	for i := range 63 {
		data[fmt.Sprintf("%s%02d", strings.Repeat("n", 62), i)] = strings.Repeat("x", 64<<10)
	}
	require.NoError(t, checkSize(data))
}
