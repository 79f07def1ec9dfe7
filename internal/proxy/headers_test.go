package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Vault's headers and the route's replace the client's headers and trailers of those names, in any spelling. Others stay.
func TestDressReplacesHeadersAndTrailers(t *testing.T) {
	t.Parallel()
	out := &http.Request{
		Header:  http.Header{"X_sig": {"client"}, "SCOPES": {"client"}, "Accept": {"*/*"}},
		Trailer: http.Header{"X-Sig": nil, "Scopes": nil, "X-Sum": nil},
	}
	(&Route{Scopes: "farm:customer"}).dress(out, map[string]string{"x-sig": "vault"})
	require.Equal(t, http.Header{"x-sig": {"vault"}, "Scopes": {"farm:customer"}, "Accept": {"*/*"}}, out.Header)
	require.Equal(t, http.Header{"X-Sum": nil}, out.Trailer)
}

// On the wire, Vault's headers have the names that Vault gave them, each once. Those that net/http has a name for have that one.
func TestVaultsHeadersKeepTheirSpelling(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	vendor, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = vendor.Close() })
	wire := make(chan string, 1)
	go func() {
		connection, err := vendor.Accept()
		if err != nil {
			return
		}
		defer connection.Close()
		var lines strings.Builder
		for reader := bufio.NewReader(connection); !strings.HasSuffix(lines.String(), "\r\n\r\n"); {
			line, err := reader.ReadString('\n')
			if err != nil {
				break
			}
			lines.WriteString(line)
		}
		_, _ = io.WriteString(connection, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		wire <- lines.String()
	}()
	r.stub.answer = func(*Route, Call) (*Signed, error) {
		return &Signed{BaseURL: "http://" + vendor.Addr().String(), Headers: map[string]string{
			"FX-ACCESS-SIGN": "vault", "apikey": "vault", "user-agent": "vault", "accept-encoding": "vault", "range": "vault",
		}}, nil
	}
	require.Equal(t, http.StatusOK, r.get(t, "/pave/v1/sessions",
		"fx-access-sign: client\r\nFx_Access_Sign: client\r\nAPIKEY: client\r\nUser-Agent: client\r\nAccept-Encoding: client\r\n").StatusCode)
	got := <-wire
	for _, name := range []string{"FX-ACCESS-SIGN", "apikey", "User-Agent", "Accept-Encoding", "Range"} {
		require.Equal(t, []string{"\r\n" + name + ": vault\r\n"}, regexp.MustCompile(`(?i)\r\n`+name+`:.*\r\n`).FindAllString(got, -1), got)
	}
	require.NotContains(t, got, "client")
}
