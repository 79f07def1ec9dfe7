package client_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/client"
)

// vaultStub answers as Vault does. What Vault itself does with the engine's answers is tested in e2e, where the
// transport runs against the real one.
type vaultStub struct {
	*api.Client
	mu       sync.Mutex
	requests []string // method, path, query and body
	answer   func(body map[string]any) any
}

func newVault(t *testing.T, answer func(body map[string]any) any) *vaultStub {
	t.Helper()
	stub := &vaultStub{answer: answer}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		stub.mu.Lock()
		line := strings.TrimSpace(fmt.Sprint(r.Method, " ", r.URL.RequestURI(), " ", string(sent)))
		stub.requests = append(stub.requests, line)
		stub.mu.Unlock()
		body := map[string]any{}
		_ = json.Unmarshal(sent, &body)
		_ = json.NewEncoder(w).Encode(stub.answer(body))
	}))
	t.Cleanup(server.Close)
	config := api.DefaultConfig()
	config.Address = server.URL
	vault, err := api.NewClient(config)
	require.NoError(t, err)
	vault.SetToken("token")
	stub.Client = vault
	return stub
}

func (v *vaultStub) seen() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]string(nil), v.requests...)
}

// vendor is a server that records the calls that reach it, and answers with what status says, the last one from there
// on.
type vendor struct {
	*httptest.Server
	mu    sync.Mutex
	calls []*http.Request
	sent  []string
}

