package main

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asksEarly is the variable that makes this program call a vendor, at the address that it has, instead of running the
// tests.
const asksEarly = "TEST_ASKS_EARLY_VENDOR"

// askEarly calls a vendor that answers before it is asked. net/http sees an answer without a call, and logs it.
func askEarly() {
	client := http.Client{Timeout: time.Second}
	for range 100 {
		response, err := client.Get("http://" + os.Getenv(asksEarly)) //nolint:noctx // it has a timeout
		if err == nil {
			_ = response.Body.Close()
		}
	}
}

// What net/http logs may quote a vendor, and Vault logs what the plugin prints.
func TestNothingOfAVendorIsLogged(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 canary\r\n\r\n"))
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	}()
	program, err := os.Executable()
	require.NoError(t, err)
	run := exec.CommandContext(t.Context(), program)
	run.Env = append(os.Environ(), asksEarly+"="+listener.Addr().String())
	printed, err := run.CombinedOutput()
	require.NoError(t, err)
	require.Empty(t, string(printed))
}
