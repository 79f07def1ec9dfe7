package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
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
	"text/template"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/backend"
	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
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
	enable := &api.EnableAuthOptions{Type: "jwt"}
	require.NoError(t, s.Client.Sys().EnableAuthWithOptionsWithContext(t.Context(), "jwt", enable))
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
	const sessions, success = `{"data":[]}`, `"responseText":"Success"`
	idTokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer request-token" && r.URL.Query().Get("audience") == "vault" {
			_, _ = io.WriteString(w, `{"value":"`+s.jwt+`"}`)
		}
	}))
	t.Cleanup(idTokens.Close)
	all := map[string]script{
		"register.sh": {
			command: []string{"examples/operator/register.sh", s.plugin, "scripted"},
			environ: []string{"PLUGIN_DIRECTORY=" + s.Server.Plugins()},
			prints:  []string{"scripted runs " + harness.PluginName + " " + backend.Version},
		},
		"vault.sh": {
			command: []string{"examples/kubernetes/vault.sh"},
			environ: []string{"KUBERNETES_ISSUER=issuer", "KUBERNETES_KEY=" + s.key},
		},
	}
	for name, call := range map[string]struct{ argument, prints string }{
		"pave-vault.sh":     {vendor + "/v1/sessions", sessions},
		"pave-curl.sh":      {vendor + "/v1/sessions", sessions},
		"infinity-vault.sh": {vendor + "/app/hec-api/v1.0/scopes", success},
		"avanan-vault.sh":   {usage, success},
		"avanan-curl.sh":    {usage, success},
	} {
		all[name] = script{
			command: []string{"examples/pipelines/" + name, call.argument},
			needs:   []string{"curl", "jq"},
			prints:  []string{call.prints},
		}
	}
	for name, environ := range map[string][]string{
		"github-actions.yml": {
			"ACTIONS_ID_TOKEN_REQUEST_URL=" + idTokens.URL + "/?version=1",
			"ACTIONS_ID_TOKEN_REQUEST_TOKEN=request-token",
		},
		"gitlab-ci.yml": {"VAULT_ID_TOKEN=" + s.jwt},
		"Jenkinsfile":   {"VAULT_ID_TOKEN=" + s.jwt},
	} {
		all[name] = script{
			command: []string{"sh", "-c", hosted(t, name, vendor)},
			needs:   []string{"curl", "jq"},
			environ: environ,
			prints:  []string{sessions, success},
		}
	}
	for name, command := range applications(t, vendor) {
		for i := range command {
			command[i] = strings.TrimPrefix(command[i], "../")
		}
		all[name] = script{command: command, prints: []string{success}}
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

// private is Vault behind a certificate of a private CA. It records the namespace that each request names. It does
// not pass that on, because not every server has namespaces.
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
		namespace := strings.Trim(r.Header.Get("X-Vault-Namespace"), "/")
		if strings.HasPrefix(r.URL.Path, "/v1/sys/plugins/catalog/") {
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

// The examples' scripts and programs work where VAULT_FORMAT is set, and where Vault has namespaces and a certificate
// of a private CA.
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
			require.Subset(t, []string{""}, slices.Compact(vault.catalog), "the catalog is the root namespace's")
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

// curl sends a body as it was signed with --data-binary. With -d it leaves out line breaks, and the vendor rejects
// the signature.
func TestCurlSendsSignedBodyAsItIs(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not on this machine")
	}
	m := harness.NewMount(t)
	m.WriteCustom("orders")
	body := filepath.Join(t.TempDir(), "order.json")
	const content = "{\n  \"order\": 1\n}\n"
	require.NoError(t, os.WriteFile(body, []byte(content), 0o600))
	for option, want := range map[string]string{
		"--data-binary": "200",
		"-d":            "401",
	} {
		t.Run(option, func(t *testing.T) {
			t.Parallel()
			_, signed, text := m.In(t).Request(http.MethodPut, "sign/custom/orders", values{
				"method":         "POST",
				"request_string": "/custom/v1/orders",
				"body_sha256":    fmt.Sprintf("%x", sha256.Sum256([]byte(content))),
			})
			require.NotNil(t, signed, text)
			curl := harness.Command("curl", "-sS", "-o", os.DevNull, "-w", "%{http_code}", "-H", "@-", option, "@"+body,
				m.URL+"/custom/v1/orders")
			curl.Stdin = strings.NewReader(signed.Data["header_lines"].(string))
			require.Equal(t, want, harness.Run(t, curl))
		})
	}
}

// docs/agent.md's commands make files that only their user can read, whatever output format the user's environment
// asks for.
func TestAgentCredentialFilesArePrivate(t *testing.T) {
	t.Parallel()
	server := harness.StartQuiet(t)
	client, directory, bin := server.Client, t.TempDir(), t.TempDir()
	require.NoError(t, os.Symlink(server.Binary, filepath.Join(bin, "vault")))
	enable := &api.EnableAuthOptions{Type: "approle"}
	require.NoError(t, client.Sys().EnableAuthWithOptionsWithContext(t.Context(), "approle", enable))
	_, err := client.Logical().WriteWithContext(t.Context(), "auth/approle/role/apisig", values{})
	require.NoError(t, err)
	document, err := os.ReadFile("../docs/agent.md")
	require.NoError(t, err)
	commands := regexp.MustCompile(`(?m)^    umask 077\n(    .*\n)+`).Find(document)
	require.NotEmpty(t, commands)
	run := harness.Command("sh", "-c", "umask 022; set -eu\n"+string(commands))
	run.Dir = directory
	run.Env = append(server.Environ(), "VAULT_FORMAT=json", "BAO_FORMAT=json", "PATH="+bin+":"+os.Getenv("PATH"))
	harness.Run(t, run)
	login := values{}
	for _, file := range []string{"role-id", "secret-id"} {
		info, err := os.Stat(filepath.Join(directory, file))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode(), file)
		content, err := os.ReadFile(filepath.Join(directory, file))
		require.NoError(t, err)
		login[strings.ReplaceAll(file, "-", "_")] = string(content)
	}
	_, err = client.Logical().WriteWithContext(t.Context(), "auth/approle/login", login)
	require.NoError(t, err)
}

