package exchange_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/upstreamtest"
)

// The environment of a process in which a test does an exchange: where to, and the address of its DNS server, if any.
const (
	childURL = "EXCHANGE_TEST_RETRY_URL"
	childDNS = "EXCHANGE_TEST_RETRY_DNS"
)

// retriesInAChild does an exchange in a process with an environment of its own, because a process reads the proxy's
// address once and has one resolver. It returns what that process prints: the attempts, whether the pauses were kept,
// and the error. The process runs the test that calls this, so it repeats what the test does before.
func retriesInAChild(t *testing.T, url string, environ ...string) string {
	t.Helper()
	const pause = 40 * time.Millisecond
	if called := os.Getenv(childURL); called != "" {
		if server := os.Getenv(childDNS); server != "" {
			net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "udp", server)
			}}
		}
		attempts := 0
		first := time.Now()
		_, err := exchange.Client{Now: time.Now, Pause: pause}.Do(t.Context(), counted(request(called), &attempts))
		fmt.Printf("child: attempts %d, paused %t, %v\n", attempts, time.Since(first) >= 3*pause, err)
		os.Exit(0)
	}
	command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	command.Env = append(os.Environ(), append(environ, childURL+"="+url, "NO_PROXY=", "no_proxy=")...)
	printed, err := command.CombinedOutput()
	require.NoError(t, err, string(printed))
	return string(printed)
}

// An exchange is retried, after a pause, if the DNS server fails (SERVFAIL), and not if the name does not exist
// (NXDOMAIN).
func TestTemporaryDNSFailureIsRetried(t *testing.T) {
	t.Parallel()
	const reason = "no answer from vendor.example.: DNS: its name could not be resolved"
	for name, test := range map[string]struct {
		code byte
		want string
	}{
		"SERVFAIL": {2, "child: attempts 3, paused true, " + reason},
		"NXDOMAIN": {3, "child: attempts 1, paused false, " + reason},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dns := childDNS + "=" + startDNS(t, test.code)
			printed := retriesInAChild(t, "http://vendor.example.", dns, "HTTP_PROXY=", "http_proxy=")
			require.Contains(t, printed, test.want)
		})
	}
}

// An exchange is retried, after a pause, if the proxy refuses the connection.
func TestUnreachableProxyIsRetried(t *testing.T) {
	t.Parallel()
	// Nobody listens on port 1.
	printed := retriesInAChild(t, "http://vendor.example.",
		"HTTP_PROXY=http://127.0.0.1:1", "http_proxy=http://127.0.0.1:1")
	require.Contains(t, printed, "child: attempts 3, paused true, no answer from vendor.example.: could not connect to "+
		"the proxy")
}

// startDNS starts a DNS server that answers every query with an error code (RFC 1035, section 4.1.1).
func startDNS(t *testing.T, code byte) string {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		query := make([]byte, 1<<10)
		for {
			n, from, err := server.ReadFrom(query)
			if err != nil {
				return
			}
			if n < 12 {
				continue
			}
			// A response with the error code, the question repeated, and no records.
			question := query[12:n]
			if end := strings.IndexByte(string(question), 0); end >= 0 && end+5 <= len(question) {
				question = question[:end+5]
			}
			answer := append([]byte{query[0], query[1], 0x81, 0x80 | code, 0, 1, 0, 0, 0, 0, 0, 0}, question...)
			_, _ = server.WriteTo(answer, from)
		}
	}()
	return server.LocalAddr().String()
}

// An exchange closes its connection, even if the server has more to send and the context has not ended.
func TestExchangeClosesItsConnection(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	server := upstreamtest.New(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		endless(w, r)
	})
	server.Start()
	_, err := client().Do(t.Context(), request(server.URL))
	requireFailure(t, err, exchange.Nonsense, http.StatusOK, "more than 64 KiB")
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		server.CloseClientConnections()
		t.Error("the server is still sending")
	}
}

// An exchange is retried if the connection breaks in the middle of the body.
func TestBodyThatBreaksOffIsRetried(t *testing.T) {
	t.Parallel()
	half := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, upstreamtest.Canary)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	server := upstreamtest.New(t, half, upstreamtest.Body("a.b.c"))
	server.Start()
	answer, err := do(t, request(server.URL))
	require.NoError(t, err)
	require.Equal(t, "a.b.c", string(answer.Body))

	broken := upstreamtest.New(t, half)
	broken.Start()
	_, err = do(t, request(broken.URL))
	requireFailure(t, err, exchange.Unavailable, 0, "the connection broke")
	require.Len(t, broken.Headers(), 3)
}

// An exchange is not retried if TLS fails.
func TestTLSFailuresAreNotRetried(t *testing.T) {
	t.Parallel()
	untrusted := upstreamtest.New(t, upstreamtest.Body("a.b.c"))
	old := upstreamtest.New(t, upstreamtest.Body("a.b.c"))
	plain := upstreamtest.New(t, upstreamtest.Body("a.b.c"))
	untrusted.StartTLS()
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.StartTLS()
	plain.Start()
	for reason, url := range map[string]string{
		"its certificate is not trusted": untrusted.URL,
		"handshake failed":               old.URL,
		"the server does not speak TLS":  strings.Replace(plain.URL, "http", "https", 1),
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			attempts := 0
			called := request(url)
			called.CACert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: old.Certificate().Raw}))
			if url == untrusted.URL {
				called.CACert = ""
			}
			_, err := do(t, counted(called, &attempts))
			requireFailure(t, err, exchange.Unavailable, 0, reason)
			require.Equal(t, 1, attempts)
		})
	}
}

// A status of 500 and above is an outage, which is retried. One just below is an answer that makes no sense.
func TestServerErrorsBeginAt500(t *testing.T) {
	t.Parallel()
	for code, kind := range map[int]exchange.Kind{
		499: exchange.Nonsense,
		500: exchange.Unavailable,
		599: exchange.Unavailable,
	} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			server := upstreamtest.New(t, upstreamtest.Status(code))
			server.Start()
			_, err := do(t, request(server.URL))
			requireFailure(t, err, kind, code, "")
			require.Len(t, server.Headers(), map[exchange.Kind]int{exchange.Nonsense: 1, exchange.Unavailable: 3}[kind])
		})
	}
}
