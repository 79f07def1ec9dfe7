package e2e

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"html"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/backend"
	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
	"github.com/apisig/vault-plugin-apisig/schemes"
)

// binaries guards bin/: the demo and the README's commands both build into it.
var binaries sync.Mutex

// The demo exits with 0 only if every call got the expected answer. It leaves nothing running.
func TestDemoSucceedsAndStops(t *testing.T) {
	t.Parallel()
	binaries.Lock()
	defer binaries.Unlock()
	printed, err := harness.Command("make", "-C", "..", "demo").CombinedOutput()
	require.NoError(t, err, string(printed))
	require.Contains(t, string(printed), "Every call got the expected answer.")
	for _, secret := range []string{
		"sandbox-pave-secret",
		"sandbox-avanan-secret",
		"sandbox-infinity-key",
		"sandbox-custom-secret",
	} {
		require.NotContains(t, string(printed), secret)
	}
	sandbox := regexp.MustCompile(`base_url=http://(\S+)`).FindStringSubmatch(string(printed))
	require.NotEmpty(t, sandbox)
	_, err = net.Dial("tcp", sandbox[1])
	require.Error(t, err, "the demo's sandbox still runs")
}

// make build leaves the plugin alone in bin/plugins/, because Vault in dev mode runs every file of its plugin
// directory.
func TestDevServerLoadsBuiltPlugin(t *testing.T) {
	t.Parallel()
	binaries.Lock()
	defer binaries.Unlock()
	harness.Run(t, harness.Command("make", "-C", "..", "build"))
	files, err := os.ReadDir("../bin/plugins")
	require.NoError(t, err)
	require.Len(t, files, 1)
	for _, program := range []string{"plugins/" + harness.PluginName, "apisig-proxy", "apisig-sandbox"} {
		require.FileExists(t, "../bin/"+program)
	}

	shared := harness.Shared(t)
	address, err := harness.FreeAddress()
	require.NoError(t, err)
	server := harness.Command(shared.Binary, "server", "-dev", "-dev-plugin-dir=bin/plugins", "-dev-no-store-token",
		"-dev-root-token-id="+harness.RootToken, "-dev-listen-address="+address)
	server.Dir = ".."
	server.Env = append(os.Environ(), "HOME="+t.TempDir())
	harness.Background(t, server, filepath.Join(t.TempDir(), "vault.log"), harness.Canary)
	client, err := shared.NewClient(harness.RootToken)
	require.NoError(t, err)
	require.NoError(t, client.SetAddress("http://"+address))
	harness.Eventually(t, func() bool {
		return client.Sys().MountWithContext(t.Context(), "apisig", &api.MountInput{Type: harness.PluginName}) == nil
	}, "the plugin is enabled")
	read, err := client.Logical().ReadWithContext(t.Context(), "sys/mounts/apisig")
	require.NoError(t, err)
	require.Equal(t, backend.Version, read.Data["running_plugin_version"])
}

var shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// The README's shell commands succeed in order, as one user would paste them, in a Vault that knows no plugin yet.
// They do so whatever output format the user's environment asks for.
func TestReadmeCommandsSucceed(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"table", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			runReadme(t, format)
		})
	}
}