func newVendor(t *testing.T, statuses ...int) *vendor {
	t.Helper()
	v := &vendor{}
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		v.mu.Lock()
		v.calls, v.sent = append(v.calls, r), append(v.sent, string(body))
		status := statuses[min(len(v.calls), len(statuses))-1]
		v.mu.Unlock()
		if status == http.StatusFound {
			w.Header().Set("Location", "/v1.0/elsewhere")
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(v.Close)
	return v
}

// signing answers as sign/avanan does.
func signing(base string) func(map[string]any) any {
	var signatures atomic.Int64
	return func(body map[string]any) any {
		return map[string]any{"data": map[string]any{
			"headers": map[string]any{
				"x-av-sig":    fmt.Sprint("signature ", signatures.Add(1)),
				"x-av-req-id": "of the signature",
			},
			"url": base + fmt.Sprint(body["request_string"]),
		}}
	}
}

// credentials answers as creds does, with headers for a time.
func credentials(base string, ttl int, leased int) func(map[string]any) any {
	var reads atomic.Int64
	return func(map[string]any) any {
		data := map[string]any{
			"headers":  map[string]any{"Authorization": fmt.Sprint("Bearer ", reads.Add(1)), "x-av-req-id": "of the read"},
			"base_url": base,
		}
		if ttl > 0 {
			data["ttl"] = ttl
		}
		answer := map[string]any{"data": data, "lease_duration": leased}
		if leased > 0 {
			answer["lease_id"] = "lease"
		}
		return answer
	}
}

// answering answers as a path does.
func answering(path, base string) func(map[string]any) any {
	if strings.Contains(path, "/creds/") {
		return credentials(base, 100, 0)
	}
	return signing(base)
}

// On the wire, headers have the names that Vault gave them, each once. Those that net/http has a name for have that
// one.
func TestHeadersKeepTheirSpelling(t *testing.T) {
	t.Parallel()
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
	names := map[string]string{
		"FX-ACCESS-SIGN":  "FX-ACCESS-SIGN",
		"apikey":          "apikey",
		"user-agent":      "User-Agent",
		"accept-encoding": "Accept-Encoding",
		"range":           "Range",
	}
	vault := newVault(t, func(map[string]any) any {
		headers := map[string]any{}
		for name := range names {
			headers[name] = "vault"
		}
		return map[string]any{"data": map[string]any{"headers": headers, "base_url": "http://" + vendor.Addr().String()}}
	})
	next := &http.Transport{}
	t.Cleanup(next.CloseIdleConnections)
	transport := &client.Transport{Vault: vault.Client, Path: "apisig/creds/pave/main", Next: next}
	target := "http://" + vendor.Addr().String() + "/v1"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
	require.NoError(t, err)
	for _, name := range []string{"Fx-Access-Sign", "fx-access-SIGN", "Apikey", "User-Agent", "Accept-Encoding"} {
		request.Header[name] = []string{"client"}
	}
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	got := <-wire
	for _, name := range names {
		lines := regexp.MustCompile(`(?i)\r\n`+name+`:.*\r\n`).FindAllString(got, -1)
		require.Equal(t, []string{"\r\n" + name + ": vault\r\n"}, lines, got)
	}
	require.NotContains(t, got, "client")
}

// call makes a call and returns the status of its answer.
func call(t *testing.T, transport *client.Transport, method, url string, body io.Reader) (int, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	request.Header.Set("X-Av-Sig", "the application's own")
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// Each call is signed by itself, over its path and query as it is sent, by a write.
func TestEachCallIsSigned(t *testing.T) {
	t.Parallel()
	v := newVendor(t, http.StatusOK)
	vault := newVault(t, signing(v.URL))
	transport := &client.Transport{Vault: vault.Client, Path: "team/apisig/sign/avanan/us"}
	for i, target := range []string{"/v1.0/scopes", "/v1.0/x?scope=farm:cust&b=%3A"} {
		_, err := call(t, transport, http.MethodPost, v.URL+target, strings.NewReader("body"))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint("signature ", i+1), v.calls[i].Header.Get("x-av-sig"))
		require.Equal(t, "of the signature", v.calls[i].Header.Get("x-av-req-id"))
		require.Equal(t, target, v.calls[i].RequestURI)
		require.Equal(t, "body", v.sent[i])
	}
	require.Equal(t, []string{
		`PUT /v1/team/apisig/sign/avanan/us {"request_string":"/v1.0/scopes"}`,
		`PUT /v1/team/apisig/sign/avanan/us {"request_string":"/v1.0/x?scope=farm:cust\u0026b=%3A"}`,
	}, vault.seen())
}

// After a 401 the call is signed once more, with a report, and sent once more with its body; a second 401 is the
// answer.
func TestOneRetryAfter401(t *testing.T) {
	t.Parallel()
	for name, second := range map[string]int{"a second try": http.StatusOK, "a second 401": http.StatusUnauthorized} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(t, http.StatusUnauthorized, second)
			vault := newVault(t, signing(v.URL))
			transport := &client.Transport{Vault: vault.Client, Path: "apisig/sign/avanan/us"}
			status, err := call(t, transport, http.MethodPost, v.URL+"/a", strings.NewReader("body"))
			require.NoError(t, err)
			require.Equal(t, second, status)
			require.Equal(t, []string{"body", "body"}, v.sent)
			require.Equal(t, "signature 2", v.calls[1].Header.Get("x-av-sig"))
			require.Equal(t, []string{
				`PUT /v1/apisig/sign/avanan/us {"request_string":"/a"}`,
				`PUT /v1/apisig/sign/avanan/us {"request_string":"/a","unauthorized":true}`,
			}, vault.seen())
		})
	}
}

// A body that cannot be sent again is not: the 401 is the answer, and reported with the next call, once. Headers that
// were refused are not used again.
func TestRefusalOfBodyThatStreamsIsReportedWithNextCall(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		path string
		want []string
	}{
		"sign": {"apisig/sign/avanan/us", []string{
			`PUT /v1/apisig/sign/avanan/us {"request_string":"/a"}`,
			`PUT /v1/apisig/sign/avanan/us {"request_string":"/a","unauthorized":true}`,
			`PUT /v1/apisig/sign/avanan/us {"request_string":"/a"}`,
		}},
		"creds": {"apisig/creds/x/main", []string{
			"GET /v1/apisig/creds/x/main",
			"GET /v1/apisig/creds/x/main?unauthorized=true",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(t, http.StatusUnauthorized, http.StatusOK)
			vault := newVault(t, answering(row.path, v.URL))
			transport := &client.Transport{Vault: vault.Client, Path: row.path}
			for _, want := range []int{http.StatusUnauthorized, http.StatusOK, http.StatusOK} {
				status, err := call(t, transport, http.MethodPost, v.URL+"/a", io.MultiReader(strings.NewReader("body")))
				require.NoError(t, err)
				require.Equal(t, want, status)
			}
			require.Len(t, v.calls, 3)
			require.Equal(t, row.want, vault.seen())
		})
	}
}

