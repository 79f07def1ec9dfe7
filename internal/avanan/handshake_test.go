package avanan_test

import (
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/avanan"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// Nothing that a vendor sends, and no secret, may show in an error.
const (
	secretKey    = "canary-secret-key"
	vendorCanary = "canary-of-the-vendor"
)

func newClient() avanan.Client {
	return avanan.Client{Now: time.Now, NewID: func() (string, error) { return uuid.NewString(), nil }}
}

// handshake gives a handshake the time of a patient reader.
func handshake(t *testing.T, account avanan.Account) (avanan.Token, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return newClient().Handshake(ctx, account, "")
}

func account(baseURL string, format avanan.DateFormat) avanan.Account {
	return avanan.Account{
		Credentials: avanan.Credentials{AppID: "US:myapp29", SecretKey: secretKey},
		BaseURL:     baseURL, DateFormat: format,
	}
}

// upstream answers with the nth handler the nth call, with the last one from there on, and keeps the calls' headers.
type upstream struct {
	*httptest.Server
	mu    sync.Mutex
	calls []http.Header
}

func newUpstream(t *testing.T, answers ...http.HandlerFunc) *upstream {
	t.Helper()
	u := &upstream{}
	u.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		u.calls = append(u.calls, r.Header.Clone())
		answer := answers[min(len(u.calls), len(answers))-1]
		u.mu.Unlock()
		answer(w, r)
	}))
	u.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(u.Close)
	return u
}

func (u *upstream) headers() []http.Header {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.calls
}

func status(code int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Vendor", vendorCanary)
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, vendorCanary)
	}
}

func body(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// breakOff promises more than it sends.
func breakOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, vendorCanary)
	panic(http.ErrAbortHandler)
}

