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

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// Vault's headers and the route's replace the client's headers and trailers of those names, in any spelling. Others stay.
func TestVaultsHeadersReplaceHeadersAndTrailers(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stub.answer = func(*Route, signing.Call) (*signing.Signed, error) {
		return &signing.Signed{Headers: map[string]string{"x-sig": "vault"}, BaseURL: r.vendor.URL}, nil
	}
	require.Equal(t, http.StatusOK, r.raw(t, "POST /pave/v1/sessions HTTP/1.1\r\nHost: "+r.address+"\r\nTransfer-Encoding: chunked\r\n"+
		"X_sig: client\r\nSCOPES: client\r\nAccept: */*\r\nTrailer: X-Sig, X_Sig, Scopes, X-Sum\r\n\r\n"+
		"4\r\nbody\r\n0\r\nX-Sig: client\r\nX_Sig: client\r\nScopes: client\r\nX-Sum: sum\r\n\r\n").StatusCode)
	got := r.vendorGot()[0]
	require.Equal(t, "body", got.body)
	require.Equal(t, []string{"vault"}, got.Header["X-Sig"])
	require.Equal(t, []string{"farm:customer"}, got.Header["Scopes"])
	require.Equal(t, []string{"*/*"}, got.Header["Accept"])
	require.Empty(t, got.Header["X_sig"])
	require.Equal(t, http.Header{"X-Sum": {"sum"}}, got.trailer)
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
	r.stub.answer = func(*Route, signing.Call) (*signing.Signed, error) {
		return &signing.Signed{BaseURL: "http://" + vendor.Addr().String(), Headers: map[string]string{
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
