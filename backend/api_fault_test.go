package backend

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/apis"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// vendorText is in everything that the vendors below send. No answer, error or log line may contain it.
const vendorText = "canary-of-the-vendor"

// vendorFault is a fault of the vendor, and what a reader gets if there is no living JWT.
type vendorFault struct {
	// serve answers one connection. number counts connections from 1.
	serve func(connection net.Conn, number int)
	// url is the vendor's address if serve is nil. If serve is set and url is not empty, the scheme is https.
	url string
	// tls is the TLS configuration of the server; nil for plain TCP.
	tls *tls.Config
	// status and says are the status of the answer and a part of its text.
	status int
	says   string
	// connections counts the connections to serve.
	connections *atomic.Int32
}

// raw reads a request and sends a text unchanged.
func raw(text string) func(net.Conn, int) {
	return func(connection net.Conn, _ int) {
		request, err := http.ReadRequest(bufio.NewReader(connection))
		if err == nil {
			_, err = io.Copy(io.Discard, request.Body)
		}
		if err == nil {
			_, _ = connection.Write([]byte(text))
		}
	}
}

// hangAfter sends a text and then nothing, until the client closes the connection.
func hangAfter(text string) func(net.Conn, int) {
	return func(connection net.Conn, _ int) {
		raw(text)(connection, 0)
		_, _ = connection.Read(make([]byte, 1))
	}
}

// http11 sends an answer with headers and a body.
func http11(status, body string, headers ...string) func(net.Conn, int) {
	return raw(fmt.Sprintf("HTTP/1.1 %s\r\nContent-Length: %d\r\nX-Vendor: %s\r\n%s\r\n%s",
		status, len(body), vendorText, strings.Join(append(headers, ""), "\r\n"), body))
}

// repeated sends a text and then a block repeatedly, up to 1 GiB.
func repeated(text string, block []byte, pause time.Duration) func(net.Conn, int) {
	return func(connection net.Conn, _ int) {
		raw(text)(connection, 0)
		for sent := 0; sent < 1<<30; sent += len(block) {
			if _, err := connection.Write(block); err != nil {
				return
			}
			<-time.After(pause)
		}
	}
}

func unsignedJWT(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + "."
}

// zipBomb is 300 KiB of gzip that decompress to about a thousand times as many zeros.
var zipBomb = sync.OnceValue(func() string {
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	for zeros := make([]byte, 1<<20); bomb.Len() < 300<<10; {
		_, _ = zip.Write(zeros)
		_ = zip.Flush()
	}
	return bomb.String()
})

const okHeaders = "HTTP/1.1 200 OK\r\nX-Vendor: " + vendorText + "\r\n"

// faultyVendor is how an API's readers meet a faulty vendor.
type faultyVendor struct {
	// config is a config, except what all have.
	config values
	// body is that of a good answer, of a token that lives for life.
	body string
	life time.Duration
	// size is how large an answer can be, as errors say it.
	size string
	// empty and notToken are what the engine says of an empty body and of one without a token.
	empty, notToken string
	// faults are the vendor's own, beside those that all have; nil for none.
	faults map[string]vendorFault
}

// accepted is a fault that readers do not notice, of a vendor that serves all connections in one way.
func accepted(serve func(net.Conn, int)) vendorFault {
	return vendorFault{serve: serve, status: http.StatusOK}
}

// broken is a fault that readers get 502 for.
func broken(serve func(net.Conn, int), says string) vendorFault {
	return vendorFault{serve: serve, status: http.StatusBadGateway, says: says}
}

// refuses is an answer for which readers get 400.
func refuses(serve func(net.Conn, int), says string) vendorFault {
	return vendorFault{serve: serve, status: http.StatusBadRequest, says: says}
}

func avananFaults() map[string]vendorFault {
	jwt := func(claims string) func(net.Conn, int) { return http11("200 OK", unsignedJWT(claims)) }
	inJSON := http11("200 OK", `{"token":"`+vendorText+`"}`, "Content-Type: application/json")
	return map[string]vendorFault{
		"200, JSON":        broken(inJSON, "not a token"),
		"JWT, exp past":    broken(jwt(`{"exp":1}`), "the token has expired"),
		"JWT, exp far":     accepted(jwt(`{"exp":99999999999999}`)),
		"JWT, exp a text":  accepted(jwt(`{"exp":"1"}`)),
		"JWT, exp none":    accepted(jwt(`{}`)),
		"JWT, exp no JSON": broken(http11("200 OK", "eyJhbGciOiJub25lIn0.!!.", ""), "not a token"),
	}
}