// endless sends for as long as it is listened to.
func endless(w http.ResponseWriter, _ *http.Request) {
	for block := strings.Repeat("a", 64<<10); ; {
		if _, err := io.WriteString(w, block); err != nil {
			return
		}
	}
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// Each row is what a server answers, in turn, and what comes of it. The format is fixed, so nothing is discovered.
func TestHandshakeAgainstAnswers(t *testing.T) {
	t.Parallel()
	zipped := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		zip := gzip.NewWriter(w)
		_, _ = io.WriteString(zip, "a.b.c")
		_ = zip.Close()
	}
	elsewhere := newUpstream(t, body("a.b.c"))
	elsewhere.Start()
	for name, test := range map[string]struct {
		answers  []http.HandlerFunc
		kind     avanan.Kind // 0: a token
		status   int
		attempts int
		reason   string
	}{
		"a token":                      {[]http.HandlerFunc{body("a.b.c")}, 0, 0, 1, ""},
		"a token in quotes":            {[]http.HandlerFunc{body("\"a.b.c\"\n")}, 0, 0, 1, ""},
		"500 once":                     {[]http.HandlerFunc{status(500), body("a.b.c")}, 0, 0, 2, ""},
		"503 twice":                    {[]http.HandlerFunc{status(503), status(503), body("a.b.c")}, 0, 0, 3, ""},
		"broken off once":              {[]http.HandlerFunc{breakOff, body("a.b.c")}, 0, 0, 2, ""},
		"limited for a second":         {[]http.HandlerFunc{status(429, "Retry-After", "1"), body("a.b.c")}, 0, 0, 2, ""},
		"400":                          {[]http.HandlerFunc{status(400)}, avanan.Refused, 400, 1, "refuses the credentials"},
		"401":                          {[]http.HandlerFunc{status(401)}, avanan.Refused, 401, 1, "refuses the credentials"},
		"403":                          {[]http.HandlerFunc{status(403)}, avanan.Refused, 403, 1, "refuses the credentials"},
		"429 always":                   {[]http.HandlerFunc{status(429)}, avanan.Limited, 429, 3, "fewer requests"},
		"429 for an hour":              {[]http.HandlerFunc{status(429, "Retry-After", "3600")}, avanan.Limited, 429, 1, "fewer requests"},
		"429 for ages":                 {[]http.HandlerFunc{status(429, "Retry-After", "99999999999")}, avanan.Limited, 429, 1, "fewer requests"},
		"429 to a far date":            {[]http.HandlerFunc{status(429, "Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT")}, avanan.Limited, 429, 1, "fewer requests"},
		"500 always":                   {[]http.HandlerFunc{status(500)}, avanan.Unavailable, 500, 3, "out of order"},
		"502 always":                   {[]http.HandlerFunc{status(502)}, avanan.Unavailable, 502, 3, "out of order"},
		"503 for an hour":              {[]http.HandlerFunc{status(503, "Retry-After", "3600")}, avanan.Unavailable, 503, 1, "out of order"},
		"broken off always":            {[]http.HandlerFunc{breakOff}, avanan.Unavailable, 0, 3, "broke"},
		"201":                          {[]http.HandlerFunc{status(201)}, avanan.Nonsense, 201, 1, "not what a handshake gives"},
		"204":                          {[]http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }}, avanan.Nonsense, 204, 1, "not what a handshake gives"},
		"404":                          {[]http.HandlerFunc{status(404)}, avanan.Nonsense, 404, 1, "not what a handshake gives"},
		"301 to another host":          {[]http.HandlerFunc{status(301, "Location", elsewhere.URL)}, avanan.Nonsense, 301, 1, "redirect"},
		"307 to another host":          {[]http.HandlerFunc{status(307, "Location", elsewhere.URL)}, avanan.Nonsense, 307, 1, "redirect"},
		"302 to itself":                {[]http.HandlerFunc{status(302, "Location", "/v1.0/auth")}, avanan.Nonsense, 302, 1, "redirect"},
		"a web page":                   {[]http.HandlerFunc{body("<html>" + vendorCanary)}, avanan.Nonsense, 200, 1, "no token (content type text/html)"},
		"JSON":                         {[]http.HandlerFunc{body(`{"token":"` + vendorCanary + `"}`)}, avanan.Nonsense, 200, 1, "no token (content type text/plain)"},
		"a strange type":               {[]http.HandlerFunc{status(200, "Content-Type", vendorCanary+"/x")}, 0, 0, 1, ""},
		"nothing":                      {[]http.HandlerFunc{body("")}, avanan.Nonsense, 200, 1, "the body is empty"},
		"64 KiB":                       {[]http.HandlerFunc{body(strings.Repeat("a", 64<<10))}, 0, 0, 1, ""},
		"more than 64 KiB":             {[]http.HandlerFunc{body(strings.Repeat("a", 64<<10+1))}, avanan.Nonsense, 200, 1, "more than 64 KiB"},
		"a body without an end":        {[]http.HandlerFunc{endless}, avanan.Nonsense, 200, 1, "more than 64 KiB"},
		"gzip that nobody asked for":   {[]http.HandlerFunc{zipped}, avanan.Nonsense, 200, 1, "the body is no token"},
		"headers of more than 64 KiB":  {[]http.HandlerFunc{status(200, "X-Long", strings.Repeat("a", 65<<10))}, avanan.Unavailable, 0, 3, "broke"},
		"a token that has expired":     {[]http.HandlerFunc{body("eyJhbGciOiJub25lIn0.eyJleHAiOjF9.")}, avanan.Nonsense, 200, 1, "expired already"},
		"a token with a line break in": {[]http.HandlerFunc{body("a.b\r\n.c")}, avanan.Nonsense, 200, 1, "the body is no token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newUpstream(t, test.answers...)
			server.Start()
			token, err := handshake(t, account(server.URL, avanan.Zoneless))
			require.Len(t, server.headers(), test.attempts)
			if test.kind == 0 {
				require.NoError(t, err)
				require.NotEmpty(t, token.JWT)
				require.Equal(t, avanan.Zoneless, token.DateFormat)
				require.WithinDuration(t, time.Now().Add(time.Hour), token.ExpiresAt, time.Minute)
				return
			}
			requireFailure(t, err, test.kind, test.status, test.reason)
			require.Zero(t, token)
		})
	}
	require.Empty(t, elsewhere.headers())
}