// The way by which docs/agent.md reads a header in a template works with an answer of the engine. The one it warns of
// does not.
func TestAgentTemplateReadsHeaderByIndex(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Write("config/pave/main", m.PaveValues())
	read := m.Read("creds/pave/main")
	document, err := os.ReadFile("../docs/agent.md")
	require.NoError(t, err)
	for text, works := range map[string]bool{
		`{{ index .Data.headers "API-Key" }}`: true,
		`{{ .Data.headers.API-Key }}`:         false,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, string(document), "`"+text+"`")
			// Agent's templates are those of this package, with more functions.
			parsed, err := template.New("").Parse(text)
			require.Equal(t, works, err == nil, "%v", err)
			if works {
				var rendered strings.Builder
				require.NoError(t, parsed.Execute(&rendered, read))
				require.Equal(t, sandbox.Default().PAVEAPIKey, rendered.String())
			}
		})
	}
}

// The token that docs/install.md describes is enough for register.sh, to install and to upgrade. Where Vault refuses
// to say what is mounted, the script stops with Vault's words.
func TestRegisterScriptNeedsDocumentedPolicyOnly(t *testing.T) {
	t.Parallel()
	s := newScripted(t)
	const catalog = `path "sys/plugins/catalog/secret/vault-plugin-apisig" {
		capabilities = ["create", "read", "update", "delete", "sudo"]
	}`
	const rest = `path "sys/mounts/scripted" { capabilities = ["create", "read", "update"] }
		path "sys/mounts/scripted/tune" { capabilities = ["update"] }
		path "sys/plugins/reload/backend" { capabilities = ["update", "sudo"] }`
	register := s.scripts(t, s.URL)["register.sh"]
	few := s.WithRules(t, "few", catalog).Client.Token()
	enough := s.WithRules(t, "enough", catalog+rest).Client.Token()
	printed, err := s.run(t, register, s.Server.Address, s.URL, "VAULT_TOKEN="+few, "BAO_TOKEN="+few)
	require.Error(t, err)
	require.Regexp(t, `(?s)URL: GET \S+/v1/sys/mounts/scripted\n.*permission denied`, printed)
	for range 2 {
		printed, err := s.run(t, register, s.Server.Address, s.URL, "VAULT_TOKEN="+enough, "BAO_TOKEN="+enough)
		require.NoError(t, err, printed)
		require.Contains(t, printed, register.prints[0])
	}
}
