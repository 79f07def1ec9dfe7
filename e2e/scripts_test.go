package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/backend"
	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// scripted is a Vault whose users run the scripts of examples/.
type scripted struct {
	*harness.Mount
	bin string // with vault
	key string // a file with the public key of the hosted pipelines' ID tokens, in PEM
	jwt string // such an ID token
	// plugin is a binary for register.sh to install.
	plugin string
}

func newScripted(t *testing.T) scripted {
	t.Helper()
	s := scripted{Mount: harness.Start(t).MountApisig(t), bin: t.TempDir(), plugin: harness.Plugin(t)}
	s.Write("config/pave/main", s.PaveValues())
	s.Write("config/avanan/us", s.AvananValues())
	s.Write("config/infinity/us", s.InfinityValues())
	require.NoError(t, os.Symlink(s.Server.Binary, filepath.Join(s.bin, "vault")))

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	s.key = filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(s.key, public, 0o600))
	now := time.Now()
	s.jwt, err = jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"sub": "pipeline", "aud": "vault", "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(),
	}).SignedString(key)
	require.NoError(t, err)

	require.NoError(t, s.Client.Sys().PutPolicyWithContext(t.Context(), "apisig-pipeline", `
		path "apisig/creds/pave/main" { capabilities = ["read"] }
		path "apisig/sign/avanan/us" { capabilities = ["update"] }`))
	require.NoError(t, s.Client.Sys().EnableAuthWithOptionsWithContext(t.Context(), "jwt", &api.EnableAuthOptions{Type: "jwt"}))
	for path, body := range map[string]values{
		"config": {"jwt_validation_pubkeys": string(public)},
		"role/apisig-pipeline": {
			"role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault", "token_policies": "apisig-pipeline",
		},
	} {
		_, err := s.Client.Logical().WriteWithContext(t.Context(), "auth/jwt/"+path, body)
		require.NoError(t, err)
	}
	return s
}

// script is a script of the examples, as its users run it.
type script struct {
	command []string
	needs   []string // programs besides sh
	environ []string
	prints  []string
}

// scripts are all scripts and programs of the examples that call Vault. They call the vendors at an address.
func (s scripted) scripts(t *testing.T, vendor string) map[string]script {
	t.Helper()
	curl, both := []string{"curl"}, []string{"curl", "jq"}
	sessions, success := `{"data":[]}`, `"responseText":"Success"`
	idTokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer request-token" && r.URL.Query().Get("audience") == "vault" {
			_, _ = io.WriteString(w, `{"value":"`+s.jwt+`"}`)
		}
	}))
	t.Cleanup(idTokens.Close)
	plugins := s.Server.Plugins()
	all := map[string]script{
		"pave-vault.sh":     {[]string{"examples/pipelines/pave-vault.sh", vendor + "/v1/sessions"}, curl, nil, []string{sessions}},
		"infinity-vault.sh": {[]string{"examples/pipelines/infinity-vault.sh", vendor + "/app/hec-api/v1.0/scopes"}, curl, nil, []string{success}},
		"avanan-vault.sh":   {[]string{"examples/pipelines/avanan-vault.sh", usage}, curl, nil, []string{success}},
		"pave-curl.sh":      {[]string{"examples/pipelines/pave-curl.sh", vendor + "/v1/sessions"}, both, nil, []string{sessions}},
		"avanan-curl.sh":    {[]string{"examples/pipelines/avanan-curl.sh", usage}, both, nil, []string{success}},
		"github-actions.yml": {[]string{"sh", "-c", hosted(t, "github-actions.yml", vendor)}, both, []string{
			"ACTIONS_ID_TOKEN_REQUEST_URL=" + idTokens.URL + "/?version=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=request-token",
		}, []string{sessions, success}},
		"gitlab-ci.yml": {[]string{"sh", "-c", hosted(t, "gitlab-ci.yml", vendor)}, both, []string{"VAULT_ID_TOKEN=" + s.jwt}, []string{sessions, success}},
		"Jenkinsfile":   {[]string{"sh", "-c", hosted(t, "Jenkinsfile", vendor)}, both, []string{"VAULT_ID_TOKEN=" + s.jwt}, []string{sessions, success}},
		"register.sh": {[]string{"examples/operator/register.sh", s.plugin, "scripted"}, nil, []string{"PLUGIN_DIRECTORY=" + plugins},
			[]string{"scripted runs " + harness.PluginName + " " + backend.Version}},
		"vault.sh": {[]string{"examples/kubernetes/vault.sh"}, nil, []string{"KUBERNETES_ISSUER=issuer", "KUBERNETES_KEY=" + s.key}, nil},
	}
	for name, command := range applications(t, vendor) {
		for i := range command {
			command[i] = strings.TrimPrefix(command[i], "../")
		}
		all[name] = script{command, nil, nil, []string{success}}
	}
	return all
}

