package harness

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// NeedsProc skips a test on a system that does not show its processes.
func NeedsProc(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/proc/self/exe"); err != nil {
		t.Skip("this system has no /proc to look at the plugin's process in")
	}
}

// PluginProcesses are the folders under /proc of the plugin's processes. There are none where there is no /proc.
func PluginProcesses(server *Server) []string {
	return ProcessesOf(filepath.Join(server.Plugins(), PluginName))
}

// ProcessesOf are the folders under /proc of the processes that run an executable.
func ProcessesOf(executable string) []string {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	var processes []string
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == executable {
			processes = append(processes, filepath.Dir(link))
		}
	}
	return processes
}

// KillPlugin kills the plugin's process with SIGKILL.
func KillPlugin(t *testing.T, server *Server) {
	t.Helper()
	NeedsProc(t)
	processes := PluginProcesses(server)
	require.Len(t, processes, 1)
	require.NoError(t, Command("kill", "-9", filepath.Base(processes[0])).Run())
}
