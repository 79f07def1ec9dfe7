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
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

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

func claims(json string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(json)) + "."
}

// zipBomb returns 128 KiB of gzip that decompress to about a thousand times as many zeros.
func zipBomb(t *testing.T) string {
	t.Helper()
	var bomb bytes.Buffer
	zip, err := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
	require.NoError(t, err)
	for zeros := make([]byte, 1<<20); bomb.Len() < 128<<10; {
		_, err := zip.Write(zeros)
		require.NoError(t, err)
	}
	return bomb.String()
}

const okHeaders = "HTTP/1.1 200 OK\r\nX-Vendor: " + vendorText + "\r\n"

// faultyVendor is a vendor whose faults are tried.
type faultyVendor struct {
	name string
	// config is a config for the vendor, except what all have.
	config values
	// body is that of a good answer, of a token that lives for life.
	body string
	life time.Duration
	// empty and notToken are what the engine says of an empty body and of one without a token.
	empty, notToken string
	// faults are the vendor's own, beside those that all have.
	faults map[string]vendorFault
}

func faultyVendors() []faultyVendor {
	return []faultyVendor{
		{
			name: "avanan", config: values{"app_id": "app", "secret_key": "canary-secret", "date_format": "zoneless"},
			body: "a.b.c", life: time.Hour, empty: "the body is empty", notToken: "not a token",
			faults: map[string]vendorFault{
				"200, JSON":        {serve: http11("200 OK", `{"token":"`+vendorText+`"}`, "Content-Type: application/json"), status: 502, says: "not a token"},
				"JWT, exp past":    {serve: http11("200 OK", claims(`{"exp":1}`)), status: 502, says: "the token has expired"},
				"JWT, exp far":     {serve: http11("200 OK", claims(`{"exp":99999999999999}`)), status: 200},
				"JWT, exp a text":  {serve: http11("200 OK", claims(`{"exp":"1"}`)), status: 200},
				"JWT, exp none":    {serve: http11("200 OK", claims(`{}`)), status: 200},
				"JWT, exp no JSON": {serve: http11("200 OK", "eyJhbGciOiJub25lIn0.!!.", ""), status: 502, says: "not a token"},
			},
		},
		{
			name: "infinity", config: values{"client_id": "id", "access_key": "canary-secret"},
			body: `{"success":true,"data":{"token":"a.b.c","csrf":"c","expiresIn":1800}}`, life: 30 * time.Minute,
			empty: "not the JSON of a login", notToken: "not the JSON of a login",
			faults: map[string]vendorFault{
				"200, failure":     {serve: http11("200 OK", `{"success":false,"message":"`+vendorText+`"}`), status: 400, says: "status 200: it rejects the credentials"},
				"200, no token":    {serve: http11("200 OK", `{"success":true,"data":{"csrf":"`+vendorText+`"}}`), status: 502, says: "the body has no token"},
				"308, to http":     {serve: http11("308 Moved", "", "Location: http://portal.invalid/"+vendorText), status: 502, says: "a redirect"},
				"expired":          {serve: http11("200 OK", `{"data":{"token":"a.b.c","expiresIn":0}}`), status: 502, says: "the token has expired"},
				"a life far away":  {serve: http11("200 OK", `{"data":{"token":"a.b.c","expiresIn":99999999999999}}`), status: 200},
				"no life at all":   {serve: http11("200 OK", `{"data":{"token":"a.b.c"}}`), status: 200},
				"a life in text":   {serve: http11("200 OK", `{"data":{"token":"a.b.c","expiresIn":"1"}}`), status: 200},
				"a NUL in a token": {serve: http11("200 OK", `{"data":{"token":"a\u0000b"}}`), status: 502, says: "what it calls a token is not one"},
			},
		},
	}
}

