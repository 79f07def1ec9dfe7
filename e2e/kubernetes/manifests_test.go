package kubernetes

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// newMount mounts the engine where the examples look for it, with the configs that they read.
func newMount(t *testing.T) *harness.Mount {
	t.Helper()
	m := harness.Start(t).MountApisig(t)
	writeShortLived(m)
	return m
}

// decode decodes an object of a file. An unknown field fails the test.
func decode(t *testing.T, object string, into any) {
	t.Helper()
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(object)))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(into))
}

// objects are the objects in a file of examples/kubernetes.
func objects(t *testing.T, file string) []string {
	t.Helper()
	content, err := os.ReadFile(example(file))
	require.NoError(t, err)
	return strings.Split(string(content), "\n---\n")
}

// The manifests for the Vault Secrets Operator name existing paths, and the answers have the fields that each relies
// on, in the types that the operator wants.
func TestSecretsOperatorManifestsMatchAnswers(t *testing.T) {
	t.Parallel()
	shared := newMount(t)
	for file, want := range map[string]struct { //nolint:paralleltest // waiting, a Vault would idle
		leased bool
		keys   map[string][]string // of the Secret: a text, and the field that follows it
	}{
		"pave.yml":   {false, map[string][]string{"headers": {"", "header_lines"}}},
		"custom.yml": {false, map[string][]string{"headers": {"", "header_lines"}}},
		"oauth2.yml": {true, map[string][]string{"headers": {"", "header_lines"}}},
		"avanan.yml": {true, map[string][]string{"token": {"", "token"}}},
		"infinity.yml": {true, map[string][]string{
			"headers": {"Authorization: Bearer ", "token"},
			"token":   {"", "token"},
		}},
	} {
		t.Run(file, func(t *testing.T) {
			var manifest dynamicSecret
			decode(t, objects(t, file)[0], &manifest)
			require.Equal(t, "secrets.hashicorp.com/v1beta1", manifest.APIVersion)
			require.Equal(t, "VaultDynamicSecret", manifest.Kind)
			require.Equal(t, manifest.Metadata.Name, manifest.Spec.Destination.Name)
			require.True(t, manifest.Spec.Destination.Create)
			require.Equal(t, "apisig", manifest.Spec.Mount)
			require.Equal(t, !want.leased, manifest.Spec.AllowStaticCreds)
			answer := shared.In(t).Read(manifest.Spec.Path)
			require.Equal(t, want.leased, answer.LeaseID != "")

			transformation := manifest.Spec.Destination.Transformation
			require.True(t, transformation.ExcludeRaw)
			require.Equal(t, []string{".*"}, transformation.Excludes)
			rendered, fields := map[string]string{}, map[string]string{}
			for key, one := range transformation.Templates {
				rendered[key] = render(t, one.Text, values{"Secrets": answer.Data})
			}
			for key, parts := range want.keys {
				fields[key] = parts[0] + answer.Data[parts[1]].(string)
			}
			require.Equal(t, fields, rendered)

			if want.leased {
				require.Positive(t, answer.LeaseDuration)
				require.Equal(t, 67, manifest.Spec.RenewalPercent)
				return
			}
			for _, field := range []string{"ttl", "rotation_period"} {
				seconds, err := answer.Data[field].(json.Number).Int64()
				require.NoError(t, err)
				require.GreaterOrEqual(t, seconds, int64(1))
			}
			_, err := time.Parse(time.RFC3339Nano, answer.Data["last_vault_rotation"].(string))
			require.NoError(t, err)
		})
	}
}

// dynamicSecret is a VaultDynamicSecret.
type dynamicSecret struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct{ Name string }
	Spec       struct {
		VaultAuthRef     string `yaml:"vaultAuthRef"`
		Mount, Path      string
		AllowStaticCreds bool `yaml:"allowStaticCreds"`
		RenewalPercent   int  `yaml:"renewalPercent"`
		Destination      struct {
			Create         bool
			Name           string
			Transformation struct {
				ExcludeRaw bool `yaml:"excludeRaw"`
				Excludes   []string
				Templates  map[string]struct{ Text string }
			}
		}
	}
}