func requireFailure(t *testing.T, err error, kind avanan.Kind, status int, reason string) {
	t.Helper()
	var failure *avanan.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, kind, failure.Kind)
	require.Equal(t, status, failure.Status)
	require.NotEmpty(t, failure.Host)
	require.ErrorContains(t, err, failure.Host)
	require.ErrorContains(t, err, reason)
	require.NotContains(t, err.Error(), "canary")
}

// The attempts of one handshake differ in id and date, lest a retry look like a replay, and carry the five headers.
func TestHandshakeSignsEachAttemptAnew(t *testing.T) {
	t.Parallel()
	server := newUpstream(t, status(500), status(500), body("a.b.c"))
	server.Start()
	_, err := handshake(t, account(server.URL, avanan.Zoneless))
	require.NoError(t, err)
	ids, dates := map[string]bool{}, map[string]bool{}
	for _, header := range server.headers() {
		ids[header.Get("x-av-req-id")] = true
		dates[header.Get("x-av-date")] = true
		require.Equal(t, "US:myapp29", header.Get("x-av-app-id"))
		require.Regexp(t, "^[0-9a-f]{64}$", header.Get("x-av-sig"))
		require.Equal(t, []string{""}, header.Values("x-av-token"))
	}
	require.Len(t, ids, 3)
	require.Len(t, dates, 3)
}

// A pause that the vendor asks for is kept where there is time for it.
func TestHandshakeHonoursRetryAfter(t *testing.T) {
	t.Parallel()
	server := newUpstream(t, status(429, "Retry-After", "1"), body("a.b.c"))
	server.Start()
	began := time.Now()
	_, err := handshake(t, account(server.URL, avanan.Zoneless))
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(began), time.Second)
}

// What the vendor asks for is told to whoever waits for it: seconds or a date, however far; nonsense is nothing.
func TestHandshakeTellsRetryAfter(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for header, want := range map[string][2]time.Duration{ // from, to
		"3600":                 {time.Hour, time.Hour},
		"99999999999":          {24 * time.Hour, math.MaxInt64},
		in(time.Hour):          {59 * time.Minute, time.Hour},
		in(10_000 * time.Hour): {9_999 * time.Hour, 10_000 * time.Hour},
		in(-time.Hour):         {0, 0},
		"-5":                   {0, 0},
		"soon":                 {0, 0},
		"1e9":                  {0, 0},
	} {
		server := newUpstream(t, status(429, "Retry-After", header))
		server.Start()
		_, err := handshake(t, account(server.URL, avanan.Zoneless))
		var failure *avanan.Error
		require.ErrorAs(t, err, &failure)
		require.GreaterOrEqual(t, failure.RetryAfter, want[0], header)
		require.LessOrEqual(t, failure.RetryAfter, want[1], header)
	}
}

// The deadline covers the retries, and no pause is begun that it would cut short.
func TestHandshakeKeepsToTheDeadline(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answers  []http.HandlerFunc
		status   int
		reason   string
		attempts int
	}{
		"an answer that never comes":   {[]http.HandlerFunc{hang}, 0, "longer than request_timeout", 1},
		"a body that never ends":       {[]http.HandlerFunc{slowly}, 0, "longer than request_timeout", 1},
		"a retry that never comes":     {[]http.HandlerFunc{status(500), hang}, 0, "longer than request_timeout", 2},
		"an error with an endless end": {[]http.HandlerFunc{slowError}, 500, "out of order", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newUpstream(t, test.answers...)
			server.Start()
			ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
			defer cancel()
			began := time.Now()
			_, err := newClient().Handshake(ctx, account(server.URL, avanan.Zoneless), "")
			requireFailure(t, err, avanan.Unavailable, test.status, test.reason)
			require.Less(t, time.Since(began), 5*time.Second)
			require.Len(t, server.headers(), test.attempts)
		})
	}
}

