package release

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/backend"
	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// The steps of the demo succeed with the released binary, registered by its published sha256.
func TestReleasedBinaryRunsTheDemo(t *testing.T) {
	t.Parallel()
	r := findRelease(t)
	harness.Run(t, harness.GoBuild("bin/apisig-sandbox", "./cmd/apisig-sandbox"))
	demo := harness.Command(harness.Path("scripts/demo"))
	demo.Env = append(os.Environ(),
		"DEMO_PLUGIN="+filepath.Join(r.directory, r.plugin()),
		"DEMO_SHA256="+r.sums[r.plugin()],
		"DEMO_VERSION="+r.version,
	)
	printed := harness.Run(t, demo)
	require.Contains(t, printed, "vault plugin register -sha256="+r.sums[r.plugin()]+" -version="+r.version)
	require.Contains(t, printed, "Every call got the expected answer.")
}

var (
	section    = regexp.MustCompile(`(?m)^## (.*)$`)
	shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")
)

// commands are the shell commands of a section of docs/install.md, block by block.
func commands(t *testing.T, title string) (blocks []string) {
	t.Helper()
	document, err := os.ReadFile(harness.Path("docs/install.md"))
	require.NoError(t, err)
	text := string(document)
	for _, at := range section.FindAllStringSubmatchIndex(text, -1) {
		if text[at[2]:at[3]] != title {
			continue
		}
		body := text[at[1]:]
		if next := section.FindStringIndex(body); next != nil {
			body = body[:next[0]]
		}
		for _, block := range shellBlock.FindAllStringSubmatch(body, -1) {
			blocks = append(blocks, block[1])
		}
	}
	require.NotEmpty(t, blocks, title)
	return blocks
}

// newcomer runs commands of docs/install.md as someone who has the release's files, a Vault server and its command, and
// no clone.
type newcomer struct {
	release
	server    *harness.Server
	directory string // with the release's files
	bin       string // with vault
}

func newNewcomer(t *testing.T) newcomer {
	t.Helper()
	r := findRelease(t)
	for _, tool := range []string{"bash", "sha256sum", "install"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("docs/install.md uses " + tool + ", which is not on this machine")
		}
	}
	n := newcomer{r, harness.StartQuiet(t), t.TempDir(), t.TempDir()}
	n.copyTo(t, n.directory)
	require.NoError(t, os.Symlink(n.server.Binary, filepath.Join(n.bin, "vault")))
	return n
}

// run runs the commands for this machine's platform and the release's version, and returns what they print.
func (n newcomer) run(t *testing.T, blocks []string, environ ...string) (string, error) {
	t.Helper()
	script := strings.Join(blocks, "")
	require.Contains(t, script, "VERSION="+backend.Version+"\nPLUGIN="+harness.PluginName+"_${VERSION}_linux_amd64\n")
	script = strings.Replace(script, "VERSION="+backend.Version, "VERSION="+n.version, 1)
	script = strings.Replace(script, harness.PluginName+"_${VERSION}_linux_amd64", n.plugin(), 1)
	run := harness.Command("bash", "-euo", "pipefail", "-c", script)
	run.Dir = n.directory
	run.Env = append(n.server.Environ(), "PLUGIN_DIRECTORY="+n.server.Plugins(), "PATH="+n.bin+":"+os.Getenv("PATH"))
	run.Env = append(run.Env, environ...)
	printed, err := run.CombinedOutput()
	return string(printed), err
}

// Someone who has only the release and docs/install.md gets a mounted engine, whose headers the vendors accept.
func TestInstallFromReleaseByDocument(t *testing.T) {
	t.Parallel()
	n := newNewcomer(t)
	printed, err := n.run(t, commands(t, "Install"))
	require.NoError(t, err, printed)
	require.Contains(t, printed, n.plugin()+": OK\n")
	// Without a terminal, vault prints no newline after a field.
	require.Contains(t, printed, "\n"+n.version+n.sums[n.plugin()])
	require.True(t, strings.HasSuffix(printed, "\napisig_build_info{version=\""+n.version+"\"} 1\n"), printed)

	m := n.server.Unmounted(t, "apisig")
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	require.Equal(t, http.StatusOK, m.Call(m.URL+"/v1/sessions", m.Read("creds/pave/main").Data["headers"]))
	signed := m.Read("sign/avanan/us", "request_string", "/v1.0/scopes").Data
	require.Equal(t, http.StatusOK, m.Call(signed["url"].(string), signed["headers"]))
}

