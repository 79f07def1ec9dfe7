package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

const soakConnections = 64

// TestSoak is what make soak runs: mixed load from 64 connections, JWTs that live for a minute, config writes amid it, and
// the race detector in the plugin. No request fails, and once warm the plugin gets no more goroutines, open files or
// memory.
func TestSoak(t *testing.T) {
	t.Parallel()
	duration, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		t.Skip("make soak runs it: by itself, since it needs the machine, and for as long as SOAK says")
	}
	server := &vaultServer{directory: t.TempDir(), answers: &recorder{}, quiet: true}
	races := filepath.Join(server.directory, "races")
	server.environment = []string{"GORACE=log_path=" + races}
	_, err = startDev(server)
	require.NoError(t, err)
	server.stopAtEnd(t)
	buildWatched(t, server)
	require.NoError(t, server.registerPlugin(pluginName, ""))
	m := standInFor(t, server, "apisig")
	require.NoError(t, m.client.Sys().MountWithContext(t.Context(), "apisig", mountInput(pluginName, "")))
	m.vendor.Change(func(b *sandbox.Behaviour) { b.TokenLife = time.Minute })
	m.write("config/pave/main", m.paveValues())
	m.write("config/avanan/us", with(m.avananValues(), values{"min_ttl": 10}))

	m.soak(t, duration/5)
	warm := weigh(t, server)
	sent := m.soak(t, duration)
	var after weight
	eventually(t, func() bool { after = weigh(t, server); return after.goroutines <= warm.goroutines+5 }, "goroutines as after the warm-up")
	fmt.Printf("soak: %d requests in %s, %d handshakes; once warm, and after: goroutines %d, %d; open files %d, %d; "+
		"heap %d KiB, %d KiB; resident %d MiB, %d MiB\n", sent, duration, m.vendor.Handshakes(), warm.goroutines, after.goroutines,
		warm.files, after.files, warm.heapBytes>>10, after.heapBytes>>10, warm.residentKiB>>10, after.residentKiB>>10)
	require.LessOrEqual(t, after.files, warm.files+5)
	require.Less(t, float64(after.heapBytes), 1.2*float64(warm.heapBytes))
	// The race detector's own memory comes and goes.
	require.Less(t, float64(after.residentKiB), 2*float64(warm.residentKiB))
	reports, err := filepath.Glob(races + "*")
	require.NoError(t, err)
	require.Empty(t, reports, "the race detector has something to say")
}

// buildWatched builds the engine that says what it has, with the race detector where there is a C compiler,
// which that needs.
func buildWatched(t *testing.T, server *vaultServer) {
	t.Helper()
	args := []string{"build", "-o", filepath.Join(server.plugins(), pluginName)}
	cgo, err := command("go", "env", "CGO_ENABLED").Output()
	require.NoError(t, err)
	if string(bytes.TrimSpace(cgo)) == "1" {
		args = append(args, "-race")
	} else {
		fmt.Println("soak: without the race detector, which needs a C compiler")
	}
	printed, err := command("go", append(args, "./watched")...).CombinedOutput()
	require.NoError(t, err, string(printed))
}

// soak sends mixed load for a while and returns how many requests that were.
func (m *mount) soak(t *testing.T, duration time.Duration) int {
	t.Helper()
	sign := request{http.MethodPut, "apisig/sign/avanan/us", `{"request_string":"/v1.0/event/1"}`}
	mix := []request{
		{http.MethodGet, "apisig/creds/pave/main", ""},
		sign,
		{http.MethodGet, "apisig/sign/avanan/us?request_string=/v1.0/scopes", ""},
		sign,
		{http.MethodPut, "apisig/sign/avanan/us/batch", batchOf(10)},
		{http.MethodPut, "apisig/creds/pave/main", ""},
		sign,
		{http.MethodGet, "apisig/config/avanan/us", ""},
		sign,
	}
	got, err := m.server.runLoad(soakConnections, func(connection, sent int) request {
		switch n := sent*soakConnections + connection; {
		case n%50 == 0:
			return request{http.MethodGet, "apisig/creds/avanan/us", ""}
		case n%1001 == 0:
			return request{http.MethodPut, "apisig/config/avanan/us", fmt.Sprintf(`{"min_ttl":%d}`, 5+n%10)}
		case n%1003 == 0:
			return request{http.MethodPut, "apisig/config/pave/main", fmt.Sprintf(`{"ttl":%d}`, 100+n%10)}
		default:
			return mix[n%len(mix)]
		}
	}, until(duration))
	require.NoError(t, err)
	return len(got.latencies)
}

// weight is what a process has of the machine.
type weight struct{ goroutines, heapBytes, files, residentKiB int }

func weigh(t *testing.T, server *vaultServer) weight {
	t.Helper()
	processes := pluginProcesses(server)
	if len(processes) == 0 {
		t.Skip("this system has no /proc to find the plugin's process in")
	}
	files, err := os.ReadDir(filepath.Join(processes[0], "fd"))
	require.NoError(t, err)
	report := filepath.Join(server.plugins(), pluginName+".watched")
	_ = os.Remove(report)
	require.NoError(t, command("kill", "-USR1", filepath.Base(processes[0])).Run())
	w := weight{files: len(files), residentKiB: residentKiB(t, server)}
	eventually(t, func() bool {
		content, _ := os.ReadFile(report)
		_, err := fmt.Sscanln(string(content), &w.goroutines, &w.heapBytes)
		return err == nil && bytes.HasSuffix(content, []byte("\n"))
	}, "the plugin's word on itself")
	return w
}
