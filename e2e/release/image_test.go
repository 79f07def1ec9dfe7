package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/vault/sdk/helper/pluginutil"
	"github.com/hashicorp/vault/sdk/plugin"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// Programs start from the images alone: as the image's user, by its entry point, with no file that is not in it. Their
// files are the released ones, and the plugin serves as it would in a container of Vault's.
func TestImagesStartAsTheirUserWithNothingElse(t *testing.T) {
	t.Parallel()
	r := findRelease(t)
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("only root of a Linux machine can start a program with an image's files alone")
	}
	for _, program := range []string{harness.PluginName, "apisig-proxy"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			entrypoint, user := unpackImage(t, filepath.Join(r.directory, program+"_"+r.version+"_oci.tar"), root)
			require.Equal(t, []string{"/" + program}, entrypoint)
			binary, err := os.ReadFile(filepath.Join(root, program))
			require.NoError(t, err)
			require.Equal(t, r.sums[program+"_"+r.version+"_linux_"+runtime.GOARCH], fmt.Sprintf("%x", sha256.Sum256(binary)))

			user, group, is := strings.Cut(user, ":")
			require.True(t, is)
			uid, gid := number(t, user), number(t, group)
			inImage := func(args []string, environ ...string) *exec.Cmd {
				start := harness.Command(entrypoint[0], args...)
				// Not nil, which would be the environment of the test.
				start.Dir, start.Env = "/", append([]string{}, environ...)
				start.SysProcAttr = &syscall.SysProcAttr{
					Chroot:     root,
					Credential: &syscall.Credential{Uid: uid, Gid: gid},
				}
				return start
			}
			require.Equal(t, r.version+"\n", harness.Run(t, inImage([]string{"-version"})))
			if program == harness.PluginName {
				requireServes(t, inImage, root, int(uid), int(gid))
			}
		})
	}
}

// requireServes starts the plugin with the environment that Vault gives to containers, and the folder that it mounts
// into them. The plugin must offer a socket there.
func requireServes(t *testing.T, inImage func(args []string, environ ...string) *exec.Cmd, root string, uid, gid int) {
	t.Helper()
	const sockets = "/tmp/go-plugin-container"
	require.NoError(t, os.MkdirAll(filepath.Join(root, sockets), 0o755))
	require.NoError(t, os.Chown(filepath.Join(root, sockets), uid, gid))
	handshake := plugin.HandshakeConfig
	line := harness.FirstLine(t, inImage(nil,
		handshake.MagicCookieKey+"="+handshake.MagicCookieValue,
		"PLUGIN_PROTOCOL_VERSIONS=5",
		"PLUGIN_MULTIPLEX_GRPC=true",
		"PLUGIN_UNIX_SOCKET_DIR="+sockets,
		pluginutil.PluginAutoMTLSEnv+"=true",
	))
	require.True(t, strings.HasPrefix(line, "1|5|unix|"+sockets+"/"), line)
	_, socket, _ := strings.Cut(line, sockets)
	socket, _, _ = strings.Cut(socket, "|")
	info, err := os.Stat(filepath.Join(root, sockets, socket))
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSocket)
}

func number(t *testing.T, text string) uint32 {
	t.Helper()
	parsed, err := strconv.ParseUint(text, 10, 32)
	require.NoError(t, err)
	require.NotZero(t, parsed, "the image's user is root")
	return uint32(parsed)
}

// unpackImage unpacks the image for this machine's architecture from an OCI layout in a tar, and returns its entry
// point and user.
func unpackImage(t *testing.T, file, root string) (entrypoint []string, user string) {
	t.Helper()
	layout, err := os.ReadFile(file)
	require.NoError(t, err)
	files := untar(t, bytes.NewReader(layout))
	type descriptor struct {
		Digest   string
		Platform struct{ Architecture string }
	}
	var index struct{ Manifests []descriptor }
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	var config struct {
		Config struct {
			Entrypoint []string
			User       string
		}
	}
	blob := func(from descriptor) []byte { return files["blobs/"+strings.Replace(from.Digest, ":", "/", 1)] }
	require.NoError(t, json.Unmarshal(files["index.json"], &index))
	require.Len(t, index.Manifests, 1)
	top := index.Manifests[0]
	index.Manifests = nil
	require.NoError(t, json.Unmarshal(blob(top), &index))
	for _, platform := range index.Manifests {
		if platform.Platform.Architecture == runtime.GOARCH {
			require.NoError(t, json.Unmarshal(blob(platform), &manifest))
		}
	}
	require.NoError(t, json.Unmarshal(blob(manifest.Config), &config))
	for _, layer := range manifest.Layers {
		unzipped, err := gzip.NewReader(bytes.NewReader(blob(layer)))
		require.NoError(t, err)
		for name, content := range untar(t, unzipped) {
			path := filepath.Join(root, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, content, 0o755))
		}
	}
	return config.Config.Entrypoint, config.Config.User
}

// untar returns the plain files of a tar.
func untar(t *testing.T, archive io.Reader) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for reader := tar.NewReader(archive); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(t, err)
		if header.Typeflag == tar.TypeReg {
			files[header.Name], err = io.ReadAll(reader)
			require.NoError(t, err)
		}
	}
}