func customFaults() map[string]vendorFault {
	answer := func(body string) func(net.Conn, int) { return http11("200 OK", body) }
	gives := func(token, more string) func(net.Conn, int) {
		return answer(`{"access_token":"` + token + `"` + more + `}`)
	}
	lives := func(life string) func(net.Conn, int) { return gives("a.b.c", `,"expires_in":`+life) }
	const (
		token, life = "login.answer.access_token: ", "login.life: "
		printable   = token + "must be printable ASCII"
	)
	deep := strings.Repeat(`{"a":`, 1_000_000)
	return map[string]vendorFault{
		"201":                   accepted(http11("201 Created", `{"access_token":"a.b.c","expires_in":1800}`)),
		"200, failure":          refuses(gives("a.b.c", `,"success":false,"m":"`+vendorText+`"`), "it rejects the credentials"),
		"200, no token":         broken(answer(`{"token":"`+vendorText+`"}`), token+"is not in the answer"),
		"200, a number":         accepted(answer(`{"access_token":42,"expires_in":1800}`)),
		"200, a list":           broken(answer(`{"access_token":["`+vendorText+`"]}`), token+"must be a string"),
		"200, twice":            broken(gives("a", `,"access_token":"`+vendorText+`"`), "twice"),
		"200, empty token":      broken(gives("", ""), token+"is empty"),
		"200, a large token":    broken(gives(strings.Repeat("a", 8<<10+1), ""), token+"has more than 8192 bytes"),
		"200, a million deep":   broken(answer(deep), "more than 256 KiB"),
		"200, 50,000 deep":      broken(answer(deep[:250_000]), "JSON"),
		"200, two documents":    broken(answer(`{"access_token":"a"}{}`), "JSON"),
		"308, to http":          broken(http11("308 Moved", "", "Location: http://vendor.invalid/"+vendorText), "a redirect"),
		"308, nowhere":          broken(http11("308 Moved", "", "Location: http://["+vendorText), ""),
		"a NUL in a token":      broken(gives(`a\u0000b`, ""), printable),
		"a line feed in it":     broken(gives(`a\nX-Canary: b`, ""), printable),
		"a space at its end":    broken(gives("a ", ""), printable),
		"a letter beyond ASCII": broken(gives("ä", ""), printable),
		"the secret":            broken(gives("canary-secret", ""), "secret"),
		"the secret, encoded":   broken(gives("Y2FuYXJ5LXNlY3JldA==", ""), "secret"),
		"the secret, in hex":    broken(gives("x63616E6172792D736563726574", ""), "secret"),
		"a life of 0":           broken(lives("0"), life),
		"a life below 0":        broken(lives("-1"), life),
		"a life of 2 s":         broken(lives("2"), "has expired, or is about to"),
		"a life in words":       broken(lives(`"soon"`), life),
		"a life of a list":      broken(lives(`[1800]`), life),
		"a life of a year":      accepted(lives("31536000")),
		"a life of ages":        broken(lives("99999999999999999999"), life),
		"a life with a point":   accepted(lives("1800.9")),
		"a life in a text":      accepted(lives(`"1800"`)),
		"no life at all":        accepted(gives("a.b.c", "")),
	}
}

func infinityFaults() map[string]vendorFault {
	answer := func(body string) func(net.Conn, int) { return http11("200 OK", body) }
	failure := answer(`{"success":false,"message":"` + vendorText + `"}`)
	toHTTP := http11("308 Moved", "", "Location: http://portal.invalid/"+vendorText)
	noToken := answer(`{"success":true,"data":{"csrf":"` + vendorText + `"}}`)
	return map[string]vendorFault{
		"200, failure":     refuses(failure, "status 200: it rejects the credentials"),
		"200, no token":    broken(noToken, "the body has no token"),
		"308, to http":     broken(toHTTP, "a redirect"),
		"expired":          broken(answer(`{"data":{"token":"a.b.c","expiresIn":0}}`), "the token has expired"),
		"a life far away":  accepted(answer(`{"data":{"token":"a.b.c","expiresIn":99999999999999}}`)),
		"no life at all":   accepted(answer(`{"data":{"token":"a.b.c"}}`)),
		"a life in text":   accepted(answer(`{"data":{"token":"a.b.c","expiresIn":"1"}}`)),
		"a NUL in a token": broken(answer(`{"data":{"token":"a\u0000b"}}`), "what it calls a token is not one"),
	}
}