// Headers that were read since count as new only while they may be used.
func TestRefusalIsReportedIfNewerHeadersAreOld(t *testing.T) {
	t.Parallel()
	vault := newVault(t, credentials("https://vendor.example", 0, 0))
	signer := &client.Signer{Vault: vault.Client, Path: "apisig/creds/x/main"}
	refused, err := signer.Sign(t.Context(), client.Call{})
	require.NoError(t, err)
	_, err = signer.Sign(t.Context(), client.Call{})
	require.NoError(t, err)
	_, err = signer.Sign(t.Context(), client.Call{Rejected: refused})
	require.NoError(t, err)
	require.Equal(t, "GET /v1/apisig/creds/x/main?unauthorized=true", vault.seen()[2])
}

// A call that reports a 401 does not wait for a read that began without a report: what it returns may be what was
// refused.
func TestReportDoesNotJoinReadWithoutOne(t *testing.T) {
	t.Parallel()
	v := newVendor(t, http.StatusOK)
	reading, let, reads := make(chan struct{}), make(chan struct{}), atomic.Int64{}
	answer := credentials(v.URL, 1, 0)
	vault := newVault(t, func(body map[string]any) any {
		if reads.Add(1) == 1 {
			close(reading)
			<-let
		}
		return answer(body)
	})
	signer := &client.Signer{Vault: vault.Client, Path: "apisig/creds/x/main"}
	waiting := make(chan error)
	go func() {
		_, err := signer.Sign(t.Context(), client.Call{})
		waiting <- err
	}()
	<-reading
	_, err := signer.Sign(t.Context(), client.Call{Rejected: &client.Signed{}})
	require.NoError(t, err)
	const read = "GET /v1/apisig/creds/x/main"
	require.Equal(t, []string{read, read + "?unauthorized=true"}, vault.seen())
	close(let)
	require.NoError(t, <-waiting)
}

// Headers are sent nowhere but where Vault's answer says.
func TestHeadersAreSentOnlyWhereTheyAreFor(t *testing.T) {
	t.Parallel()
	const sign, creds = "m/sign/avanan/us", "m/creds/pave/main"
	below := func(suffix string) func(string) any {
		return func(base string) any { return credentials(base+suffix, 9, 0)(nil) }
	}
	always := func(data map[string]any) func(string) any {
		return func(base string) any {
			if data["url"] != nil {
				data["url"] = base + "/a"
			}
			return map[string]any{"data": data}
		}
	}
	for name, row := range map[string]struct {
		path   string
		answer func(base string) any
		target string
		sent   bool
	}{
		"another host": {sign, func(string) any { return signing("https://other.example")(requestA) }, "/a", false},
		"another port": {creds, func(string) any { return credentials("http://127.0.0.1:1", 9, 0)(nil) }, "/a", false},
		"another scheme": {creds, func(base string) any {
			return credentials(strings.Replace(base, "http:", "https:", 1), 9, 0)(nil)
		}, "/a", false},
		"below the base":       {creds, below("/api"), "/api/a", true},
		"beside the base":      {creds, below("/api"), "/apix/a", false},
		"above the base":       {creds, below("/api"), "/a", false},
		"out of the base":      {creds, below("/api"), "/api/../a", false},
		"out of it, encoded":   {creds, below("/api"), "/api/%2e%2e/a", false},
		"out of it, backslash": {creds, below("/api"), "/api/..%5ca", false},
		"no base at all":       {creds, func(string) any { return credentials("", 9, 0)(nil) }, "/a", false},
		"a config named sign":  {"m/creds/sign/x", below(""), "/a", true},
		"signed":               {sign, func(base string) any { return signing(base)(requestA) }, "/a", true},
		"signed for another":   {sign, func(base string) any { return signing(base)(requestA) }, "/b", false},
		"an answer of nothing": {sign, always(map[string]any{"url": "/a"}), "/a", false},
		"a header no string": {
			sign, always(map[string]any{"url": "/a", "headers": map[string]any{"a": 1}}), "/a", false,
		},
		"an answer without any": {sign, func(string) any { return nil }, "/a", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(t, http.StatusOK)
			vault := newVault(t, func(map[string]any) any { return row.answer(v.URL) })
			transport := &client.Transport{Vault: vault.Client, Path: row.path}
			_, err := call(t, transport, http.MethodGet, v.URL+row.target, nil)
			if row.sent {
				require.NoError(t, err)
				require.Len(t, v.calls, 1)
				return
			}
			require.Error(t, err)
			require.Empty(t, v.calls)
		})
	}
}