func vendorFaults(t *testing.T, ca authority, v faultyVendor) map[string]vendorFault {
	t.Helper()
	healthy := http11("200 OK", v.body)
	chunked := okHeaders + "Transfer-Encoding: chunked\r\n\r\n"
	const (
		refusal, redirect = "rejects the credentials", "a redirect"
		// The vendor is on loopback. internal/exchange has a test for each cause.
		noAnswer = ": on loopback no cause is given; check the port"
	)
	faults := map[string]vendorFault{
		"refused connection":         {url: "http://127.0.0.1:1", status: 502, says: noAnswer},
		"no such name":               {url: "https://no-such-host.invalid", status: 502, says: "DNS"},
		"closed at once":             {serve: func(net.Conn, int) {}, status: 502, says: noAnswer},
		"hangs before the headers":   {serve: hangAfter(""), status: 502, says: noAnswer},
		"hangs amid the headers":     {serve: hangAfter("HTTP/1.1 200 OK\r\nX-Vendor: " + vendorText), status: 502, says: noAnswer},
		"hangs amid the body":        {serve: hangAfter(okHeaders + "Content-Length: 1000\r\n\r\n" + vendorText), status: 502, says: noAnswer},
		"one byte a second, headers": {serve: repeated("HTTP/1.1 200 OK\r\nX-Vendor: ", []byte("c"), time.Second), status: 502, says: noAnswer},
		"one byte a second, body":    {serve: repeated(okHeaders+"\r\n", []byte("c"), time.Second), status: 502, says: noAnswer},

		"TLS, unknown CA":  {serve: healthy, tls: newAuthority(t).serverConfig(t, "127.0.0.1", time.Now().Add(time.Hour)), status: 502, says: noAnswer},
		"TLS, expired":     {serve: healthy, tls: ca.serverConfig(t, "127.0.0.1", time.Now().Add(-time.Minute)), status: 502, says: noAnswer},
		"TLS, wrong name":  {serve: healthy, tls: ca.serverConfig(t, "127.0.0.2", time.Now().Add(time.Hour)), status: 502, says: noAnswer},
		"TLS 1.0":          {serve: healthy, tls: outdated(ca.serverConfig(t, "127.0.0.1", time.Now().Add(time.Hour))), status: 502, says: noAnswer},
		"TLS as it should": {serve: healthy, tls: ca.serverConfig(t, "127.0.0.1", time.Now().Add(time.Hour)), status: 200},
		"TLS it does not speak": {
			serve: func(connection net.Conn, _ int) { _, _ = connection.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) },
			url:   "https", status: 502, says: noAnswer,
		},

		"200, HTML":        {serve: http11("200 OK", "<html>"+vendorText, "Content-Type: text/html"), status: 502, says: v.notToken + " (content type text/html)"},
		"200, empty":       {serve: http11("200 OK", ""), status: 502, says: v.empty},
		"200, 1 GiB":       {serve: repeated(okHeaders+"\r\n", bytes.Repeat([]byte("a"), 1<<20), 0), status: 502, says: "more than 64 KiB"},
		"200, gzip bomb":   {serve: http11("200 OK", zipBomb(t), "Content-Encoding: gzip"), status: 502, says: "more than 64 KiB"},
		"200, small bomb":  {serve: http11("200 OK", zipBomb(t)[:1<<10], "Content-Encoding: gzip"), status: 502, says: v.notToken},
		"NUL in the body":  {serve: http11("200 OK", "a.b\x00.c"), status: 502, says: v.notToken},
		"line feeds in it": {serve: http11("200 OK", "a.b\r\nx-av-sig: c\r\n"), status: 502, says: v.notToken},
		"NUL in a header":  {serve: http11("200 OK", v.body, "X-Bad: a\x00b"), status: 502, says: noAnswer},
		"a header's end":   {serve: http11("200 OK", v.body, "X-Bad\n: a"), status: 502, says: noAnswer},

		"204":                  {serve: http11("204 No Content", ""), status: 502, says: "status 204"},
		"301, another host":    {serve: http11("301 Moved", "", "Location: http://127.0.0.2:1/"+vendorText), status: 502, says: redirect},
		"307, another host":    {serve: http11("307 Moved", "", "Location: http://127.0.0.2:1/"+vendorText), status: 502, says: redirect},
		"301, to itself":       {serve: http11("301 Moved", "", "Location: /v1.0/auth"), status: 502, says: redirect},
		"307, to itself":       {serve: http11("307 Moved", "", "Location: /v1.0/auth"), status: 502, says: redirect},
		"400":                  {serve: http11("400 Bad Request", vendorText), status: 400, says: "status 400: it " + refusal},
		"401":                  {serve: http11("401 Unauthorized", vendorText), status: 400, says: "status 401: it " + refusal},
		"403":                  {serve: http11("403 Forbidden", vendorText), status: 400, says: "status 403: it " + refusal},
		"429":                  {serve: http11("429 Slow", vendorText), status: 429, says: "too many requests"},
		"429, in 9 s":          {serve: http11("429 Slow", vendorText, "Retry-After: 9"), status: 429, says: "too many requests"},
		"429, at a date":       {serve: http11("429 Slow", vendorText, "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"), status: 429, says: "too many requests"},
		"429, absurdly large":  {serve: http11("429 Slow", vendorText, "Retry-After: 99999999999999999999"), status: 429, says: "too many requests"},
		"429, below zero":      {serve: http11("429 Slow", vendorText, "Retry-After: -5"), status: 429, says: "too many requests"},
		"500 once":             {serve: inTurn(http11("500 Oh", vendorText), healthy), status: 200},
		"500 always":           {serve: http11("500 Oh", vendorText), status: 502, says: "status 500"},
		"503":                  {serve: http11("503 Oh", vendorText), status: 502, says: "status 503"},
		"HTTP/1.0":             {serve: raw("HTTP/1.0 200 OK\r\n\r\n" + v.body), status: 200},
		"HTTP/0.9":             {serve: raw(v.body), status: 502, says: noAnswer},
		"chunks without sizes": {serve: raw(chunked + "zz\r\n" + v.body + "\r\n"), status: 502, says: noAnswer},
		"chunks without end":   {serve: raw(chunked + fmt.Sprintf("%x\r\n", len(v.body)) + v.body), status: 502, says: noAnswer},
		"a length too long":    {serve: raw(okHeaders + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(v.body)+1) + v.body), status: 502, says: noAnswer},
		"two lengths":          {serve: raw(okHeaders + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + v.body), status: 502, says: noAnswer},
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

