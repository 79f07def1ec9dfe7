package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every method that a pattern allows passes, and GET allows HEAD.
func TestAllowedCallsPass(t *testing.T) {
	t.Parallel()
	const event = "/avanan/us/v1.0/event/"
	for name, row := range map[string]struct{ method, target, host, header, body string }{
		"GET":                  {http.MethodGet, event + "1", "127.0.0.1", "", ""},
		"by localhost":         {http.MethodGet, event + "1", "localhost", "", ""},
		"by LOCALHOST":         {http.MethodGet, event + "1", "LOCALHOST", "", ""},
		"HEAD":                 {http.MethodHead, event + "1", "127.0.0.1", "", ""},
		"typed into a browser": {http.MethodGet, event + "1", "127.0.0.1", "Sec-Fetch-Site: none\r\n", ""},
		"POST":                 {http.MethodPost, event + "query", "127.0.0.1", "Content-Length: 4\r\n", "body"},
		"a path that ends":     {http.MethodGet, "/pave/v1/", "127.0.0.1", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "answer") })
			port := r.address[strings.LastIndex(r.address, ":"):]
			response := r.raw(t, row.method+" "+row.target+" HTTP/1.1\r\nHost: "+row.host+port+"\r\n"+row.header+"\r\n"+row.body)
			require.Equal(t, http.StatusOK, response.StatusCode)
			require.Equal(t, int64(6), response.ContentLength)
			content, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.Equal(t, map[bool]string{false: "answer"}[row.method == http.MethodHead], string(content))
			require.Equal(t, row.method, r.vendorGot()[0].Method)
			require.Equal(t, row.body, r.vendorGot()[0].body)
		})
	}
}

// On a unix socket any Host passes: no web page can reach one.
func TestUnixSocketTakesAnyHost(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.hosts = nil
	recorder := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/avanan/us/v1.0/event/1", http.NoBody)
	request.Host = "anything"
	r.ServeHTTP(recorder, request)
	require.Equal(t, http.StatusOK, recorder.Code)
}

// A GiB up and a GiB down pass with flat memory.
func TestMemoryIsFlatWithAGiBBothWays(t *testing.T) { //nolint:paralleltest // it measures the process's memory
	if testing.Short() {
		t.Skip("moves two GiB")
	}
	const gib = 1 << 30
	var peak uint64
	measure := func() {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		peak = max(peak, stats.HeapAlloc)
	}
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		got, err := io.Copy(io.Discard, req.Body)
		if err != nil || got != gib {
			t.Errorf("%d bytes came: %v", got, err)
		}
		measure()
		_, _ = io.Copy(w, &generated{gib})
	})
	runtime.GC()
	measure()
	before := peak
	target := "http://" + r.address + "/avanan/us/v1.0/event/query"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, &generated{gib})
	require.NoError(t, err)
	request.Header.Set("X-Unread", "yes") // by the rig: the vendor above reads it
	response, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	defer response.Body.Close()
	var got int64
	for buffer := make([]byte, 1<<20); ; {
		n, err := response.Body.Read(buffer)
		got += int64(n)
		if got%(64<<20) < int64(n) {
			measure()
		}
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
	}
	require.Equal(t, int64(gib), got)
	t.Logf("heap: %d KiB before, at most %d KiB", before>>10, peak>>10)
	require.Less(t, peak, before+16<<20)
}
