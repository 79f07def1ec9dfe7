package e2e

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/upstreamtest"
	"github.com/apisig/vault-plugin-apisig/schemes"
)

// declared is what this test needs of a scheme.
type declared struct {
	Secrets  map[string]struct{ Encoding, Key string }
	Fields   map[string]struct{ Address bool }
	Request  map[string]any
	Login    map[string]any
	Examples []example
}

// example is what this test needs of an example.
type example struct {
	Fields, Request, Want map[string]string
	BaseURL               string `yaml:"base_url"`
	Now                   time.Time
	Login                 upstreamtest.ExampleLogin
}

// vendorOf starts a vendor that answers logins as an example does. It returns base_url and the fields that are
// addresses, all with the vendor's address; none for a scheme without a login.
func vendorOf(t *testing.T, scheme declared, x example) map[string]string {
	t.Helper()
	addresses := map[string]string{}
	if scheme.Login == nil {
		return addresses
	}
	vendor := upstreamtest.New(t, x.Login.Answer.Handler(x.BaseURL, time.Since(x.Now)))
	vendor.Start()
	addresses["base_url"] = vendor.URL
	for name, field := range scheme.Fields {
		if field.Address {
			addresses[name] = vendor.URL
		}
	}
	return addresses
}

// keyOfTests is a private key of a kind, which is in no scheme.
func keyOfTests(t *testing.T, kind string) string {
	t.Helper()
	text, err := os.ReadFile("../internal/scheme/testdata/keys/" + kind + ".pem")
	require.NoError(t, err)
	return string(text)
}