func runReadme(t *testing.T, format string) {
	t.Helper()
	binaries.Lock()
	defer binaries.Unlock()
	for _, tool := range []string{"curl", "sha256sum", "python3"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("the README's commands use " + tool + ", which is not on this machine")
		}
	}
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	server := harness.Start(t)
	address, err := harness.FreeAddress()
	require.NoError(t, err)
	require.Contains(t, string(readme), "127.0.0.1:8400")

	script := "trap 'kill $(jobs -p)' EXIT\n"
	for _, block := range shellBlock.FindAllSubmatch(readme, -1) {
		script += string(block[1]) + "\n"
	}
	// Use another port, since someone may be following the README on this machine, and wait until the sandbox listens.
	script = strings.ReplaceAll(script, "127.0.0.1:8400", address)
	script = strings.ReplaceAll(script, "bin/apisig-sandbox >/dev/null &", `
		bin/apisig-sandbox -listen `+address+` >"$WORK/sandbox.log" &
		until grep -q listening "$WORK/sandbox.log"; do :; done`)

	work := t.TempDir()
	require.NoError(t, os.Symlink(server.Binary, filepath.Join(work, "vault")))
	run := harness.Command("bash", "-euo", "pipefail", "-c", script)
	run.Dir = ".."
	run.Env = append(server.Environ(), "VAULT_FORMAT="+format, "BAO_FORMAT="+format,
		"PLUGIN_DIRECTORY="+server.Plugins(), "WORK="+work, "PATH="+work+":"+os.Getenv("PATH"))
	printed, err := run.CombinedOutput()
	require.NoError(t, err, "%s\n%s", script, printed)
	require.Contains(t, string(printed), `{"data":[]}`, "what PAVE's stand-in answers")
	require.Contains(t, string(printed), `"responseText":"Success"`, "what Avanan's stand-in answers")
	require.Contains(t, string(printed), "Uploaded policy: avanan-signer-events-only")
	require.Contains(t, string(printed), "apisig runs "+harness.PluginName+" "+backend.Version)
}

// The README's first commands to a mounted engine are for an API of the catalogue. Two of them, and less than a minute,
// are enough for a signed call.
func TestReadmeBeginsWithTheCatalogue(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(readme), "vault secrets enable -path=apisig vault-plugin-apisig\n```\n")
	require.True(t, found)
	commands := shellBlock.FindStringSubmatch(rest)[1]
	lines := strings.Split(strings.TrimSpace(commands), "\n")
	require.Len(t, lines, 2)
	name := regexp.MustCompile(`vault write apisig/config/custom/\S+ scheme=([a-z0-9-]+) `).FindStringSubmatch(lines[0])
	require.NotEmpty(t, name)
	require.Contains(t, schemes.Names(), name[1])

	m := harness.Start(t).MountApisig(t)
	work := t.TempDir()
	require.NoError(t, os.Symlink(m.Server.Binary, filepath.Join(work, "vault")))
	run := harness.Command("bash", "-euo", "pipefail", "-c", commands)
	run.Env = append(m.Server.Environ(), "PATH="+work+":"+os.Getenv("PATH"))
	began := time.Now()
	printed, err := run.CombinedOutput()
	require.NoError(t, err, string(printed))
	require.Less(t, time.Since(began), time.Minute)
	require.Regexp(t, `(?m)^url +https://api\.binance\.com/api/v3/account\?timestamp=\d+.*&signature=[0-9a-f]{64}$`,
		string(printed))
}

// runDocument runs a document's shell commands in a folder, as one user would paste them, and returns what they print.
func runDocument(t *testing.T, m *harness.Mount, file, work string) string {
	t.Helper()
	document, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.Symlink(m.Server.Binary, filepath.Join(work, "vault")))
	script := ""
	for _, block := range shellBlock.FindAllSubmatch(document, -1) {
		script += string(block[1]) + "\n"
	}
	run := harness.Command("bash", "-euo", "pipefail", "-c", script)
	run.Dir = work
	run.Env = append(m.Server.Environ(), "URL="+m.URL, "PATH="+work+":"+os.Getenv("PATH"))
	printed, err := run.CombinedOutput()
	require.NoError(t, err, "%s\n%s", script, printed)
	return string(printed)
}