// hosted is the shell script in a pipeline for a hosted service.
func hosted(t *testing.T, name, vendor string) string {
	t.Helper()
	content, err := os.ReadFile("../examples/pipelines/" + name)
	require.NoError(t, err)
	var commands []string
	switch name {
	case "github-actions.yml":
		var workflow struct {
			Jobs struct {
				Call struct{ Steps []struct{ Run string } }
			}
		}
		require.NoError(t, yaml.Unmarshal(content, &workflow))
		for _, step := range workflow.Jobs.Call.Steps {
			commands = append(commands, step.Run)
		}
	case "gitlab-ci.yml":
		var pipeline struct{ Apisig struct{ Script []string } }
		require.NoError(t, yaml.Unmarshal(content, &pipeline))
		commands = pipeline.Apisig.Script
	default:
		found := regexp.MustCompile(`(?s)sh '''(.*?)'''`).FindSubmatch(content)
		require.NotEmpty(t, found)
		commands = []string{string(found[1])}
	}
	script := strings.Join(commands, "\n")
	require.Contains(t, script, "https://openapi.paveapi.com")
	return strings.ReplaceAll(script, "https://openapi.paveapi.com", vendor)
}

// run runs a script as a user of Vault at an address.
func (s scripted) run(t *testing.T, script script, vault, vendor string, environ ...string) (string, error) {
	t.Helper()
	for _, program := range script.needs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("the script needs " + program + ", which is not on this machine")
		}
	}
	run := harness.Command(script.command[0], script.command[1:]...)
	run.Dir = ".."
	run.Env = slices.Concat(s.Server.Environ(), []string{
		"VAULT_ADDR=" + vault, "BAO_ADDR=" + vault, "AVANAN_URL=" + vendor, "PATH=" + s.bin + ":" + os.Getenv("PATH"),
	}, script.environ, environ)
	printed, err := run.CombinedOutput()
	return string(printed), err
}

// private is Vault behind a certificate of a private CA. It records the namespace that each request names. It does not pass that on,
// because not every server has namespaces.
type private struct {
	address string
	ca      string // a folder with the CA's certificate in ca.pem
	mu      sync.Mutex
	// catalog and other are the namespaces of requests to the plugin catalog, and of all others.
	catalog, other []string
}

func newPrivate(t *testing.T, vault string) *private {
	t.Helper()
	address, err := url.Parse(vault)
	require.NoError(t, err)
	p := &private{ca: t.TempDir()}
	passOn := httputil.NewSingleHostReverseProxy(address)
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		if namespace := strings.Trim(r.Header.Get("X-Vault-Namespace"), "/"); strings.HasPrefix(r.URL.Path, "/v1/sys/plugins/catalog/") {
			p.catalog = append(p.catalog, namespace)
		} else {
			p.other = append(p.other, namespace)
		}
		p.mu.Unlock()
		r.Header.Del("X-Vault-Namespace")
		passOn.ServeHTTP(w, r)
	}))
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // One user does not trust the certificate.
	front.StartTLS()
	t.Cleanup(front.Close)
	p.address = front.URL
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})
	require.NoError(t, os.WriteFile(filepath.Join(p.ca, "ca.pem"), certificate, 0o600))
	return p
}

