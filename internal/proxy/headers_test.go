package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// Vault's headers and the route's replace the client's headers and trailers of those names, in any spelling. Others
// stay.
func TestVaultsHeadersReplaceHeadersAndTrailers(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stub.answer = func(*Route, signing.Call) (*signing.Signed, error) {
		return &signing.Signed{Headers: map[string]string{"x-sig": "vault"}, BaseURL: r.vendor.URL}, nil
	}
	require.Equal(t, http.StatusOK, r.raw(t, "POST /pave/v1/sessions HTTP/1.1\r\nHost: "+r.address+"\r\n"+
		"Transfer-Encoding: chunked\r\nX_sig: client\r\nSCOPES: client\r\nAccept: */*\r\n"+
		"Trailer: X-Sig, X_Sig, Scopes, X-Sum\r\n\r\n"+
		"4\r\nbody\r\n0\r\nX-Sig: client\r\nX_Sig: client\r\nScopes: client\r\nX-Sum: sum\r\n\r\n").StatusCode)
	got := r.vendorGot()[0]
	require.Equal(t, "body", got.body)
	require.Equal(t, []string{"vault"}, got.Header["X-Sig"])
	require.Equal(t, []string{"farm:customer"}, got.Header["Scopes"])
	require.Equal(t, []string{"*/*"}, got.Header["Accept"])
	require.Empty(t, got.Header["X_sig"])
	require.Equal(t, http.Header{"X-Sum": {"sum"}}, got.trailer)
}

// On the wire, Vault's headers have the names that Vault gave them, each once. Those that net/http has a name for have
// that one.
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
		"fx-access-sign: client\r\nFx_Access_Sign: client\r\nAPIKEY: client\r\nUser-Agent: client\r\n"+
			"Accept-Encoding: client\r\n").StatusCode)
	got := <-wire
	for _, name := range []string{"FX-ACCESS-SIGN", "apikey", "User-Agent", "Accept-Encoding", "Range"} {
		lines := regexp.MustCompile(`(?i)\r\n`+name+`:.*\r\n`).FindAllString(got, -1)
		require.Equal(t, []string{"\r\n" + name + ": vault\r\n"}, lines, got)
	}
	require.NotContains(t, got, "client")
}

// These headers pass on no route, in any case, with _ for -, or as a trailer. Others do.
func TestHeadersThatNeverPass(t *testing.T) {
	t.Parallel()
	never := []string{
		"Authorization", "Proxy-Authorization", "Cookie",
		"X-Vault-Token", "X-Vault-Namespace", "X-Vault-Anything",
		"x-av-sig", "x-av-token", "x-av-req-id", "X-Av-New",
		"API-Key", "API-Token", "api-anything",
		"X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override",
		"X-Original-URL", "X-Original-Host", "X-Rewrite-URL",
		"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Anything", "X-Real-IP",
	}
	pass := []string{
		"Accept", "Content-Type", "User-Agent", "X-Request-Id", "Apikey", "Xav-Sig", "X-Api-Key", "If-None-Match",
		"Idempotency-Key",
	}
	for _, name := range never {
		require.True(t, neverPassed(signing.PlainName(name)), name)
	}
	for spelling, spell := range map[string]func(string) string{
		"as it is":         func(s string) string { return s },
		"large":            strings.ToUpper,
		"small":            strings.ToLower,
		"with underscores": func(s string) string { return strings.ReplaceAll(s, "-", "_") },
		"with one":         func(s string) string { return strings.Replace(strings.ToUpper(s), "-", "_", 1) },
	} {
		for route, target := range map[string]string{"sign": "/avanan/us/v1.0/event/query", "creds": "/pave/v1/sessions"} {
			t.Run(spelling+", "+route, func(t *testing.T) {
				t.Parallel()
				r := newRig(t, nil)
				request := "POST " + target + " HTTP/1.1\r\nHost: " + r.address + "\r\nTransfer-Encoding: chunked\r\n"
				trailers, announced := "", []string{}
				for _, name := range slices.Concat(never, pass) {
					request += spell(name) + ": canary\r\n"
					announced = append(announced, spell(name))
					trailers += spell(name) + ": canary\r\n"
				}
				// Authorization and the like may not be trailers for net/http: it answers 400 to those.
				announced = append(announced, "X-Checksum")[3:]
				_, trailers, _ = strings.Cut(trailers, spell(never[2])+": canary\r\n")
				trailers += "X-Checksum: sum\r\nX-Unannounced: canary\r\n"
				request += "Trailer: " + strings.Join(announced, ", ") + "\r\n\r\n4\r\nbody\r\n0\r\n" + trailers + "\r\n"
				require.Equal(t, http.StatusOK, r.raw(t, request).StatusCode, request)
				got := r.vendorGot()[0]
				require.Equal(t, "body", got.body)
				for _, name := range never {
					require.NotContains(t, got.Header.Values(spell(name)), "canary", spell(name))
					require.NotContains(t, got.trailer.Values(spell(name)), "canary", spell(name))
				}
				require.Equal(t, "sum", got.trailer.Get("X-Checksum"))
				require.Empty(t, got.trailer.Get("X-Unannounced"))
				for _, name := range pass {
					require.Equal(t, []string{"canary"}, got.Header[http.CanonicalHeaderKey(spell(name))], name)
				}
			})
		}
	}
}

