package load

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

const soakConnections = 64

// raced is the plugin built with the race detector. The detector's own memory grows, so the same load also goes to the
// plugin as it is released, whose memory is measured.
const raced = harness.PluginName + "-raced"

// TestSoak is run by make soak: mixed load over 64 connections, with config writes and JWTs that live for three
// minutes. No request fails, the race detector finds nothing, and once warm the plugin's goroutines, open files and
// memory do not grow.
func TestSoak(t *testing.T) {
	t.Parallel()
	duration, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		t.Skip("run it with make soak: it needs the machine for itself, for as long as SOAK says")
	}
	harness.NeedsProc(t)
	races := filepath.Join(t.TempDir(), "races")
	server := harness.StartQuiet(t, "GORACE=log_path="+races)
	var mounts []*harness.Mount
	for _, plugin := range []string{harness.PluginName, raced} {
		buildWatched(t, server, plugin)
		require.NoError(t, server.Register(plugin, plugin, ""))
		m := server.Unmounted(t, plugin)
		m.Enable(plugin, "")
		m.Vendor.Change(func(b *sandbox.Behaviour) { b.TokenLife = 3 * time.Minute })
		m.Write("config/pave/main", m.PaveValues())
		m.Write("config/avanan/us", harness.With(m.AvananValues(), values{"min_ttl": 10}))
		mounts = append(mounts, m)
	}

	soak(t, mounts, duration/5)
	warm := []weight{weigh(t, server, harness.PluginName), weigh(t, server, raced)}
	sent := soak(t, mounts, duration)
	fmt.Printf("soak: %d requests in %s\n", sent, duration)
	for i, m := range mounts {
		var after weight
		harness.Eventually(t, func() bool {
			after = weigh(t, server, m.Path)
			return after.goroutines <= warm[i].goroutines+5
		}, "goroutines as once warm")
		fmt.Printf("soak: %s: %d handshakes; once warm: %s; after: %s\n", m.Path, m.Vendor.Handshakes(), warm[i], after)
		require.LessOrEqual(t, after.files, warm[i].files+5)
		require.Less(t, float64(after.heapKiB), 1.2*float64(warm[i].heapKiB))
		if m.Path == harness.PluginName {
			require.Less(t, float64(after.residentKiB), 1.2*float64(warm[i].residentKiB))
		}
	}
	reports, err := filepath.Glob(races + "*")
	require.NoError(t, err)
	require.Empty(t, reports, "reports of the race detector")
}

// buildWatched builds the engine that reports its own resources, with the race detector if it is raced and there is a C
// compiler, which the detector needs.
func buildWatched(t *testing.T, server *harness.Server, name string) {
	t.Helper()
	var flags []string
	cgo, err := harness.Command("go", "env", "CGO_ENABLED").Output()
	require.NoError(t, err)
	switch {
	case name == raced && string(bytes.TrimSpace(cgo)) == "1":
		flags = append(flags, "-race")
	case name == raced:
		fmt.Println("soak: without the race detector, which needs a C compiler")
	}
	harness.Run(t, harness.GoBuild(filepath.Join(server.Plugins(), name), "./e2e/load/watched", flags...))
}

// soak sends mixed load to two mounts for a while and returns how many requests that were.
func soak(t *testing.T, mounts []*harness.Mount, duration time.Duration) int {
	t.Helper()
	sign := request{method: http.MethodPut, path: "sign/avanan/us", body: `{"request_string":"/v1.0/event/1"}`}
	mix := []request{
		{method: http.MethodGet, path: "creds/pave/main"},
		sign,
		{method: http.MethodGet, path: "sign/avanan/us?request_string=/v1.0/scopes"},
		sign,
		{method: http.MethodPut, path: "sign/avanan/us/batch", body: batchOf(10)},
		{method: http.MethodPut, path: "creds/pave/main"},
		sign,
		{method: http.MethodGet, path: "config/avanan/us"},
		sign,
	}
	got, err := runLoad(mounts[0].Server, soakConnections, func(connection, sent int) request {
		n := sent*soakConnections + connection
		r := mix[n%len(mix)]
		switch {
		case n%50 == 0:
			r = request{method: http.MethodGet, path: "creds/avanan/us"}
		case n%1001 == 0:
			r = request{method: http.MethodPut, path: "config/avanan/us", body: fmt.Sprintf(`{"min_ttl":%d}`, 5+n%10)}
		case n%1003 == 0:
			r = request{method: http.MethodPut, path: "config/pave/main", body: fmt.Sprintf(`{"ttl":%d}`, 100+n%10)}
		}
		r.path = mounts[sent%2].Path + "/" + r.path
		return r
	}, until(duration))
	require.NoError(t, err)
	return len(got.latencies)
}

// weight is what a process uses of the machine.
type weight struct{ goroutines, heapKiB, files, residentKiB int }

func (w weight) String() string {
	return fmt.Sprintf("%d goroutines, %d open files, %d KiB of heap, %d MiB resident",
		w.goroutines, w.files, w.heapKiB, w.residentKiB>>10)
}

func weigh(t *testing.T, server *harness.Server, plugin string) weight {
	t.Helper()
	executable := filepath.Join(server.Plugins(), plugin)
	processes := harness.ProcessesOf(executable)
	require.Len(t, processes, 1)
	files, err := os.ReadDir(filepath.Join(processes[0], "fd"))
	require.NoError(t, err)
	report := executable + ".watched"
	_ = os.Remove(report)
	require.NoError(t, harness.Command("kill", "-USR1", filepath.Base(processes[0])).Run())
	w := weight{files: len(files), residentKiB: memoryKiB(t, processes[0], resident)}
	harness.Eventually(t, func() bool {
		content, _ := os.ReadFile(report)
		_, err := fmt.Sscanln(string(content), &w.goroutines, &w.heapKiB)
		return err == nil && bytes.HasSuffix(content, []byte("\n"))
	}, "the plugin's report")
	return w
}
