package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// tapped passes calls on to the stand-ins and keeps the secret values of their headers.
type tapped struct {
	http.Handler
	mu   sync.Mutex
	seen []string
}

func (p *tapped) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	for _, name := range []string{"API-Token", "x-av-token", "x-av-sig", "Authorization"} {
		if value := strings.TrimPrefix(r.Header.Get(name), "Bearer "); value != "" {
			p.seen = append(p.seen, value)
		}
	}
	p.mu.Unlock()
	p.Handler.ServeHTTP(w, r)
}

func (p *tapped) secrets() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.seen)
}

// commandLines collects the command lines of all processes of the machine until it is stopped.
func commandLines(t *testing.T) (stop func() string) {
	t.Helper()
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skip("this system has no /proc to look at command lines in")
	}
	var collected strings.Builder
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		known := map[string]bool{}
		for {
			select {
			case <-done:
				return
			default:
			}
			files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, file := range files {
				if line, err := os.ReadFile(file); err == nil && !known[string(line)] {
					known[string(line)] = true
					collected.WriteString(strings.ReplaceAll(string(line), "\x00", " ") + "\n")
				}
			}
		}
	}()
	return func() string {
		close(done)
		<-ended
		return collected.String()
	}
}

// Each script of examples/pipelines calls its vendor. While it runs, traced by the shell, no command line and no output
// contains a secret, token or header.
func TestPipelineScriptsShowNoSecret(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	tap := &tapped{Handler: m.Vendor}
	standIn := httptest.NewServer(tap)
	t.Cleanup(standIn.Close)
	m.URL = standIn.URL
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	m.Write("config/infinity/us", m.InfinityValues())
	// A call must last long enough for its process to be seen.
	m.Vendor.Change(func(b *sandbox.Behaviour) { b.Latency = 300 * time.Millisecond })
	bin := t.TempDir()
	require.NoError(t, os.Symlink(m.Server.Binary, filepath.Join(bin, "vault")))
	for script, run := range map[string]struct {
		argument, prints string
		tools            []string
	}{
		"pave-vault.sh":     {m.URL + "/v1/sessions", `{"data":[]}`, []string{"curl"}},
		"infinity-vault.sh": {m.URL + "/app/hec-api/v1.0/scopes", `"responseText":"Success"`, []string{"curl"}},
		"pave-curl.sh":      {m.URL + "/v1/sessions", `{"data":[]}`, []string{"curl", "jq"}},
		"avanan-vault.sh":   {"/v1.0/msp/usage?year=2026&month=8", `"responseText":"Success"`, []string{"curl"}},
		"avanan-curl.sh":    {"/v1.0/msp/usage?year=2026&month=8", `"responseText":"Success"`, []string{"curl", "jq"}},
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			for _, tool := range run.tools {
				if _, err := exec.LookPath(tool); err != nil {
					t.Skip("the script needs " + tool + ", which is not on this machine")
				}
			}
			stop := commandLines(t)
			command := harness.Command("sh", "-x", "../examples/pipelines/"+script, run.argument)
			command.Env = append(m.Server.Environ(), "AVANAN_URL="+m.URL, "PATH="+bin+":"+os.Getenv("PATH"))
			printed, err := command.CombinedOutput()
			lines := stop()
			require.NoError(t, err, string(printed))
			require.Contains(t, string(printed), run.prints)
			require.Contains(t, string(printed), "+ set +x -eu", "the trace")
			require.Contains(t, lines, "curl -fgsS -H @-")
			secrets := tap.secrets()
			require.NotEmpty(t, secrets)
			secrets = append(secrets,
				harness.RootToken+" ", harness.PaveSecret, harness.AvananSecret, harness.InfinitySecret)
			for _, secret := range secrets {
				require.NotContains(t, string(printed), secret)
				require.NotContains(t, strings.ReplaceAll(lines, "-dev-root-token-id="+harness.RootToken+" ", ""), secret)
			}
		})
	}
}

// The pipelines for hosted services are valid YAML, and every file that they name exists. The services themselves
// cannot be run here.
func TestHostedPipelinesNameExistingFiles(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile(`examples/[\w./-]+`)
	for _, name := range []string{"github-actions.yml", "gitlab-ci.yml", "Jenkinsfile"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile("../examples/pipelines/" + name)
			require.NoError(t, err)
			if strings.HasSuffix(name, ".yml") {
				var document map[string]any
				require.NoError(t, yaml.Unmarshal(content, &document))
				require.NotEmpty(t, document)
			}
			files := named.FindAllString(string(content), -1)
			require.Len(t, files, 3)
			for _, file := range files {
				info, err := os.Stat("../" + file)
				require.NoError(t, err)
				require.NotZero(t, info.Mode()&0o100, "%s is not executable", file)
			}
			require.Contains(t, string(content), "It was not run on ", "what is untried says so")
		})
	}
}

// GitLab's runner reads one field of an answer into a file. With the field that gitlab-ci.yml names, its script calls
// PAVE.
func TestGitLabSecretHoldsAllHeaders(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("the script needs curl, which is not on this machine")
	}
	m := harness.NewMount(t)
	m.Write("config/pave/main", m.PaveValues())
	content, err := os.ReadFile("../examples/pipelines/gitlab-ci.yml")
	require.NoError(t, err)
	var pipeline struct {
		Job struct {
			Secrets map[string]struct {
				Token string
				Vault struct {
					Engine      struct{ Name, Path string }
					Path, Field string
				}
			}
			Script []string
		} `yaml:"apisig-secrets"`
	}
	require.NoError(t, yaml.Unmarshal(content, &pipeline))
	secret := pipeline.Job.Secrets["PAVE_HEADERS"]
	require.Equal(t, "$VAULT_ID_TOKEN", secret.Token)
	require.Equal(t, "generic", secret.Vault.Engine.Name)
	require.Equal(t, "apisig", secret.Vault.Engine.Path)
	value, isText := m.Read(secret.Vault.Path).Data[secret.Vault.Field].(string)
	require.True(t, isText, "%s has no field %s", secret.Vault.Path, secret.Vault.Field)
	file := filepath.Join(t.TempDir(), "PAVE_HEADERS")
	require.NoError(t, os.WriteFile(file, []byte(value), 0o600))
	require.Len(t, pipeline.Job.Script, 1)
	script := strings.ReplaceAll(pipeline.Job.Script[0], "https://openapi.paveapi.com", m.URL)
	require.NotEqual(t, pipeline.Job.Script[0], script)
	run := harness.Command("sh", "-c", script)
	run.Env = append(os.Environ(), "PAVE_HEADERS="+file)
	require.JSONEq(t, `{"data":[]}`, harness.Run(t, run))
}
