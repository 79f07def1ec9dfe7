package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// The example applications sign each call, and sign it once more if the vendor answers 401, but not twice.
func TestApplicationsSignAgainOnceAfter401(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	var calls, refusals atomic.Int64
	standIn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1.0/auth" && calls.Add(1) <= refusals.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"message":"Unauthorized"}`)
			return
		}
		m.Vendor.ServeHTTP(w, r)
	}))
	t.Cleanup(standIn.Close)
	m.URL = standIn.URL
	m.Write("config/avanan/us", m.AvananValues())
	compiled := filepath.Join(t.TempDir(), "avanan-go")
	harness.Run(t, harness.GoBuild(compiled, "./examples/applications/avanan-go"))
	const target = "/v1.0/msp/usage?year=2026&month=8"
	for _, application := range [][]string{{compiled, m.URL + target}, {"python3", "../examples/applications/avanan.py", target}} {
		if _, err := exec.LookPath(application[0]); err != nil {
			t.Log(application[0] + " is not on this machine: its example is not run")
			continue
		}
		for refused, want := range map[int64]int64{0: 1, 1: 2, 5: 2} {
			calls.Store(0)
			refusals.Store(refused)
			run := harness.Command(application[0], application[1:]...)
			run.Env = m.Server.Environ()
			printed, err := run.CombinedOutput()
			require.Equal(t, want, calls.Load(), "%v with %d refusals: %s", application, refused, printed)
			if refused < 2 {
				require.NoError(t, err, string(printed))
				require.Contains(t, string(printed), `"responseText":"Success"`)
			} else {
				require.Error(t, err)
				require.Contains(t, string(printed), "401")
			}
		}
	}
}

// The manifests for the Secrets Operator name existing paths, and the answers have the fields that each relies on, in the
// types that the operator wants. The operator itself is not run: it needs Kubernetes.
func TestSecretsOperatorManifestsMatchAnswers(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	for file, leased := range map[string]bool{"pave.yml": false, "avanan.yml": true} {
		content, err := os.ReadFile("../examples/kubernetes/" + file)
		require.NoError(t, err)
		var manifest struct {
			APIVersion string `yaml:"apiVersion"`
			Kind       string
			Metadata   struct{ Name string }
			Spec       struct {
				VaultAuthRef     string `yaml:"vaultAuthRef"`
				Mount, Path      string
				AllowStaticCreds bool `yaml:"allowStaticCreds"`
				RenewalPercent   int  `yaml:"renewalPercent"`
				Destination      struct {
					Create bool
					Name   string
				}
			}
		}
		decoder := yaml.NewDecoder(bytes.NewReader(content))
		decoder.KnownFields(true)
		require.NoError(t, decoder.Decode(&manifest))
		require.Equal(t, "secrets.hashicorp.com/v1beta1", manifest.APIVersion)
		require.Equal(t, "VaultDynamicSecret", manifest.Kind)
		require.Equal(t, manifest.Metadata.Name, manifest.Spec.Destination.Name)
		require.True(t, manifest.Spec.Destination.Create)
		require.Equal(t, "apisig", manifest.Spec.Mount)
		require.Equal(t, !leased, manifest.Spec.AllowStaticCreds)
		answer := m.Read(manifest.Spec.Path)
		require.Equal(t, leased, answer.LeaseID != "")
		if leased {
			require.Positive(t, answer.LeaseDuration)
			continue
		}
		for _, field := range []string{"ttl", "rotation_period"} {
			seconds, err := answer.Data[field].(json.Number).Int64()
			require.NoError(t, err)
			require.GreaterOrEqual(t, seconds, int64(1))
		}
		_, err = time.Parse(time.RFC3339Nano, answer.Data["last_vault_rotation"].(string))
		require.NoError(t, err)
	}
}