// The commands of docs/logins.md take a reader from an engine without the option to a call with a token.
func TestLoginsTutorialSucceeds(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"openssl", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("the commands use " + tool + ", which is not on this machine")
		}
	}
	m := harness.Start(t).MountApisig(t)
	known := sandbox.Default()
	m.Vendor.Change(func(b *sandbox.Behaviour) {
		b.OAuthClientID, b.OAuthClientSecret = known.OAuthClientID, known.OAuthClientSecret
		b.InfinityClientID, b.InfinityAccessKey = known.InfinityClientID, known.InfinityAccessKey
	})
	printed := runDocument(t, m, "../docs/logins.md", t.TempDir())
	require.Regexp(t, `(?m)^lease_id +lab/creds/custom/orders/\w+$`, printed)
	require.Contains(t, printed, `{"orders":[]}`, "what the API answers")
	require.Contains(t, printed, `"responseText":"Success"`, "what the portal answers")
	require.NotContains(t, printed, known.OAuthClientSecret)
	require.NotContains(t, printed, known.InfinityAccessKey)
	require.Equal(t, "Iv23liEXAMPLE", m.Read("config/custom/docs").Data["client_id"])
}

// The commands of docs/schemes.md take a reader from an API's page to a signature, and from a private key to a token.
// The one that tries to get the secret out fails.
func TestSchemesTutorialSucceeds(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"openssl", "sha1sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("the commands use " + tool + ", which is not on this machine")
		}
	}
	document, err := os.ReadFile("../docs/schemes.md")
	require.NoError(t, err)
	m := harness.Start(t).MountApisig(t)
	work := t.TempDir()
	output := runDocument(t, m, "../docs/schemes.md", work)
	digest := regexp.MustCompile(`(?m)^([0-9a-f]{40})  -$`).FindStringSubmatch(output)
	require.NotEmpty(t, digest, output)
	require.Contains(t, string(document), "want: {X-Ovh-Signature: $1$"+digest[1]+"}")
	const refusal = "headers.X-Ovh-Consumer: would give the secret away: " +
		"it is a secret, in whatever encoding, until it is hashed"
	require.Contains(t, output, refusal)
	require.Contains(t, string(document), refusal)
	require.Contains(t, output, "can be extended by anyone who")
	require.Regexp(t, `(?m)^url +https://eu.api.ovh.com/1.0/me$`, output)
	require.NotContains(t, output, "an-application-secret")

	token := regexp.MustCompile(`Bearer ((\S+)\.(\S+))\.([\w-]{86})`).FindStringSubmatch(output)
	require.NotEmpty(t, token, output)
	decoded := func(part string) string {
		raw, err := base64.RawURLEncoding.DecodeString(part)
		require.NoError(t, err)
		return string(raw)
	}
	require.JSONEq(t, `{"alg": "ES256", "kid": "2X9R4HXF34", "typ": "JWT"}`, decoded(token[2]))
	require.Contains(t, decoded(token[3]), `{"iss":"57246542-96fe-1a63-e053-0824d011072a",`)
	text, err := os.ReadFile(filepath.Join(work, "AuthKey_2X9R4HXF34.p8"))
	require.NoError(t, err)
	require.NotContains(t, output, strings.Split(string(text), "\n")[1])
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	signature, signed := []byte(decoded(token[4])), sha256.Sum256([]byte(token[1]))
	require.True(t, ecdsa.Verify(&key.(*ecdsa.PrivateKey).PublicKey, signed[:], new(big.Int).SetBytes(signature[:32]),
		new(big.Int).SetBytes(signature[32:])))
}

// The README's indented commands are not run as shell blocks are, so it has only these: the demo, and the tests
// themselves.
func TestReadmeHasNoOtherCommands(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	var indented []string
	for line := range strings.Lines(shellBlock.ReplaceAllString(string(readme), "")) {
		if strings.HasPrefix(line, "    ") {
			indented = append(indented, strings.TrimSpace(line))
		}
	}
	require.Equal(t, []string{"make demo", "make test"}, indented)
}

// The README is short, and its quick start needs neither jq nor sed.
func TestReadmeIsShort(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	require.LessOrEqual(t, strings.Count(string(readme), "\n"), 150)
	require.NotRegexp(t, `\b(jq|sed)\b`, string(readme))
}