// slowly sends the beginning of a body and then nothing.
func slowly(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, "a.b.c")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func slowError(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusInternalServerError)
	slowly(w, r)
}

// The stand-in checks what is sent; the rows say how many calls discovery costs and what is found.
func TestHandshakeDiscoversTheDateFormat(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		dates      sandbox.Dates
		format     avanan.DateFormat
		secretKey  secret.Text
		appID      string
		found      avanan.DateFormat // "" for a refusal
		handshakes int
		status     int
	}{
		"auto finds zoneless":                  {sandbox.Zoneless, avanan.Auto, secretKey, "US:myapp29", avanan.Zoneless, 2, 0},
		"auto finds zulu":                      {sandbox.Zulu, avanan.Auto, secretKey, "US:myapp29", avanan.Zulu, 1, 0},
		"auto takes the documented one first":  {sandbox.Both, avanan.Auto, secretKey, "US:myapp29", avanan.Zulu, 1, 0},
		"zoneless is kept to":                  {sandbox.Zoneless, avanan.Zoneless, secretKey, "US:myapp29", avanan.Zoneless, 1, 0},
		"zulu is kept to":                      {sandbox.Zulu, avanan.Zulu, secretKey, "US:myapp29", avanan.Zulu, 1, 0},
		"zoneless where zulu is wanted":        {sandbox.Zulu, avanan.Zoneless, secretKey, "US:myapp29", "", 1, 400},
		"a wrong secret, zoneless wanted":      {sandbox.Zoneless, avanan.Auto, "canary-wrong", "US:myapp29", "", 2, 403},
		"a wrong secret, zulu wanted":          {sandbox.Zulu, avanan.Auto, "canary-wrong", "US:myapp29", "", 1, 403},
		"an unknown app, zoneless wanted":      {sandbox.Zoneless, avanan.Auto, secretKey, "US:other", "", 2, 400},
		"an unknown app, zulu wanted":          {sandbox.Zulu, avanan.Auto, secretKey, "US:other", "", 2, 400},
		"a secret that is not ASCII":           {sandbox.Zoneless, avanan.Auto, "geheim-Schlüssel", "US:myapp29", avanan.Zoneless, 2, 0},
		"zulu where zoneless is wanted fails":  {sandbox.Zoneless, avanan.Zulu, secretKey, "US:myapp29", "", 3, 500},
		"zoneless where both are taken is one": {sandbox.Both, avanan.Zoneless, secretKey, "US:myapp29", avanan.Zoneless, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			behaviour := sandbox.Default()
			behaviour.AvananAppID, behaviour.AvananSecretKey, behaviour.AvananDates = "US:myapp29", secretKey, test.dates
			if !strings.HasPrefix(test.secretKey.Reveal(), "canary") {
				behaviour.AvananSecretKey = test.secretKey.Reveal()
			}
			vendor := sandbox.New(behaviour, time.Now, io.Discard)
			server := httptest.NewServer(vendor)
			t.Cleanup(server.Close)
			with := account(server.URL, test.format)
			with.SecretKey, with.AppID = test.secretKey, test.appID
			token, err := handshake(t, with)
			require.Equal(t, test.handshakes, vendor.Handshakes())
			if test.found == "" {
				var failure *avanan.Error
				require.ErrorAs(t, err, &failure)
				require.Equal(t, test.status, failure.Status)
				require.NotContains(t, err.Error(), "canary")
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.found, token.DateFormat)
		})
	}
}