// A damaged download ends the installation before anything is copied.
func TestDamagedReleaseIsNotInstalled(t *testing.T) {
	t.Parallel()
	n := newNewcomer(t)
	file, err := os.OpenFile(filepath.Join(n.directory, n.plugin()), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString("x")
	require.NoError(t, err)
	require.NoError(t, file.Close())
	printed, err := n.run(t, commands(t, "Install"))
	require.Error(t, err)
	require.Contains(t, printed, n.plugin()+": FAILED\n")
	require.NoFileExists(t, filepath.Join(n.server.Plugins(), n.plugin()))
}

// The commands for upgrades lead from an earlier version to the release and back. Configs, and leases of both, keep
// working.
func TestUpgradeToReleaseAndBackByDocument(t *testing.T) {
	t.Parallel()
	const before = "v0.0.9"
	n := newNewcomer(t)
	require.NoError(t, os.Rename(harness.PluginOf(t, before), filepath.Join(n.server.Plugins(), "before")))
	require.NoError(t, n.server.Register(harness.PluginName, "before", before))
	m := n.server.Unmounted(t, "apisig")
	m.Enable(harness.PluginName, before)
	m.Write("config/avanan/us", m.AvananValues())
	old := m.Read("creds/avanan/us")

	// All but the last two blocks, which enable the engine and look at it.
	install, upgrade := commands(t, "Install"), commands(t, "Upgrade and go back")
	require.Contains(t, install[3], "vault secrets enable")
	require.Len(t, install, 5)
	require.Len(t, upgrade, 2)
	printed, err := n.run(t, slices.Concat(install[:3], upgrade[:1]))
	require.NoError(t, err, printed)
	require.True(t, strings.HasSuffix(printed, "\n"+n.version), printed)
	renewed := m.Read("creds/avanan/us")
	require.NoError(t, m.Client.Sys().RevokeWithContext(t.Context(), old.LeaseID))

	printed, err = n.run(t, slices.Concat(install[:1], upgrade[1:]), "BEFORE="+before)
	require.NoError(t, err, printed)
	require.True(t, strings.HasSuffix(printed, "\n"+before), printed)
	require.NoError(t, m.Client.Sys().RevokeWithContext(t.Context(), renewed.LeaseID))
	signed := m.Read("sign/avanan/us", "request_string", "/v1.0/scopes")
	require.Equal(t, http.StatusOK, m.Call(m.URL+"/v1.0/scopes", signed.Data["headers"]))
}

// helmValues are the parts of the Helm chart's values that install the plugin.
type helmValues struct {
	Server struct {
		ExtraInitContainers []struct {
			Command, Args []string
			WorkingDir    string      `yaml:"workingDir"`
			VolumeMounts  []helmMount `yaml:"volumeMounts"`
		} `yaml:"extraInitContainers"`
		Volumes      []struct{ Name string }
		VolumeMounts []helmMount `yaml:"volumeMounts"`
		HA           struct{ Raft struct{ Config string } }
	}
}

type helmMount struct {
	Name      string
	MountPath string `yaml:"mountPath"`
}

// The init container of the Helm chart's values downloads what its list of sums names, and fails where a sum is
// another.
func TestHelmInitContainerInstallsAndVerifies(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(harness.Path("examples/operator/vault-helm-values.yml"))
	require.NoError(t, err)
	var values helmValues
	require.NoError(t, yaml.Unmarshal(content, &values))
	require.Len(t, values.Server.ExtraInitContainers, 1)
	container := values.Server.ExtraInitContainers[0]
	plugins := []helmMount{{values.Server.Volumes[0].Name, container.WorkingDir}}
	require.Equal(t, plugins, container.VolumeMounts)
	require.Equal(t, plugins, values.Server.VolumeMounts)
	require.Contains(t, values.Server.HA.Raft.Config, "plugin_directory = \""+container.WorkingDir+"\"\n")
	require.Contains(t, string(content), harness.PluginName+"_"+backend.Version+"_linux_amd64")
	for _, tool := range []string{"wget", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("the init container uses " + tool + ", which is not on this machine")
		}
	}

	downloads := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.TrimPrefix(r.URL.Path, "/apisig/"))
	}))
	t.Cleanup(downloads.Close)
	start := func(sums string) (directory string, err error) {
		directory = t.TempDir()
		run := harness.Command(container.Command[0], append(container.Command[1:], container.Args...)...)
		run.Dir = directory
		run.Env = append(os.Environ(), "no_proxy=*", "URL="+downloads.URL+"/apisig", "SUMS="+sums)
		printed, err := run.CombinedOutput()
		t.Logf("%s", printed)
		return directory, err
	}
	// sha256sum of "a" and of "b", without a newline.
	const a = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a\n"
	const b = "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  b\n"
	directory, err := start(a + b)
	require.NoError(t, err)
	for _, name := range []string{"a", "b"} {
		info, err := os.Stat(filepath.Join(directory, name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o755), info.Mode())
	}
	_, err = start(a + strings.Replace(b, "3e", "3f", 1))
	require.Error(t, err)
}