// For every fault of the vendor, a reader gets the right error within request_timeout and a second, or the current JWT with a
// warning if there is one. No answer, warning or log line contains a secret or what the vendor sent.
func TestVendorFaults(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	for _, v := range faultyVendors() {
		for name, fault := range vendorFaults(t, ca, v) {
			t.Run(v.name+", "+name, func(t *testing.T) {
				t.Parallel()
				fault.connections = new(atomic.Int32)
				tryFault(t, v, name, fault, ca)
			})
		}
	}
}

func tryFault(t *testing.T, v faultyVendor, name string, fault vendorFault, ca authority) {
	t.Helper()
	const timeout = 2 * time.Second
	m := newMount(t)
	path := v.name + "/us"
	m.write("config/"+path, with(v.config, values{
		"base_url": fault.start(t), "ca_cert": ca.pem, "verify": false, "request_timeout": int(timeout.Seconds()),
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

	current, err := m.requestFor(v.name + "/us").usable(t.Context())
	require.NoError(t, err)
	current.token.Replace(token.Token{
		Value: "living", AskedAt: m.time().Add(-55 * time.Minute), ExpiresAt: m.time().Add(5 * time.Minute), Format: "zoneless",
	})
	for range 2 {
		resp, _, text = read()
		require.Empty(t, text)
		require.Equal(t, "living", resp.Data["token"])
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