// What says where a call ends is the proxy's, however a vendor's server reads names.
func TestNoHeaderOfTheClientsSaysWhereTheCallEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	response := r.raw(t, "POST /avanan/us/v1.0/event/query HTTP/1.1\r\nHost: "+r.address+"\r\n"+
		"Transfer_Encoding: chunked\r\nContent_Length: 3\r\nContent-Length: 4\r\n\r\nbody")
	require.Equal(t, http.StatusOK, response.StatusCode)
	got := r.vendorGot()[0]
	require.Equal(t, "body", got.body)
	require.NotContains(t, got.Header, "Transfer_encoding")
	require.NotContains(t, got.Header, "Content_length")
	require.Equal(t, []string{"4"}, got.Header["Content-Length"])
}

// A client cannot have Vault's headers dropped by naming them in Connection, nor add its own beside them.
func TestVaultsHeadersReplaceTheClients(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stub.answer = func(route *Route, call signing.Call) (*signing.Signed, error) {
		signed, _ := r.sign(route, call)
		signed.Headers = map[string]string{"X-Sign": "vault", "Accept": "vault"}
		return signed, nil
	}
	require.Equal(t, http.StatusOK, r.get(t, "/avanan/us/v1.0/event/1",
		"Connection: X-Sign, Accept\r\nX-Sign: client\r\nX_Sign: client\r\nx-SIGN: client\r\nAccept: client\r\n").StatusCode)
	got := r.vendorGot()[0].Header
	require.Equal(t, []string{"vault"}, got["X-Sign"])
	require.Equal(t, []string{"vault"}, got["Accept"])
	require.Empty(t, got["X_sign"])
	require.Empty(t, got["X-Forwarded-For"])
}

// scopes passes, unless the route fixes it.
func TestScopesPassUnlessTheRouteFixesThem(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ target, headers, want string }{
		"not fixed":        {"/avanan/us/v1.0/event/1", "scopes: farm:mine\r\n", "farm:mine"},
		"fixed":            {"/pave/v1/sessions", "scopes: farm:other\r\nSCOPES: farm:other\r\n", "farm:customer"},
		"fixed, not given": {"/pave/v1/sessions", "", "farm:customer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			require.Equal(t, http.StatusOK, r.get(t, row.target, row.headers).StatusCode)
			require.Equal(t, []string{row.want}, r.vendorGot()[0].Header["Scopes"])
		})
	}
}
