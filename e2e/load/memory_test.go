package load

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// adviceMaxRequestSize is what SECURITY.md says to set a listener's max_request_size to.
const adviceMaxRequestSize = 2 << 20

// With the max_request_size that SECURITY.md advises, the largest batch is signed, and requests of 29 MiB do not reach
// the plugin: eight at once leave its memory as it is. (Without it they are refused too, but took 1.4 GiB, or 0.7 GiB
// with the plugin's memory limit.)
func TestLargeRequestsDoNotReachThePlugin(t *testing.T) {
	t.Parallel()
	harness.NeedsProc(t)
	server := harness.StartLimited(t, adviceMaxRequestSize)
	m := server.MountApisig(t)
	m.Write("config/avanan/us", m.AvananValues())
	requestStrings := make([]string, 1000)
	for i := range requestStrings {
		requestStrings[i] = fmt.Sprintf("/v1.0/event/%04d?q=", i) + strings.Repeat("x", 1<<20/1000-19)
	}
	status, _, text := m.Request(http.MethodPut, "sign/avanan/us/batch", values{"request_strings": requestStrings})
	require.Equal(t, http.StatusOK, status, text)

	processes := harness.PluginProcesses(server)
	require.Len(t, processes, 1)
	require.NoError(t, os.WriteFile(filepath.Join(processes[0], "clear_refs"), []byte("5"), 0o600), "begin a new peak")
	before := memoryKiB(t, processes[0], peak) >> 10
	large := make([]string, 29)
	for i := range large {
		large[i] = "/" + strings.Repeat("x", 1<<20-2)
	}
	body, err := json.Marshal(values{"request_strings": large})
	require.NoError(t, err)
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			batch := request{method: http.MethodPut, path: "apisig/sign/avanan/us/batch", body: string(body)}
			err := send(server, http.DefaultTransport, batch)
			if err == nil { // or Vault hangs up, which the client may see before the status
				t.Error("the request was answered")
			}
		})
	}
	clients.Wait()
	after := memoryKiB(t, processes[0], peak) >> 10
	t.Logf("resident memory of the plugin: %d MiB before, %d MiB at most meanwhile", before, after)
	require.Less(t, after, before+32)
	m.Read("sign/avanan/us", "request_string", "/v1.0/scopes")
}

const (
	resident = "VmRSS" // now
	peak     = "VmHWM" // at most so far
)

// memoryKiB is the resident memory of a process, given as its folder under /proc.
func memoryKiB(t *testing.T, process, which string) int {
	t.Helper()
	status, err := os.ReadFile(filepath.Join(process, "status"))
	require.NoError(t, err)
	found := regexp.MustCompile(which + `:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(t, found, "%s", status)
	memory, err := strconv.Atoi(string(found[1]))
	require.NoError(t, err)
	return memory
}