// secretFile is a command that writes a token or a secret to a file.
var secretFile = regexp.MustCompile(`(?m)^.*vault .* >+ *\S*(token|secret|role-id|jwt|headers).*$`)

// Commands that write a token or a secret to a file make it readable for its owner alone.
func TestCommandsWriteSecretsForTheirOwnerAlone(t *testing.T) {
	t.Parallel()
	found := 0
	for _, root := range []string{
		"../README.md",
		"../SECURITY.md",
		"../CONTRIBUTING.md",
		"../docs",
		"../examples",
		"../scripts",
	} {
		require.NoError(t, filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			for _, at := range secretFile.FindAllIndex(content, -1) {
				block := content[:at[0]]
				block = block[max(strings.LastIndex(string(block), "\n\n"), 0):]
				if !strings.Contains(string(block), "umask 077") {
					t.Errorf("%s: no umask before %s", path, content[at[0]:at[1]])
				}
				found++
			}
			return nil
		}))
	}
	require.Equal(t, 5, found)
}

var (
	link       = regexp.MustCompile(`\]\(([^)#]*)(?:#([^)]*))?\)`)
	heading    = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notInNames = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// Every relative link of a document leads to a file, and to a heading of it, and no document is left unlinked.
func TestDocumentsLinkToFiles(t *testing.T) {
	t.Parallel()
	documents, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	linked := map[string]bool{}
	for _, document := range append(documents,
		"../README.md", "../CONTRIBUTING.md", "../SECURITY.md", "../CHANGELOG.md", "../schemes/README.md") {
		content, err := os.ReadFile(document)
		require.NoError(t, err)
		for _, found := range link.FindAllStringSubmatch(string(content), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			target := document
			if found[1] != "" {
				target = filepath.Join(filepath.Dir(document), found[1])
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which does not exist", document, found[1])
			} else if found[2] != "" && !slices.Contains(headings(t, target), found[2]) {
				t.Errorf("%s links to #%s, which %s does not have", document, found[2], target)
			}
			linked[target] = linked[target] || target != document
		}
	}
	for _, document := range documents {
		if !linked[document] {
			t.Errorf("nothing links to %s", document)
		}
	}
}

// headings are the names of a document's headings in links, as GitHub makes them.
func headings(t *testing.T, document string) (names []string) {
	t.Helper()
	content, err := os.ReadFile(document)
	require.NoError(t, err)
	for _, found := range heading.FindAllStringSubmatch(string(content), -1) {
		text := strings.ToLower(html.UnescapeString(found[1]))
		names = append(names, strings.ReplaceAll(notInNames.ReplaceAllString(text, ""), " ", "-"))
	}
	return names
}

var (
	testName    = regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	testFunc    = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	notFilledIn = regexp.MustCompile(`\| [A-Z]+ \|`)
)

// Each row of docs/reliability.md and of SECURITY.md's threat model names a test, and that test exists in some package.
func TestDocumentsNameExistingTests(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{}
	require.NoError(t, filepath.WalkDir("..", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, found := range testFunc.FindAllSubmatch(source, -1) {
			tests[string(found[1])] = true
		}
		return err
	}))
	for document, least := range map[string]int{
		"../docs/reliability.md": 30,
		"../SECURITY.md":         15,
	} {
		t.Run(filepath.Base(document), func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(document)
			require.NoError(t, err)
			rows := 0
			for line := range strings.Lines(string(content)) {
				head := strings.HasPrefix(line, "| fault |") || strings.HasPrefix(line, "| who |")
				if head || !strings.HasPrefix(line, "| ") {
					continue
				}
				rows++
				if notFilledIn.MatchString(line) {
					t.Errorf("a figure is not filled in: %s", line)
				}
				named := testName.FindAllStringSubmatch(line, -1)
				if len(named) == 0 {
					t.Errorf("no test is named: %s", line)
				}
				for _, name := range named {
					if !tests[name[1]] {
						t.Errorf("there is no test %s: %s", name[1], line)
					}
				}
			}
			require.GreaterOrEqual(t, rows, least)
		})
	}
}