func vendorFaults(t *testing.T, ca authority, v *faultyVendor) map[string]vendorFault {
	t.Helper()
	const (
		refusal, redirect = "rejects the credentials", "a redirect"
		// The vendor is on loopback. internal/exchange has a test for each cause.
		noAnswer = ": on loopback no cause is given; check the port"
		chunked  = okHeaders + "Transfer-Encoding: chunked\r\n\r\n"
	)
	healthy := http11("200 OK", v.body)
	ok := func(body string, headers ...string) func(net.Conn, int) { return http11("200 OK", body, headers...) }
	moved := func(status, to string) vendorFault {
		return broken(http11(status+" Moved", "", "Location: "+to), redirect)
	}
	limited := func(headers ...string) vendorFault {
		slow := http11("429 Slow", vendorText, headers...)
		return vendorFault{serve: slow, status: http.StatusTooManyRequests, says: "too many requests"}
	}
	refused := func(status string) vendorFault {
		return refuses(http11(status, vendorText), "status "+status[:3]+": it "+refusal)
	}
	withTLS := func(config *tls.Config) vendorFault {
		return vendorFault{serve: healthy, tls: config, status: http.StatusBadGateway, says: noAnswer}
	}
	inAnHour := time.Now().Add(time.Hour)
	length := func(bytes int) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n", bytes) }
	zipped := "Content-Encoding: gzip"
	faults := map[string]vendorFault{
		"refused connection": {url: "http://127.0.0.1:1", status: http.StatusBadGateway, says: noAnswer},
		"no such name":       {url: "https://no-such-host.invalid", status: http.StatusBadGateway, says: "DNS"},

		"closed at once":             broken(func(net.Conn, int) {}, noAnswer),
		"hangs before the headers":   broken(hangAfter(""), noAnswer),
		"hangs amid the headers":     broken(hangAfter("HTTP/1.1 200 OK\r\nX-Vendor: "+vendorText), noAnswer),
		"hangs amid the body":        broken(hangAfter(okHeaders+length(1000)+vendorText), noAnswer),
		"one byte a second, headers": broken(repeated("HTTP/1.1 200 OK\r\nX-Vendor: ", []byte("c"), time.Second), noAnswer),
		"one byte a second, body":    broken(repeated(okHeaders+"\r\n", []byte("c"), time.Second), noAnswer),

		"TLS, unknown CA":  withTLS(newAuthority(t).serverConfig(t, "127.0.0.1", inAnHour)),
		"TLS, expired":     withTLS(ca.serverConfig(t, "127.0.0.1", time.Now().Add(-time.Minute))),
		"TLS, wrong name":  withTLS(ca.serverConfig(t, "127.0.0.2", inAnHour)),
		"TLS 1.0":          withTLS(outdated(ca.serverConfig(t, "127.0.0.1", inAnHour))),
		"TLS as it should": {serve: healthy, tls: ca.serverConfig(t, "127.0.0.1", inAnHour), status: http.StatusOK},
		"TLS it does not speak": {
			serve:  func(connection net.Conn, _ int) { _, _ = connection.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) },
			url:    "https",
			status: http.StatusBadGateway,
			says:   noAnswer,
		},

		"200, HTML": broken(ok("<html>"+vendorText, "Content-Type: text/html"),
			v.notToken+" (content type text/html)"),
		"200, empty":       broken(ok(""), v.empty),
		"200, 1 GiB":       broken(repeated(okHeaders+"\r\n", bytes.Repeat([]byte("a"), 1<<20), 0), "more than "+v.size),
		"200, gzip bomb":   broken(ok(zipBomb(), zipped), "more than "+v.size),
		"200, small bomb":  broken(ok(zipBomb()[:1<<10], zipped), v.notToken),
		"NUL in the body":  broken(ok("a.b\x00.c"), v.notToken),
		"line feeds in it": broken(ok("a.b\r\nx-av-sig: c\r\n"), v.notToken),
		"NUL in a header":  broken(ok(v.body, "X-Bad: a\x00b"), noAnswer),
		"a header's end":   broken(ok(v.body, "X-Bad\n: a"), noAnswer),

		"204":                 broken(http11("204 No Content", ""), "status 204"),
		"301, another host":   moved("301", "http://127.0.0.2:1/"+vendorText),
		"307, another host":   moved("307", "http://127.0.0.2:1/"+vendorText),
		"301, to itself":      moved("301", "/v1.0/auth"),
		"307, to itself":      moved("307", "/v1.0/auth"),
		"400":                 refused("400 Bad Request"),
		"401":                 refused("401 Unauthorized"),
		"403":                 refused("403 Forbidden"),
		"429":                 limited(),
		"429, in 9 s":         limited("Retry-After: 9"),
		"429, at a date":      limited("Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"),
		"429, absurdly large": limited("Retry-After: 99999999999999999999"),
		"429, below zero":     limited("Retry-After: -5"),
		"500 once":            accepted(inTurn(http11("500 Oh", vendorText), healthy)),
		"500 always":          broken(http11("500 Oh", vendorText), "status 500"),
		"503":                 broken(http11("503 Oh", vendorText), "status 503"),

		"HTTP/1.0":             accepted(raw("HTTP/1.0 200 OK\r\n\r\n" + v.body)),
		"HTTP/0.9":             broken(raw(v.body), noAnswer),
		"chunks without sizes": broken(raw(chunked+"zz\r\n"+v.body+"\r\n"), noAnswer),
		"chunks without end":   broken(raw(chunked+fmt.Sprintf("%x\r\n", len(v.body))+v.body), noAnswer),
		"a length too long":    broken(raw(okHeaders+length(len(v.body)+1)+v.body), noAnswer),
		"two lengths":          broken(raw(okHeaders+"Content-Length: 5\r\n"+length(6)+v.body), noAnswer),
	}
	maps.Copy(faults, v.faults)
	return faults
}