// requestA is what Vault is sent to sign a call of /a.
var requestA = map[string]any{"request_string": "/a"}

// The error says what address the headers are for. It does not say what Vault appended to the query.
func TestErrorDoesNotNameSignatureInQuery(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ appended, want string }{
		"nothing appended": {"", "is for https://other.example/a?b=c,"},
		"a signature":      {"canary", "is for https://other.example/a,"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vault := newVault(t, func(map[string]any) any {
				data := map[string]any{"url": "https://other.example/a?b=c" + row.appended, "headers": map[string]any{"a": "b"}}
				if row.appended != "" {
					data["query"] = map[string]any{"sig": row.appended}
				}
				return map[string]any{"data": data}
			})
			transport := &client.Transport{Vault: vault.Client, Path: "apisig/sign/custom/x"}
			_, err := call(t, transport, http.MethodGet, "https://vendor.example/a", nil)
			require.ErrorContains(t, err, row.want)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

// What a declared API signs is sent to Vault: the method, and the hash of the body, which is sent all the same. The
// hashes are those of sha256sum.
func TestMethodAndBodyAreSigned(t *testing.T) {
	t.Parallel()
	v := newVendor(t, http.StatusUnauthorized, http.StatusOK)
	vault := newVault(t, signing(v.URL))
	transport := &client.Transport{
		Vault: vault.Client, Path: "m/sign/custom/x", Send: []string{"method", "request_string", "body_sha256"},
	}
	status, err := call(t, transport, http.MethodPost, v.URL+"/a", strings.NewReader("hello"))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	_, err = call(t, transport, http.MethodGet, v.URL+"/a", nil)
	require.NoError(t, err)
	const hello = `"body_sha256":"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",` +
		`"method":"POST","request_string":"/a"`
	const nothing = `"body_sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",` +
		`"method":"GET","request_string":"/a"`
	require.Equal(t, []string{
		`PUT /v1/m/sign/custom/x {` + hello + `}`,
		`PUT /v1/m/sign/custom/x {` + hello + `,"unauthorized":true}`,
		`PUT /v1/m/sign/custom/x {` + nothing + `}`,
	}, vault.seen())
	require.Equal(t, []string{"hello", "hello", ""}, v.sent)
	_, err = call(t, transport, http.MethodPost, v.URL+"/a", struct{ io.Reader }{strings.NewReader("once")})
	require.ErrorContains(t, err, "the call's body can be read only once")
	transport = &client.Transport{Vault: vault.Client, Path: "m/sign/custom/x", Send: []string{"cookie"}}
	_, err = call(t, transport, http.MethodGet, v.URL+"/a", nil)
	require.ErrorContains(t, err, `cannot send "cookie" to Vault`)
	require.Len(t, v.calls, 3)
}

// Parameters that Vault appended to the query are sent, and nothing else that its answer's url may have.
func TestAppendedQueryIsSent(t *testing.T) {
	t.Parallel()
	sig := map[string]any{"sig": "x"}
	for name, row := range map[string]struct {
		answered, target string
		query            map[string]any
		sent             bool
	}{
		"as the only query":      {"/a?sig=x%2By", "/a", map[string]any{"sig": "x+y"}, true},
		"after another":          {"/a?b=%2F&t=1&sig=x", "/a?b=%2F", map[string]any{"t": "1", "sig": "x"}, true},
		"and one that is not":    {"/a?b=1&sig=x", "/a", sig, false},
		"twice":                  {"/a?sig=x&sig=x", "/a", sig, false},
		"another value":          {"/a?sig=y", "/a", sig, false},
		"fewer":                  {"/a?t=1", "/a", map[string]any{"sig": "x", "t": "1"}, false},
		"to another path":        {"/ab?sig=x", "/a", sig, false},
		"after another's":        {"/a&sig=x", "/a", sig, false},
		"and nothing behind it":  {"/a?sig=x&", "/a", sig, false},
		"to a call without path": {"/?sig=x", "", sig, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(t, http.StatusOK)
			vault := newVault(t, func(map[string]any) any {
				return map[string]any{"data": map[string]any{"url": v.URL + row.answered, "query": row.query}}
			})
			transport := &client.Transport{Vault: vault.Client, Path: "m/sign/custom/x"}
			_, err := call(t, transport, http.MethodGet, v.URL+row.target, nil)
			if !row.sent {
				require.Error(t, err)
				require.Empty(t, v.calls)
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.answered, v.calls[0].RequestURI)
		})
	}
}

// An http.Client that follows redirects gets an error, and nothing is signed for where the vendor points.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"sign": "m/sign/avanan/us", "creds": "m/creds/pave/main"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(t, http.StatusFound)
			vault := newVault(t, answering(path, v.URL))
			_, err := call(t, &client.Transport{Vault: vault.Client, Path: path}, http.MethodGet, v.URL+"/v1.0/a", nil)
			require.ErrorContains(t, err, "redirect, which is not followed")
			require.Len(t, v.calls, 1)
			require.Len(t, vault.seen(), 1)
		})
	}
}