// What worked last is tried first, and where it works no longer, the other one.
func TestHandshakeTriesFirstWhatWorkedLast(t *testing.T) {
	t.Parallel()
	for first, handshakes := range map[avanan.DateFormat]map[sandbox.Dates]int{
		avanan.Zoneless: {sandbox.Zoneless: 1, sandbox.Both: 1, sandbox.Zulu: 2},
		avanan.Zulu:     {sandbox.Zulu: 1, sandbox.Both: 1, sandbox.Zoneless: 2},
		"":              {sandbox.Zulu: 1, sandbox.Both: 1, sandbox.Zoneless: 2},
	} {
		for dates, want := range handshakes {
			behaviour := sandbox.Default()
			behaviour.AvananAppID, behaviour.AvananSecretKey, behaviour.AvananDates = "US:myapp29", secretKey, dates
			vendor := sandbox.New(behaviour, time.Now, io.Discard)
			server := httptest.NewServer(vendor)
			t.Cleanup(server.Close)
			_, err := newClient().Handshake(t.Context(), account(server.URL, avanan.Auto), first)
			require.NoError(t, err)
			require.Equal(t, want, vendor.Handshakes(), "%q against %q", first, dates)
		}
	}
}

// In discovery a 500 has the other format tried before any retry; a refusal outweighs an outage as the answer.
func TestHandshakeDiscoveryWeighsAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answers  []http.HandlerFunc
		kind     avanan.Kind
		status   int
		attempts int
	}{
		"500 to both, then well":     {[]http.HandlerFunc{status(500), status(500), body("a.b.c")}, 0, 0, 3},
		"500 always":                 {[]http.HandlerFunc{status(500)}, avanan.Unavailable, 500, 4},
		"400, then 500":              {[]http.HandlerFunc{status(400), status(500)}, avanan.Refused, 400, 4},
		"500, then 400":              {[]http.HandlerFunc{status(500), status(400)}, avanan.Refused, 400, 2},
		"403 is no matter of format": {[]http.HandlerFunc{status(403)}, avanan.Refused, 403, 1},
		"503 is no matter of format": {[]http.HandlerFunc{status(503)}, avanan.Unavailable, 503, 3},
		"500, then limited":          {[]http.HandlerFunc{status(500), status(429, "Retry-After", "3600")}, avanan.Limited, 429, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newUpstream(t, test.answers...)
			server.Start()
			_, err := handshake(t, account(server.URL, avanan.Auto))
			require.Len(t, server.headers(), test.attempts)
			if test.kind == 0 {
				require.NoError(t, err)
				return
			}
			requireFailure(t, err, test.kind, test.status, "")
		})
	}
}

func TestHandshakeOverTLS(t *testing.T) {
	t.Parallel()
	server := newUpstream(t, body("a.b.c"))
	server.StartTLS()
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	trusting := account(server.URL, avanan.Zoneless)
	trusting.CACert = certificate

	_, err := handshake(t, account(server.URL, avanan.Zoneless))
	requireFailure(t, err, avanan.Unavailable, 0, "its certificate is not trusted")
	require.Empty(t, server.headers())

	_, err = handshake(t, trusting)
	require.NoError(t, err)

	// The certificate of httptest is for 127.0.0.1 and example.com, not for localhost.
	misnamed := trusting
	misnamed.BaseURL = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	_, err = handshake(t, misnamed)
	requireFailure(t, err, avanan.Unavailable, 0, "for another name")

	damaged := trusting
	damaged.CACert = "no certificate"
	_, err = handshake(t, damaged)
	require.ErrorContains(t, err, "ca_cert")

	old := newUpstream(t, body("a.b.c"))
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.StartTLS()
	outdated := trusting
	outdated.BaseURL = old.URL
	_, err = handshake(t, outdated)
	requireFailure(t, err, avanan.Unavailable, 0, "TLS")

	plain := newUpstream(t, body("a.b.c"))
	plain.Start()
	_, err = handshake(t, account(strings.Replace(plain.URL, "http", "https", 1), avanan.Zoneless))
	requireFailure(t, err, avanan.Unavailable, 0, "TLS")
}

