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

// raced is the plugin built with the race detector, which has memory of its own that grows: so the same load goes to the
// plugin built as it is used, too, whose memory is looked at.
const raced = pluginName + "-raced"

// TestSoak is what make soak runs: mixed load from 64 connections, JWTs that live for three minutes, and config writes amid it.
// No request fails, the race detector finds nothing, and once warm the plugin gets no more goroutines, open files or
// memory.
func TestSoak(t *testing.T) {
	t.Parallel()
	duration, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		t.Skip("make soak runs it: by itself, since it needs the machine, and for as long as SOAK says")
	}
	needsProc(t)
	server := &vaultServer{directory: t.TempDir(), answers: &recorder{}, quiet: true}
	races := filepath.Join(server.directory, "races")
	server.environment = []string{"GORACE=log_path=" + races}
	_, err = startDev(server)
	require.NoError(t, err)
	server.stopAtEnd(t)
	var mounts []*mount
	for _, plugin := range []string{pluginName, raced} {
		buildWatched(t, server, plugin)
		require.NoError(t, server.registerBinary(plugin, plugin, ""))
		m := standInFor(t, server, plugin)
		require.NoError(t, m.client.Sys().MountWithContext(t.Context(), plugin, mountInput(plugin, "")))
		m.vendor.Change(func(b *sandbox.Behaviour) { b.TokenLife = 3 * time.Minute })
		m.write("config/pave/main", m.paveValues())
		m.write("config/avanan/us", with(m.avananValues(), values{"min_ttl": 10}))
		mounts = append(mounts, m)
	}

	soak(t, mounts, duration/5)
	warm := []weight{weigh(t, server, pluginName), weigh(t, server, raced)}
	sent := soak(t, mounts, duration)
	fmt.Printf("soak: %d requests in %s\n", sent, duration)
	for i, m := range mounts {
		var after weight
		eventually(t, func() bool {
			after = weigh(t, server, m.path)
			return after.goroutines <= warm[i].goroutines+5
		}, "goroutines as once warm")
		fmt.Printf("soak: %s: %d handshakes; once warm: %s; after: %s\n", m.path, m.vendor.Handshakes(), warm[i], after)
		require.LessOrEqual(t, after.files, warm[i].files+5)
		require.Less(t, float64(after.heapKiB), 1.2*float64(warm[i].heapKiB))
		if m.path == pluginName {
			require.Less(t, float64(after.residentKiB), 1.2*float64(warm[i].residentKiB))
		}
	}
	reports, err := filepath.Glob(races + "*")
	require.NoError(t, err)
	require.Empty(t, reports, "the race detector has something to say")
}

// buildWatched builds the engine that says what it has, and raced with the race detector where there is a C compiler,
// which that needs.
func buildWatched(t *testing.T, server *vaultServer, name string) {
	t.Helper()
	args := []string{"build", "-o", filepath.Join(server.plugins(), name)}
	cgo, err := command("go", "env", "CGO_ENABLED").Output()
	require.NoError(t, err)
	switch {
	case name == raced && string(bytes.TrimSpace(cgo)) == "1":
		args = append(args, "-race")
	case name == raced:
		fmt.Println("soak: without the race detector, which needs a C compiler")
	}
	printed, err := command("go", append(args, "./watched")...).CombinedOutput()
	require.NoError(t, err, string(printed))
}

// soak sends mixed load to two mounts for a while and returns how many requests that were.
func soak(t *testing.T, mounts []*mount, duration time.Duration) int {
	t.Helper()
	sign := request{http.MethodPut, "sign/avanan/us", `{"request_string":"/v1.0/event/1"}`}
	mix := []request{
		{http.MethodGet, "creds/pave/main", ""},
		sign,
		{http.MethodGet, "sign/avanan/us?request_string=/v1.0/scopes", ""},
		sign,
		{http.MethodPut, "sign/avanan/us/batch", batchOf(10)},
		{http.MethodPut, "creds/pave/main", ""},
		sign,
		{http.MethodGet, "config/avanan/us", ""},
		sign,
	}
	got, err := mounts[0].server.runLoad(soakConnections, func(connection, sent int) request {
		n := sent*soakConnections + connection
		r := mix[n%len(mix)]
		switch {
		case n%50 == 0:
			r = request{http.MethodGet, "creds/avanan/us", ""}
		case n%1001 == 0:
			r = request{http.MethodPut, "config/avanan/us", fmt.Sprintf(`{"min_ttl":%d}`, 5+n%10)}
		case n%1003 == 0:
			r = request{http.MethodPut, "config/pave/main", fmt.Sprintf(`{"ttl":%d}`, 100+n%10)}
		}
		r.path = mounts[sent%2].path + "/" + r.path
		return r
	}, until(duration))
	require.NoError(t, err)
	return len(got.latencies)
}

// weight is what a process has of the machine.
type weight struct{ goroutines, heapKiB, files, residentKiB int }

func (w weight) String() string {
	return fmt.Sprintf("%d goroutines, %d open files, %d KiB of heap, %d MiB resident", w.goroutines, w.files, w.heapKiB, w.residentKiB>>10)
}

func weigh(t *testing.T, server *vaultServer, plugin string) weight {
	t.Helper()
	executable := filepath.Join(server.plugins(), plugin)
	processes := processesOf(executable)
	require.Len(t, processes, 1)
	files, err := os.ReadDir(filepath.Join(processes[0], "fd"))
	require.NoError(t, err)
	report := executable + ".watched"
	_ = os.Remove(report)
	require.NoError(t, command("kill", "-USR1", filepath.Base(processes[0])).Run())
	w := weight{files: len(files), residentKiB: residentKiB(t, processes[0])}
	eventually(t, func() bool {
		content, _ := os.ReadFile(report)
		_, err := fmt.Sscanln(string(content), &w.goroutines, &w.heapKiB)
		return err == nil && bytes.HasSuffix(content, []byte("\n"))
	}, "the plugin's word on itself")
	return w
}