// The scripts print what a variable names, else the program on the PATH, else build one.
func TestProgramsAreBuiltOnce(t *testing.T) {
	t.Parallel()
	for program, test := range map[string]struct {
		variable string
		command  []string
	}{
		"vault":      {"VAULT_BIN", []string{"../scripts/vault-bin"}},
		"bao":        {"BAO_BIN", []string{"../scripts/vault-bin", "openbao"}},
		"prometheus": {"PROMETHEUS_BIN", []string{"../scripts/prometheus-bin", "prometheus"}},
		"promtool":   {"PROMTOOL_BIN", []string{"../scripts/prometheus-bin", "promtool"}},
	} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			requireBuildsOnce(t, program, test.variable, test.command)
		})
	}
}

// requireBuildsOnce requires that a script builds a program once, even if several processes ask at the same time, and
// that a failed build leaves nothing behind. A fake go command stands in for the build, which takes minutes.
func requireBuildsOnce(t *testing.T, program, variable string, command []string) {
	t.Helper()
	directory := t.TempDir()
	bin := filepath.Join(directory, "bin")
	require.NoError(t, os.Mkdir(bin, 0o700))
	executable := func(path, content string) {
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+content), 0o700))
	}
	executable(filepath.Join(bin, "go"), `
		case "$1 $2" in
		"list -m") echo v1.2.3 ;;
		"env GOOS") echo plan9 ;;
		"env GOARCH") echo mips ;;
		"build -trimpath")
			[ ! -e "$FAIL" ] || exit 1
			while [ "$1" != -o ]; do shift; done
			echo built >>"$COUNT"
			for part in a b c d e f g h; do printf $part >>"$2"; done ;;
		*) exit 1 ;;
		esac`)
	count, fail := filepath.Join(directory, "count"), filepath.Join(directory, "fail")
	cache := filepath.Join(directory, "cache")
	find := func(environ ...string) (string, error) {
		run := harness.Command(command[0], command[1:]...)
		run.Env = append([]string{
			"PATH=" + bin + ":/usr/bin:/bin", "XDG_CACHE_HOME=" + cache, "COUNT=" + count, "FAIL=" + fail,
		}, environ...)
		printed, err := run.Output()
		return strings.TrimSpace(string(printed)), err
	}

	require.NoError(t, os.WriteFile(fail, nil, 0o600))
	_, err := find()
	require.Error(t, err)
	left, err := filepath.Glob(filepath.Join(cache, "vault-plugin-apisig", program+"*"))
	require.NoError(t, err)
	require.Empty(t, left, "a build that fails leaves nothing behind")
	require.NoError(t, os.Remove(fail))

	var finders sync.WaitGroup
	want := filepath.Join(cache, "vault-plugin-apisig", program+"-v1.2.3-plan9-mips")
	for range 8 {
		finders.Go(func() {
			found, err := find()
			if err != nil || found != want {
				t.Errorf("%s: %v", found, err)
			}
		})
	}
	finders.Wait()
	built, err := os.ReadFile(want)
	require.NoError(t, err)
	require.Equal(t, "abcdefgh", string(built))
	builds, err := os.ReadFile(count)
	require.NoError(t, err)
	if _, err := exec.LookPath("flock"); err == nil {
		require.Equal(t, "built\n", string(builds))
	}

	executable(filepath.Join(bin, program), "")
	found, err := find()
	require.NoError(t, err)
	require.Equal(t, filepath.Join(bin, program), found)
	executable(filepath.Join(directory, "another"), "")
	found, err = find(variable + "=" + filepath.Join(directory, "another"))
	require.NoError(t, err)
	require.Equal(t, filepath.Join(directory, "another"), found)
	_, err = find(variable + "=" + filepath.Join(directory, "none"))
	require.Error(t, err)
}
