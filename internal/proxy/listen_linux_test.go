package proxy

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A socket is made with its mode: nothing changes the mode afterwards, so that it never has another one.
func TestSocketsModeIsNotChangedAfterwards(t *testing.T) { //nolint:paralleltest // the umask is the process's
	directory := t.TempDir()
	watch, err := syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Close(watch) })
	_, err = syscall.InotifyAddWatch(watch, directory, syscall.IN_CREATE|syscall.IN_ATTRIB)
	require.NoError(t, err)
	listener, err := Listen(Address{Socket: filepath.Join(directory, "s"), Mode: 0o660})
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	events := make([]byte, 4<<10)
	read, err := syscall.Read(watch, events)
	require.NoError(t, err)
	const name = 16 // bytes: "s", and zeros
	require.Equal(t, syscall.SizeofInotifyEvent+name, read, "one event: the socket is made")
}