// The External Secrets Operator's manifests read existing paths: again when the default ttl of headers has passed, or
// half of the default min_ttl of tokens.
func TestExternalSecretsManifestsMatchAnswers(t *testing.T) {
	t.Parallel()
	shared := newMount(t)
	for file, want := range map[string]struct { //nolint:paralleltest // waiting, a Vault would idle
		leased   bool
		interval time.Duration
	}{
		"external-secrets.yml":        {false, 150 * time.Second},
		"external-secrets-oauth2.yml": {true, 5 * time.Minute},
	} {
		t.Run(file, func(t *testing.T) {
			m := shared.In(t)
			var generator struct {
				Kind     string
				Metadata struct{ Name string }
				Spec     struct{ Path, Method string }
			}
			var secret struct {
				Metadata struct{ Name string }
				Spec     struct {
					RefreshInterval time.Duration `yaml:"refreshInterval"`
					Target          struct {
						Name     string
						Template struct{ Data map[string]string }
					}
					DataFrom []struct {
						SourceRef struct {
							GeneratorRef struct{ Kind, Name string } `yaml:"generatorRef"`
						} `yaml:"sourceRef"`
					} `yaml:"dataFrom"`
				}
			}
			both := objects(t, file)
			require.NoError(t, yaml.Unmarshal([]byte(both[0]), &generator))
			require.NoError(t, yaml.Unmarshal([]byte(both[1]), &secret))
			require.Equal(t, generator.Kind, secret.Spec.DataFrom[0].SourceRef.GeneratorRef.Kind)
			require.Equal(t, generator.Metadata.Name, secret.Spec.DataFrom[0].SourceRef.GeneratorRef.Name)
			require.Equal(t, secret.Metadata.Name, secret.Spec.Target.Name)
			require.Equal(t, want.interval, secret.Spec.RefreshInterval)
			require.Equal(t, "GET", generator.Spec.Method)
			answer := m.Read(strings.TrimPrefix(generator.Spec.Path, m.Path+"/"))
			require.Equal(t, want.leased, answer.LeaseID != "")
			rendered := map[string]string{}
			for key, text := range secret.Spec.Target.Template.Data {
				rendered[key] = render(t, text, answer.Data)
			}
			require.Equal(t, map[string]string{"headers": answer.Data["header_lines"].(string)}, rendered)
		})
	}
}

// The objects of the CSI provider's manifest are fields of answers, and none is a signature: the provider would give
// the first one to all. That provider is not run.
func TestCSIManifestMatchesAnswers(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	var manifest struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   struct{ Name string }
		Spec       struct {
			Provider   string
			Parameters map[string]string
		}
	}
	decode(t, objects(t, "csi.yml")[0], &manifest)
	require.Equal(t, "SecretProviderClass", manifest.Kind)
	var files []struct {
		ObjectName string `yaml:"objectName"`
		SecretPath string `yaml:"secretPath"`
		SecretKey  string `yaml:"secretKey"`
	}
	decode(t, manifest.Spec.Parameters["objects"], &files)
	require.Len(t, files, 2)
	for _, file := range files {
		path := strings.TrimPrefix(file.SecretPath, m.Path+"/")
		require.True(t, strings.HasPrefix(path, "creds/"), path)
		require.NotEmpty(t, m.Read(path).Data[file.SecretKey].(string), file.ObjectName)
	}
}

// The policy of the examples lets a client read what they read, and nothing else of the engine.
func TestPolicyAllowsOnlyWhatExamplesRead(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	rules, err := os.ReadFile(example("policy.hcl"))
	require.NoError(t, err)
	shared := m.WithRules(t, "apisig-kubernetes", string(rules))
	for path, want := range map[string]int{ //nolint:paralleltest // waiting, a Vault would idle
		"creds/pave/main":     http.StatusOK,
		"creds/avanan/us":     http.StatusOK,
		"creds/infinity/us":   http.StatusOK,
		"creds/custom/orders": http.StatusOK,
		"creds/custom/main":   http.StatusOK,
		"creds/custom/other":  http.StatusForbidden,
		"creds/pave/other":    http.StatusForbidden,
		"config/pave/main":    http.StatusForbidden,
		"status/pave/main":    http.StatusForbidden,
		"sign/avanan/us":      http.StatusForbidden,
	} {
		t.Run(path, func(t *testing.T) {
			status, _, text := shared.In(t).Request(http.MethodGet, path, nil)
			require.Equal(t, want, status, text)
		})
	}
}

// render renders a template as the operators do. A field that the answer does not have fails the test.
func render(t *testing.T, text string, data values) string {
	t.Helper()
	get := func(fields values, name string) (any, error) {
		value, found := fields[name]
		if !found {
			return nil, errors.New("the answer has no field " + name)
		}
		return value, nil
	}
	parsed, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{"get": get}).Parse(text)
	require.NoError(t, err)
	var rendered strings.Builder
	require.NoError(t, parsed.Execute(&rendered, data))
	return rendered.String()
}

// The API server takes the sidecar of examples/proxy as it is.
func TestSidecarOfProxyIsAccepted(t *testing.T) {
	t.Parallel()
	c := startCluster(t, needsKubernetes(t))
	c.applyExample(t, "../proxy/kubernetes.yml", vaultInExamples)
	content, err := os.ReadFile(example("../proxy/kubernetes.yml"))
	require.NoError(t, err)
	misspelled := strings.ReplaceAll(string(content), "restartPolicy: Always", "restartsPolicy: Always")
	objects := strings.Split(misspelled, "\n---\n")
	status, answer := c.apply(t, objectPath(t, objects[1]), objects[1])
	require.GreaterOrEqual(t, status, http.StatusBadRequest, "it rejects what it does not know")
	require.Contains(t, answer["message"], "restartsPolicy")
}