// A thousand concurrent calls read the headers once, and each has a request id of its own.
func TestConcurrentCallsShareOneRead(t *testing.T) {
	t.Parallel()
	v := newVendor(t, http.StatusOK)
	vault := newVault(t, credentials(v.URL, 100, 0))
	transport := &client.Transport{Vault: vault.Client, Path: "apisig/creds/pave/main"}
	var calls sync.WaitGroup
	for range 1000 {
		calls.Go(func() {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.URL+"/a", http.NoBody)
			if err == nil {
				var response *http.Response
				if response, err = transport.RoundTrip(request); err == nil {
					err = response.Body.Close()
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	require.Equal(t, []string{"GET /v1/apisig/creds/pave/main"}, vault.seen())
	ids := map[string]bool{}
	for _, request := range v.calls {
		require.Equal(t, "Bearer 1", request.Header.Get("Authorization"))
		ids[request.Header.Get("x-av-req-id")] = true
	}
	require.Len(t, ids, 1000)
}

// Headers are read again when Vault's answer says: at once with a ttl of 0 or a lease that is over.
func TestHeadersAreReadAgain(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ ttl, lease, reads int }{
		"a ttl":                                 {100, 0, 1},
		"no ttl":                                {0, 0, 3},
		"a lease":                               {0, 100, 1},
		"a lease, and a ttl that is not for it": {0, 60, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(t, http.StatusOK)
			vault := newVault(t, credentials(v.URL, row.ttl, row.lease))
			transport := &client.Transport{Vault: vault.Client, Path: "apisig/creds/x/main"}
			for range 3 {
				_, err := call(t, transport, http.MethodGet, v.URL+"/a", nil)
				require.NoError(t, err)
			}
			require.Len(t, vault.seen(), row.reads)
		})
	}
}

// Headers are read again after a 401, which is reported.
func TestHeadersAreReadAgainAfter401(t *testing.T) {
	t.Parallel()
	v := newVendor(t, http.StatusOK, http.StatusUnauthorized, http.StatusOK)
	vault := newVault(t, credentials(v.URL, 100, 0))
	transport := &client.Transport{Vault: vault.Client, Path: "apisig/creds/x/main"}
	for range 3 {
		status, err := call(t, transport, http.MethodGet, v.URL+"/a", nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
	}
	const read = "GET /v1/apisig/creds/x/main"
	require.Equal(t, []string{read, read + "?unauthorized=true"}, vault.seen())
	require.Equal(t, "Bearer 2", v.calls[3].Header.Get("Authorization"))
}

// A call that is given up does not end the read that others wait for.
func TestCallThatGivesUpDoesNotEndTheRead(t *testing.T) {
	t.Parallel()
	v := newVendor(t, http.StatusOK)
	reading, let := make(chan struct{}), make(chan struct{})
	answer := credentials(v.URL, 100, 0)
	vault := newVault(t, func(body map[string]any) any {
		close(reading)
		<-let
		return answer(body)
	})
	transport := &client.Transport{Vault: vault.Client, Path: "apisig/creds/pave/main"}
	hasty, hangUp := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		request, _ := http.NewRequestWithContext(hasty, http.MethodGet, v.URL+"/a", http.NoBody)
		response, err := transport.RoundTrip(request)
		if err == nil {
			_ = response.Body.Close()
		}
		failed <- err
	}()
	<-reading
	hangUp()
	require.ErrorIs(t, <-failed, context.Canceled)
	close(let)
	_, err := call(t, transport, http.MethodGet, v.URL+"/a", nil)
	require.NoError(t, err)
	require.Len(t, vault.seen(), 1)
}

// closed notes that it was closed.
type closed struct {
	io.Reader
	done atomic.Bool
}

func (c *closed) Close() error { c.done.Store(true); return nil }

// A call that is not sent has its body closed, and fails with Vault's error.
func TestVaultsErrorIsReturned(t *testing.T) {
	t.Parallel()
	config := api.DefaultConfig()
	config.Address, config.MaxRetries = "http://127.0.0.1:1", 0
	vault, err := api.NewClient(config)
	require.NoError(t, err)
	for name, path := range map[string]string{"sign": "m/sign/avanan/us", "creds": "m/creds/pave/main"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := &closed{Reader: strings.NewReader("body")}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://vendor.example/a", body)
			require.NoError(t, err)
			response, err := (&client.Transport{Vault: vault, Path: path}).RoundTrip(request)
			if err == nil {
				_ = response.Body.Close()
			}
			require.ErrorContains(t, err, "127.0.0.1:1")
			require.True(t, body.done.Load())
		})
	}
}