// The examples' scripts and programs work where VAULT_FORMAT is set, and where Vault has namespaces and a certificate of a private CA.
func TestScriptsHonourVaultsVariables(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	for name, script := range s.scripts(t, s.URL) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vault := newPrivate(t, s.Server.Address)
			common := []string{"VAULT_FORMAT=json", "BAO_FORMAT=json", "VAULT_NAMESPACE=team", "BAO_NAMESPACE=team"}
			for _, ca := range [][]string{
				{"VAULT_CACERT=" + vault.ca + "/ca.pem", "BAO_CACERT=" + vault.ca + "/ca.pem"},
				{"VAULT_CAPATH=" + vault.ca, "BAO_CAPATH=" + vault.ca},
			} {
				printed, err := s.run(t, script, vault.address, s.URL, append(common, ca...)...)
				require.NoError(t, err, printed)
				for _, wanted := range script.prints {
					require.Contains(t, printed, wanted)
				}
			}
			require.NotEmpty(t, vault.other)
			require.Equal(t, []string{"team"}, slices.Compact(vault.other))
			require.Subset(t, []string{""}, slices.Compact(vault.catalog), "there is one catalog, which is the root namespace's")
			requests := len(vault.other)
			printed, err := s.run(t, script, vault.address, s.URL, common...)
			require.Error(t, err, "the system's CAs do not know this certificate: %s", printed)
			require.Len(t, vault.other, requests)
		})
	}
}

// Where Vault refuses, the examples' scripts and programs fail with Vault's words, and call no vendor.
func TestScriptsStopWhereVaultRefuses(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	vendor, calls := otherHost(t)
	for name, script := range s.scripts(t, vendor) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			words := "permission denied"
			if slices.Contains([]string{"github-actions.yml", "gitlab-ci.yml", "Jenkinsfile"}, name) {
				// These log in, with an ID token for a role that does not exist here.
				last := len(script.command) - 1
				script.command[last] = strings.ReplaceAll(script.command[last], `"apisig-pipeline"`, `"other"`)
				words = `role \"other\" could not be found`
			}
			printed, err := s.run(t, script, s.Server.Address, vendor, "VAULT_TOKEN=bad", "BAO_TOKEN=bad")
			require.Error(t, err, printed)
			require.Contains(t, printed, words)
			require.NotContains(t, printed, "Traceback")
		})
	}
	t.Cleanup(func() { require.Zero(t, calls.Load(), "calls of the vendor") })
}

// The token that docs/install.md describes is enough for register.sh, to install and to upgrade. Where Vault refuses to say what is
// mounted, the script stops with Vault's words.
func TestRegisterScriptNeedsDocumentedPolicyOnly(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	const catalog = `path "sys/plugins/catalog/secret/vault-plugin-apisig" { capabilities = ["create", "read", "update", "delete", "sudo"] }`
	const rest = `path "sys/mounts/scripted" { capabilities = ["create", "read", "update"] }
		path "sys/mounts/scripted/tune" { capabilities = ["update"] }
		path "sys/plugins/reload/backend" { capabilities = ["update", "sudo"] }`
	register := s.scripts(t, s.URL)["register.sh"]
	token := func(rules string) string {
		name := strings.ToLower(rand.Text())
		require.NoError(t, s.Client.Sys().PutPolicyWithContext(t.Context(), name, rules))
		created, err := s.Client.Auth().Token().CreateWithContext(t.Context(), &api.TokenCreateRequest{Policies: []string{name}})
		require.NoError(t, err)
		return created.Auth.ClientToken
	}
	few, enough := token(catalog), token(catalog+rest)
	printed, err := s.run(t, register, s.Server.Address, s.URL, "VAULT_TOKEN="+few, "BAO_TOKEN="+few)
	require.Error(t, err)
	require.Regexp(t, `(?s)URL: GET \S+/v1/sys/mounts/scripted\n.*permission denied`, printed)
	for range 2 {
		printed, err := s.run(t, register, s.Server.Address, s.URL, "VAULT_TOKEN="+enough, "BAO_TOKEN="+enough)
		require.NoError(t, err, printed)
		require.Contains(t, printed, register.prints[0])
	}
}