// Each scheme of schemes/ can be stored in a real Vault, and signs the calls of its examples with other secrets.
func TestEverySchemeSigns(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../schemes/*.yml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 20)
	shared := harness.NewMount(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yml")
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var scheme declared
		require.NoError(t, yaml.Unmarshal(text, &scheme))
		for i, example := range scheme.Examples {
			t.Run(fmt.Sprintf("%s, example %d", name, i+1), func(t *testing.T) {
				t.Parallel()
				requireSigns(t, shared.In(t), fmt.Sprintf("%s-%d", name, i), string(text), scheme, example)
			})
		}
	}
}

// requireSigns stores a scheme with the values of an example and new secrets, and signs the example's call.
func requireSigns(t *testing.T, m *harness.Mount, name, text string, scheme declared, example example) {
	t.Helper()
	config := values{"scheme": text, "base_url": cmp.Or(example.BaseURL, "https://api.example.com")}
	for field, value := range example.Fields {
		config[field] = value
	}
	for name, address := range vendorOf(t, scheme, example) {
		config[name] = address
	}
	for secret, how := range scheme.Secrets {
		config[secret] = harness.NewSecret()
		if how.Encoding == "base64" {
			config[secret] = base64.StdEncoding.EncodeToString([]byte(harness.NewSecret()))
		}
		if how.Key != "" {
			config[secret] = keyOfTests(t, how.Key)
		}
	}
	status, _, problem := m.Request(http.MethodPut, "config/custom/"+name, config)
	require.Contains(t, []int{http.StatusOK, http.StatusNoContent}, status, problem) // 200 with warnings

	path, other := "sign/custom/", "creds/custom/"
	if len(scheme.Request) == 0 {
		path, other = other, path
	}
	status, answer, problem := m.Request(http.MethodPut, path+name, example.Request)
	require.Equal(t, http.StatusOK, status, problem)
	headers, _ := answer.Data["headers"].(values)
	query, _ := answer.Data["query"].(values)
	given, _ := answer.Data["values"].(values)
	for wanted, value := range example.Want {
		if value == "" { // it is left out
			continue
		}
		require.True(t, headers[wanted] != nil || query[wanted] != nil || given[wanted] != nil, "it gives no %s", wanted)
	}
	status, _, _ = m.Request(http.MethodPut, other+name, example.Request)
	require.Equal(t, http.StatusBadRequest, status)
	status, _, problem = m.Request(http.MethodPut, "check/custom/"+name, nil)
	require.Equal(t, http.StatusOK, status, problem)
}

// The commands in the comment at the top of each scheme succeed as they stand there, with files and variables of their
// user's.
func TestCommandsOfSchemesSucceed(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "base64", "date", "openssl", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("the commands use " + tool + ", which is not on this machine")
		}
	}
	files, err := filepath.Glob("../schemes/*.yml")
	require.NoError(t, err)
	m := harness.Start(t).MountApisig(t)
	work := t.TempDir()
	require.NoError(t, os.Symlink(m.Server.Binary, filepath.Join(work, "vault")))
	// Base64 does for secrets of both encodings. curl would call the vendor.
	given := base64.StdEncoding.EncodeToString([]byte(harness.NewSecret()))
	for _, file := range []string{"event.json", "january.txt", "big.json", "secret.bin", "passphrase", "token-secret"} {
		require.NoError(t, os.WriteFile(filepath.Join(work, file), []byte(given), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(work, "curl"), []byte("#!/bin/sh\necho \"$@\"\n"), 0o700))
	environment := append(m.Server.Environ(), "PATH="+work+":"+os.Getenv("PATH"))
	for _, variable := range []string{"CONSUMER_SECRET", "KEY", "PASSWORD", "PRIVATE_KEY", "SECRET", "SKEY", "TOKEN"} {
		environment = append(environment, variable+"="+given)
	}
	for _, file := range files { //nolint:paralleltest // they write files of the same names
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			comment, _, _ := strings.Cut(string(text), "\nsecrets:")
			var script strings.Builder
			for line := range strings.SplitSeq(comment, "\n") {
				if command, is := strings.CutPrefix(line, "#   "); is {
					script.WriteString(command + "\n")
				}
			}
			require.GreaterOrEqual(t, strings.Count(script.String(), "vault "), 2)
			secrets := []string{given}
			var scheme declared
			require.NoError(t, yaml.Unmarshal(text, &scheme))
			for secret, how := range scheme.Secrets {
				if how.Key == "" {
					continue
				}
				secrets = append(secrets, strings.Split(keyOfTests(t, how.Key), "\n")[1])
				named := regexp.MustCompile(" " + secret + `=@(\S+)`).FindStringSubmatch(script.String())
				require.NotEmpty(t, named, "a key is given as a file")
				require.NoError(t, os.WriteFile(filepath.Join(work, named[1]), []byte(keyOfTests(t, how.Key)), 0o600))
			}
			commands := script.String()
			for name, address := range vendorOf(t, scheme, scheme.Examples[0]) {
				// An address that the commands leave out has a default.
				commands = regexp.MustCompile(" "+name+`=\S+`).ReplaceAllString(commands, "")
				commands = strings.Replace(commands, " scheme=", " "+name+"="+address+" scheme=", 1)
			}
			run := harness.Command("bash", "-euo", "pipefail", "-c", commands)
			run.Dir, run.Env = work, environment
			printed, err := run.CombinedOutput()
			require.NoError(t, err, "%s\n%s", commands, printed)
			for _, secret := range secrets {
				require.NotContains(t, string(printed), secret)
			}
		})
	}
}

// The catalogue by Vault's command line: the names, a scheme, and its own commands, from nothing to a signed call.
func TestCatalogueFromTheCommandLine(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	work := t.TempDir()
	require.NoError(t, os.Symlink(m.Server.Binary, filepath.Join(work, "vault")))
	vault := func(t *testing.T, script string) string {
		t.Helper()
		run := harness.Command("bash", "-euo", "pipefail", "-c", script)
		run.Env = append(m.Server.Environ(), "PATH="+work+":"+os.Getenv("PATH"), "SECRET="+harness.NewSecret())
		printed, err := run.CombinedOutput()
		require.NoError(t, err, "%s\n%s", script, printed)
		return string(printed)
	}
	require.Equal(t, schemes.Names(), strings.Fields(vault(t, "vault list apisig/schemes"))[2:]) // below Keys and ----
	read := vault(t, "vault read apisig/schemes/binance")
	require.Regexp(t, `(?m)^base_url +https://api\.binance\.com$`, read)
	require.Regexp(t, `(?m)^request +\[request_string body\]$`, read)
	help := vault(t, "vault path-help apisig/schemes/binance")
	require.Contains(t, help, "vault read -field=write apisig/schemes/<name>")
	require.Contains(t, vault(t, "! vault read apisig/schemes/none"), "No value found at apisig/schemes/none")
	wrong := vault(t, "! vault write apisig/config/custom/x scheme=binanse secret_key=a api_key=b")
	require.Contains(t, wrong, "the nearest are binance, ")
	//nolint:paralleltest // waiting, a Vault would idle
	for _, name := range []string{"binance", "ovhcloud", "podcast-index"} {
		t.Run(name, func(t *testing.T) {
			field := func(name string) string { return "vault read -format=table -field=" + name }
			vault(t, "eval \"$("+field("write")+" apisig/schemes/"+name+")\"")
			signed := vault(t, "eval \"$("+field("use")+" apisig/schemes/"+name+")\"")
			require.Regexp(t, `(?i)(key|authorization|application)`, signed)
		})
	}
}
