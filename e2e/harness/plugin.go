package harness

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"
)

// PluginName is the name of the plugin's file, and the one that it is registered with.
const PluginName = "vault-plugin-apisig"

// buildPlugin builds the plugin once for a package's tests.
var buildPlugin = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(room.directory, PluginName)
	build := GoBuild(binary, "./cmd/vault-plugin-apisig")
	if printed, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the plugin: %w\n%s", err, printed)
	}
	return binary, nil
})

// Plugin is the path of the built plugin.
func Plugin(t *testing.T) string {
	t.Helper()
	binary, err := buildPlugin()
	require.NoError(t, err)
	return binary
}

// PluginOf builds the plugin as another version and returns its path.
func PluginOf(t *testing.T, version string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), PluginName)
	Run(t, GoBuild(binary, "./cmd/vault-plugin-apisig", AsVersion(version)...))
	return binary
}

// AsVersion are the flags of go build that set the version of the plugin.
func AsVersion(version string) []string {
	return []string{"-ldflags", "-X github.com/apisig/vault-plugin-apisig/backend.Version=" + version}
}

// AddPlugin puts the built plugin into Vault's plugin directory.
func (v *Server) AddPlugin() error {
	binary, err := buildPlugin()
	if err != nil {
		return err
	}
	return os.Link(binary, filepath.Join(v.Plugins(), PluginName))
}

// Register puts a file of the plugin directory into Vault's catalog. Vault runs one process for each name.
func (v *Server) Register(name, file, version string) error {
	binary, err := os.ReadFile(filepath.Join(v.Plugins(), file))
	if err != nil {
		return err
	}
	return v.Client.Sys().RegisterPlugin(&api.RegisterPluginInput{
		Name:    name,
		Type:    api.PluginTypeSecrets,
		Command: file,
		Version: version,
		SHA256:  fmt.Sprintf("%x", sha256.Sum256(binary)),
	})
}