// inTurn answers the first connection with first, and the others with last.
func inTurn(first, last func(net.Conn, int)) func(net.Conn, int) {
	return func(connection net.Conn, number int) {
		if number == 1 {
			first(connection, number)
			return
		}
		last(connection, number)
	}
}

// start starts the vendor and returns its base URL.
func (f vendorFault) start(t *testing.T) string {
	t.Helper()
	if f.serve == nil {
		return f.url
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	scheme := "http://"
	if f.url != "" || f.tls != nil {
		scheme = "https://"
	}
	address := listener.Addr().String()
	if f.tls != nil {
		listener = tls.NewListener(listener, f.tls)
	}
	number := f.connections
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				f.serve(connection, int(number.Add(1)))
			}()
		}
	}()
	return scheme + address
}

// For every fault of the vendor, a reader gets the right error within request_timeout and a second, or the current JWT
// with a warning if there is one. No answer, warning or log line contains a secret or what the vendor sent.
func TestVendorFaults(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	for _, a := range apis.All() {
		if a.Lease == nil {
			continue
		}
		v := rowOf(t, a).faulty
		require.NotNil(t, v, "add faulty to the row %q in apiRows in backend/every_api_test.go", a.Name)
		for name, fault := range vendorFaults(t, ca, v) {
			t.Run(a.Name+", "+name, func(t *testing.T) {
				t.Parallel()
				fault.connections = new(atomic.Int32)
				tryFault(t, a, v, name, fault, ca)
			})
		}
	}
}

func tryFault(t *testing.T, a *api.API, v *faultyVendor, name string, fault vendorFault, ca authority) {
	t.Helper()
	const timeout = 2 * time.Second
	m := newMount(t)
	path := a.Name + "/us"
	m.write("config/"+path, with(v.config, values{
		"base_url":        fault.start(t),
		"ca_cert":         ca.pem,
		"verify":          false,
		"request_timeout": int(timeout.Seconds()),
	}))
	read := func() (*logical.Response, int, string) {
		began := time.Now()
		resp, status, text := m.handle(logical.ReadOperation, "creds/"+path, nil)
		require.Less(t, time.Since(began), timeout+time.Second)
		return resp, status, text
	}
	resp, status, text := read()
	require.Equal(t, fault.status, status, text)
	require.Contains(t, text, fault.says)
	require.NotContains(t, text, "canary")
	if status == http.StatusOK {
		require.Equal(t, v.life-time.Minute, resp.Secret.TTL.Round(time.Minute))
		return
	}
	require.Contains(t, text, "config/"+path+": ")
	if strings.HasPrefix(name, "429, in") { // the engine must wait as long as Retry-After says
		asked := fault.connections.Load()
		read()
		require.Equal(t, asked, fault.connections.Load())
	}

	current, err := m.requestFor(path).usable(t.Context())
	require.NoError(t, err)
	current.token.Replace(token.Token{
		Value:     "living",
		Values:    map[string]secret.Text{"access_token": "living"},
		AskedAt:   m.time().Add(-55 * time.Minute),
		ExpiresAt: m.time().Add(5 * time.Minute),
		Format:    "zoneless",
	})
	for range 2 {
		resp, _, text = read()
		require.Empty(t, text)
		if given, has := resp.Data["token"]; has {
			require.Equal(t, "living", given)
		} else {
			require.Contains(t, resp.Data["header_lines"], "living")
		}
		require.Equal(t, 270*time.Second, resp.Secret.TTL)
		require.Len(t, resp.Warnings, 1)
		require.Contains(t, resp.Warnings[0], fault.says)
		require.NotContains(t, resp.Warnings[0], "canary")
	}
	m.Cleanup(t.Context())
	require.NotContains(t, m.logged(), "canary")
}

// authority is a test's own CA.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         string
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return authority{certificate, key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
}

// serverConfig returns a TLS configuration with a certificate of the CA for an address, valid until a time.
func (a authority) serverConfig(t *testing.T, address string, until time.Time) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), IPAddresses: []net.IP{net.ParseIP(address)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	require.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func outdated(config *tls.Config) *tls.Config {
	config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS10
	return config
}
