package secret_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

func TestTextIsNeverPrinted(t *testing.T) {
	t.Parallel()
	text := secret.Text("canary")
	within := struct {
		Secret secret.Text `json:"secret"`
		List   []secret.Text
		Map    map[string]secret.Text
	}{text, []secret.Text{text}, map[string]secret.Text{"k": text}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s"} {
		require.NotContains(t, fmt.Sprintf(verb, text), "canary", verb)
		require.NotContains(t, fmt.Sprintf(verb, text), fmt.Sprintf("%x", "canary"), verb)
		require.NotContains(t, fmt.Sprintf(verb, within), "canary", verb)
	}
	encoded, err := json.Marshal(within)
	require.NoError(t, err)
	require.NotContains(t, string(encoded), "canary")
	require.NotContains(t, fmt.Errorf("config: %v", within).Error(), "canary")
}

func TestTextReveals(t *testing.T) {
	t.Parallel()
	require.Equal(t, "canary", secret.Text("canary").Reveal())

	var decoded struct{ Secret secret.Text }
	require.NoError(t, json.Unmarshal([]byte(`{"Secret":"canary"}`), &decoded))
	require.Equal(t, "canary", decoded.Secret.Reveal())
}
