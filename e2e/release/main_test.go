// Package release tests the files of a release, in the folder that RELEASE_DIST names: make release-check. Nothing of
// the plugin is built for it, except an earlier version to upgrade from. Without RELEASE_DIST only what needs no
// release is tested.
package release

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// release is a folder with a release's files.
type release struct {
	directory, version string
	sums               map[string]string // published, by the file's name
}

// findRelease is the release under test.
func findRelease(t *testing.T) release {
	t.Helper()
	found := release{os.Getenv("RELEASE_DIST"), os.Getenv("RELEASE_VERSION"), map[string]string{}}
	if found.directory == "" {
		t.Skip("make release-check tests the files of a release")
	}
	sums, err := os.ReadFile(filepath.Join(found.directory, "SHA256SUMS"))
	require.NoError(t, err)
	for line := range strings.Lines(string(sums)) {
		sum, name, is := strings.Cut(strings.TrimSpace(line), "  ")
		require.True(t, is, line)
		found.sums[name] = sum
	}
	return found
}

// plugin is the name of the plugin's file for this machine.
func (r release) plugin() string {
	return harness.PluginName + "_" + r.version + "_" + runtime.GOOS + "_" + runtime.GOARCH
}

// copyTo copies the release's files into a folder, as a download does: no file can be executed.
func (r release) copyTo(t *testing.T, directory string) {
	t.Helper()
	for name := range r.sums {
		content, err := os.ReadFile(filepath.Join(r.directory, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(directory, name), content, 0o600))
	}
	sums, err := os.ReadFile(filepath.Join(r.directory, "SHA256SUMS"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(directory, "SHA256SUMS"), sums, 0o600))
}
