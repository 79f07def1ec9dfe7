package e2e

import (
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// declared is what this test needs of a scheme.
type declared struct {
	Secrets  map[string]struct{ Encoding string }
	Request  map[string]any
	Examples []struct {
		Fields, Request, Want map[string]string
		BaseURL               string `yaml:"base_url"`
	}
}

// Each scheme of schemes/ can be stored in a real Vault, and signs the calls of its examples with other secrets.
func TestEverySchemeSigns(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../schemes/*.yml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 20)
	m := harness.NewMount(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yml")
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var scheme declared
		require.NoError(t, yaml.Unmarshal(text, &scheme))
		for _, example := range scheme.Examples {
			config := values{"scheme": string(text), "base_url": "https://api.example.com"}
			if example.BaseURL != "" {
				config["base_url"] = example.BaseURL
			}
			for field, value := range example.Fields {
				config[field] = value
			}
			for secret, how := range scheme.Secrets {
				config[secret] = harness.NewSecret()
				if how.Encoding == "base64" {
					config[secret] = base64.StdEncoding.EncodeToString([]byte(harness.NewSecret()))
				}
			}
			status, _, problem := m.Request(http.MethodPut, "config/custom/"+name, config)
			require.Contains(t, []int{http.StatusOK, http.StatusNoContent}, status, "%s: %s", name, problem) // 200 with warnings

			path, other := "sign/custom/", "creds/custom/"
			if len(scheme.Request) == 0 {
				path, other = other, path
			}
			status, answer, problem := m.Request(http.MethodPut, path+name, example.Request)
			require.Equal(t, http.StatusOK, status, "%s: %s", name, problem)
			headers, _ := answer.Data["headers"].(values)
			query, _ := answer.Data["query"].(values)
			for wanted := range example.Want {
				require.True(t, headers[wanted] != nil || query[wanted] != nil, "%s gives no %s", name, wanted)
			}
			status, _, _ = m.Request(http.MethodPut, other+name, example.Request)
			require.Equal(t, http.StatusBadRequest, status, name)
			status, _, problem = m.Request(http.MethodPut, "check/custom/"+name, nil)
			require.Equal(t, http.StatusOK, status, "%s: %s", name, problem)
		}
	}
}