func TestHandshakeWithoutAServer(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	_, err = handshake(t, account("http://"+listener.Addr().String(), avanan.Zoneless))
	requireFailure(t, err, avanan.Unavailable, 0, "the connection could not be made")

	_, err = handshake(t, account("http://no-such-host.invalid", avanan.Zoneless))
	requireFailure(t, err, avanan.Unavailable, 0, "DNS")

	_, err = handshake(t, account("http://[::1", avanan.Zoneless))
	require.ErrorContains(t, err, "base URL")
}

// Some of what the transport says about a bad answer quotes it.
func TestHandshakeDoesNotQuoteABadAnswer(t *testing.T) {
	t.Parallel()
	server := newUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(connection, vendorCanary+"\r\n\r\n")
		_ = connection.Close()
	})
	server.Start()
	_, err := handshake(t, account(server.URL, avanan.Zoneless))
	requireFailure(t, err, avanan.Unavailable, 0, "does not speak HTTP")
}

func TestHandshakeWithoutAnID(t *testing.T) {
	t.Parallel()
	client := newClient()
	client.NewID = func() (string, error) { return "", io.ErrUnexpectedEOF }
	_, err := client.Handshake(t.Context(), account("http://127.0.0.1:1", avanan.Zoneless), "")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// childAddress names the server that a test's process of its own is to call, and childRoots what it is to trust.
const (
	childAddress = "AVANAN_TEST_CHILD_ADDRESS"
	childRoots   = "AVANAN_TEST_CHILD_ROOTS"
)

// inAChild does a handshake in a process with an environment of its own, for what a process reads there once, and returns
// what it prints. The child is the test that calls this, so whatever that does before, it does too.
func inAChild(t *testing.T, address, roots string, environ ...string) string {
	t.Helper()
	if called := os.Getenv(childAddress); called != "" {
		trusting := account(called, avanan.Zoneless)
		trusting.CACert = os.Getenv(childRoots)
		token, err := handshake(t, trusting)
		fmt.Printf("child: %s %v\n", token.JWT.Reveal(), err)
		os.Exit(0)
	}
	command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	command.Env = append(os.Environ(), append(environ, childAddress+"="+address, childRoots+"="+roots)...)
	printed, err := command.CombinedOutput()
	require.NoError(t, err, string(printed))
	return string(printed)
}

// Loopback never goes through a proxy, so the vendor is a name that only the proxy knows.
func TestHandshakeGoesThroughTheProxy(t *testing.T) {
	t.Parallel()
	proxy := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "from.proxy."+r.Host)
	})
	proxy.Start()
	printed := inAChild(t, "http://vendor.invalid", "", "HTTP_PROXY="+proxy.URL, "http_proxy="+proxy.URL, "NO_PROXY=", "no_proxy=")
	require.Contains(t, printed, "child: from.proxy.vendor.invalid <nil>")
}

// What ca_cert names is trusted beside the system's roots, which SSL_CERT_FILE makes another certificate here.
func TestHandshakeTrustsTheSystemsRootsToo(t *testing.T) {
	t.Parallel()
	if os.Getenv(childAddress) != "" {
		inAChild(t, "", "")
	}
	systems, configured := newUpstream(t, body("a.b.c")), newUpstream(t, body("a.b.c"))
	systemsPEM, configuredPEM := startWithItsOwnCertificate(t, systems), startWithItsOwnCertificate(t, configured)
	file := filepath.Join(t.TempDir(), "roots.pem")
	require.NoError(t, os.WriteFile(file, []byte(systemsPEM), 0o600))
	for _, server := range []*upstream{systems, configured} {
		printed := inAChild(t, server.URL, configuredPEM, "SSL_CERT_FILE="+file, "SSL_CERT_DIR="+t.TempDir())
		require.Contains(t, printed, "child: a.b.c <nil>")
	}
	require.Contains(t, inAChild(t, configured.URL, "", "SSL_CERT_FILE="+file, "SSL_CERT_DIR="+t.TempDir()), "its certificate is not trusted")
}

// startWithItsOwnCertificate starts a server with TLS and returns its certificate, which it made for itself.
func startWithItsOwnCertificate(t *testing.T, server *upstream) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
