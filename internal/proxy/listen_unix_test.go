//go:build !windows

package proxy

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A socket has its mode from the beginning, and the process its umask back.
func TestSocketIsMadeWithItsMode(t *testing.T) { //nolint:paralleltest // the umask is the process's
	before := syscall.Umask(0o022)
	t.Cleanup(func() { syscall.Umask(before) })
	for _, mode := range []os.FileMode{0o600, 0o660, 0o666} {
		path := filepath.Join(t.TempDir(), "s")
		listener, err := Listen(Address{Socket: path, Mode: mode})
		require.NoError(t, err)
		info, err := os.Lstat(path)
		require.NoError(t, err)
		require.Equal(t, mode|os.ModeSocket, info.Mode())
		require.Nil(t, hostsOf(listener))
		require.NoError(t, listener.Close())
		require.NoFileExists(t, path)
		require.Equal(t, 0o022, syscall.Umask(0o022))
	}
}

// A socket that a process left behind is replaced. A file, and a socket on which somebody answers, are not.
func TestOnlyStaleSocketsAreReplaced(t *testing.T) { //nolint:paralleltest // the umask is the process's
	directory := t.TempDir()
	stale := filepath.Join(directory, "stale")
	left, err := net.Listen("unix", stale)
	require.NoError(t, err)
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, left.Close())
	listener, err := Listen(Address{Socket: stale, Mode: 0o600})
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })

	_, err = Listen(Address{Socket: stale, Mode: 0o600})
	require.ErrorContains(t, err, "is in use by another process")
	connection, err := net.Dial("unix", stale)
	require.NoError(t, err, "the first still listens")
	require.NoError(t, connection.Close())

	file := filepath.Join(directory, "file")
	require.NoError(t, os.WriteFile(file, []byte("content"), 0o600))
	link := filepath.Join(directory, "link")
	require.NoError(t, os.Symlink(stale, link))
	for _, path := range []string{file, link, directory} {
		_, err = Listen(Address{Socket: path, Mode: 0o600})
		require.ErrorContains(t, err, "is not a socket")
	}
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "content", string(content))
}
