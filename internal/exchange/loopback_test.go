package exchange_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/upstreamtest"
)

// listening accepts connections on loopback, sends each a greeting and then nothing.
func listening(t *testing.T, greeting string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.WriteString(connection, greeting)
				_, _ = io.Copy(io.Discard, connection)
				_ = connection.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

// Anyone who can choose the address must not learn which ports are open on loopback: the error is one and the same.
func TestLoopbackErrorsAreTheSame(t *testing.T) {
	t.Parallel()
	plain, untrusted := upstreamtest.New(t, upstreamtest.Body("a.b.c")), upstreamtest.New(t, upstreamtest.Body("a.b.c"))
	broken := upstreamtest.New(t, breakOff)
	plain.Start()
	untrusted.StartTLS()
	broken.Start()
	port := func(address string) string { return address[strings.LastIndex(address, ":"):] }
	for name, url := range map[string]string{
		"closed":                      "https://127.0.0.1:1",
		"closed, without TLS":         "http://127.0.0.1:1",
		"silent":                      "https://" + listening(t, ""),
		"silent, without TLS":         "http://" + listening(t, ""),
		"no TLS":                      strings.Replace(plain.URL, "http:", "https:", 1),
		"a greeting":                  "https://" + listening(t, "SSH-2.0-canary\r\n"),
		"a greeting, without TLS":     "http://" + listening(t, "SSH-2.0-canary\r\n"),
		"a certificate of nobody's":   untrusted.URL,
		"an answer that breaks off":   broken.URL,
		"closed, by name":             "https://localhost:1",
		"no TLS, by name":             "https://localhost" + port(plain.URL),
		"closed, unspecified":         "https://0.0.0.0:1",
		"no TLS, unspecified":         "https://0.0.0.0" + port(plain.URL),
		"no TLS, as IPv6 writes IPv4": "https://[::ffff:127.0.0.1]" + port(plain.URL),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := exchange.Client{Now: time.Now, Pause: time.Millisecond}.Do(ctx, request(url))
			host := url[strings.Index(url, "//")+2:]
			requireFailure(t, err, exchange.Unavailable, 0, "")
			require.EqualError(t, err, "no answer from "+host+": on loopback no cause is given; check the port, http or "+
				"https, ca_cert and request_timeout")
		})
	}
}

// A closed port takes as long as one that does not speak TLS: both are tried again. What takes request_timeout is not.
func TestLoopbackAttemptsAreTheSame(t *testing.T) {
	t.Parallel()
	plain := upstreamtest.New(t, upstreamtest.Body("a.b.c"))
	plain.Start()
	for name, url := range map[string]string{
		"closed": "https://127.0.0.1:1",
		"no TLS": strings.Replace(plain.URL, "http:", "https:", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			attempts := 0
			client := exchange.Client{Now: time.Now, Pause: time.Millisecond}
			_, err := client.Do(t.Context(), counted(request(url), &attempts))
			requireFailure(t, err, exchange.Unavailable, 0, "no cause is given")
			require.Equal(t, 3, attempts)
		})
	}
}

// A caller that hangs up is told so.
func TestLoopbackCancellation(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	server := upstreamtest.New(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	server.Start()
	_, err := exchange.Client{Now: time.Now, Pause: time.Millisecond}.Do(ctx, request(server.URL))
	requireFailure(t, err, exchange.Unavailable, 0, "the request was canceled")
}