// A call without a host is not sent to whatever host Vault's answer names.
func TestCallNeedsAHost(t *testing.T) {
	t.Parallel()
	vault := newVault(t, signing("https://vendor.example"))
	request := &http.Request{URL: &url.URL{Scheme: "https", Path: "/a"}}
	response, err := (&client.Transport{Vault: vault.Client, Path: "m/sign/avanan/us"}).RoundTrip(request)
	if err == nil {
		_ = response.Body.Close()
	}
	require.EqualError(t, err, "the call's URL has no host")
	require.Empty(t, vault.seen())
}

// Headers that were forgotten are not used again, not even those of a read that was under way.
func TestForgottenHeadersAreReadAgain(t *testing.T) {
	t.Parallel()
	reading, let := make(chan struct{}, 2), make(chan struct{})
	answer := credentials("http://vendor.example", 100, 0)
	vault := newVault(t, func(body map[string]any) any {
		got := answer(body)
		reading <- struct{}{}
		<-let
		return got
	})
	signer := &client.Signer{Vault: vault.Client, Path: "apisig/creds/pave/main"}
	first := make(chan *client.Signed)
	go func() {
		signed, err := signer.Sign(context.Background(), client.Call{})
		if err != nil {
			t.Error(err)
		}
		first <- signed
	}()
	<-reading
	signer.Forget()
	close(let)
	require.Equal(t, "Bearer 1", (<-first).Headers["Authorization"])
	for range 2 {
		signed, err := signer.Sign(t.Context(), client.Call{})
		require.NoError(t, err)
		require.Equal(t, "Bearer 2", signed.Headers["Authorization"])
	}
	signer.Forget()
	signed, err := signer.Sign(t.Context(), client.Call{})
	require.NoError(t, err)
	require.Equal(t, "Bearer 3", signed.Headers["Authorization"])
}

// Of many calls that report the same rejected headers, one has them replaced.
func TestRejectedHeadersAreReplacedOnce(t *testing.T) {
	t.Parallel()
	vault := newVault(t, credentials("http://vendor.example", 100, 0))
	signer := &client.Signer{Vault: vault.Client, Path: "apisig/creds/pave/main"}
	var used []*client.Signed
	for range 3 {
		signed, err := signer.Sign(t.Context(), client.Call{})
		require.NoError(t, err)
		used = append(used, signed)
	}
	for _, rejected := range used {
		signed, err := signer.Sign(t.Context(), client.Call{Rejected: rejected})
		require.NoError(t, err)
		require.Equal(t, "Bearer 2", signed.Headers["Authorization"])
	}
	require.Len(t, vault.seen(), 2)
}
