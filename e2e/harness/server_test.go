package harness

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// failVariable says how TestFailingCluster fails.
const failVariable = "APISIG_E2E_FAIL"

// A raft cluster that fails to start leaves no server behind, whatever ends the tests.
func TestNoServerIsLeftBehind(t *testing.T) {
	t.Parallel()
	NeedsProc(t)
	for _, how := range []string{"failure", "hanging server", "killed tests"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			printed, err := runFailing(directory, how)
			require.Error(t, err)
			require.Contains(t, printed, "a server runs")
			require.Equal(t, how == "hanging server", bytes.Contains([]byte(printed), []byte("did not stop and was killed")))
			Eventually(t, func() bool { return len(processesWith(directory)) == 0 }, "the end of the server")
		})
	}
}

// A server that ends at once, because its port is taken for example, is not waited for.
func TestServerThatEndsIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	program := filepath.Join(directory, "vault")
	const script = "#!/bin/sh\n[ $1 = version ] && exec echo Vault v1.21.1\necho address already in use\n"
	require.NoError(t, os.WriteFile(program, []byte(script), 0o700))
	printed, err := runFailing(directory, "cluster", "VAULT_BIN="+program)
	require.Error(t, err)
	require.Contains(t, printed, "Vault has ended")
	require.Contains(t, printed, "address already in use")
}

// runFailing runs TestFailingCluster with its files in a directory.
func runFailing(directory, how string, environment ...string) (string, error) {
	run := Command(os.Args[0], "-test.run=^TestFailingCluster$", "-test.v", "-test.timeout=1m")
	run.Env = append(append(os.Environ(), failVariable+"="+how, "TMPDIR="+directory), environment...)
	printed, err := run.CombinedOutput()
	return string(printed), err
}

// TestFailingCluster is for the tests above.
func TestFailingCluster(t *testing.T) {
	t.Parallel()
	how := os.Getenv(failVariable)
	if how == "" {
		t.Skip("it fails, for other tests to look at what it leaves behind")
	}
	if how == "cluster" {
		StartRaft(t)
	}
	server := launchRaft(t, "one", nil)
	require.NotEmpty(t, processesWith(server.directory))
	t.Log("a server runs")
	switch how {
	case "hanging server":
		stopsWithin = time.Second
		// An interrupt kills even a stopped process before Go's runtime handles it.
		Eventually(t, func() bool { log, _ := os.ReadFile(server.logFile()); return len(log) > 0 }, "the server's first line")
		require.NoError(t, server.process.Signal(syscall.SIGSTOP))
	case "killed tests":
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGKILL))
	}
	t.FailNow()
}

// processesWith are the folders under /proc of the processes whose command line names a directory.
func processesWith(directory string) []string {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	var processes []string
	for _, line := range lines {
		if arguments, err := os.ReadFile(line); err == nil && bytes.Contains(arguments, []byte(directory)) {
			processes = append(processes, filepath.Dir(line))
		}
	}
	return processes
}
