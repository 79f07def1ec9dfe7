package exchange_test

import (
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/upstreamtest"
)

// Nothing that a vendor sends, and no secret, may show in an error.
const secretKey = "canary-secret-key"

// client has pauses that tests need not wait for, and gives causes although the servers are on loopback.
func client() exchange.Client { return paused(time.Millisecond) }

func paused(pause time.Duration) exchange.Client {
	return exchange.Remote(exchange.Client{Now: time.Now, Pause: pause})
}

// request is a call of a server, with a secret in its headers.
func request(url string) exchange.Request {
	return exchange.Request{Make: func(time.Time) (exchange.Attempt, error) {
		return exchange.Attempt{Method: http.MethodGet, URL: url + "/login", Header: http.Header{"X-Key": {secretKey}}}, nil
	}}
}

// counted is a request that counts its attempts.
func counted(request exchange.Request, attempts *int) exchange.Request {
	uncounted := request.Make
	request.Make = func(at time.Time) (exchange.Attempt, error) {
		*attempts++
		return uncounted(at)
	}
	return request
}

// do gives an exchange the time of a patient reader.
func do(t *testing.T, request exchange.Request) (exchange.Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return client().Do(ctx, request)
}

// breakOff promises more than it sends.
func breakOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, upstreamtest.Canary)
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

// hang reads the request, so that it learns when the client hangs up, and never answers.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// Each row is what a server answers, in turn, and what the exchange makes of it.
func TestAnswers(t *testing.T) {
	t.Parallel()
	zipped := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		zip := gzip.NewWriter(w)
		_, _ = io.WriteString(zip, "a.b.c")
		_ = zip.Close()
	}
	elsewhere := upstreamtest.New(t, upstreamtest.Body("a.b.c"))
	elsewhere.Start()
	type answers []http.HandlerFunc
	long := strings.Repeat("a", 65<<10)
	status, body := upstreamtest.Status, upstreamtest.Body
	empty := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
	const (
		refused     = exchange.Refused
		limited     = exchange.Limited
		unavailable = exchange.Unavailable
		nonsense    = exchange.Nonsense
		credentials = "rejects the credentials"
		many        = "too many requests"
		farDate     = "Fri, 31 Dec 9999 23:59:59 GMT"
	)
	for name, test := range map[string]struct {
		answers  answers
		kind     exchange.Kind // 0: an answer
		status   int
		attempts int
		reason   string
	}{
		"200":                         {answers{body("a.b.c")}, 0, 0, 1, ""},
		"500 once":                    {answers{status(500), body("a.b.c")}, 0, 0, 2, ""},
		"503 twice":                   {answers{status(503), status(503), body("a.b.c")}, 0, 0, 3, ""},
		"broken off once":             {answers{breakOff, body("a.b.c")}, 0, 0, 2, ""},
		"limited once":                {answers{status(429), body("a.b.c")}, 0, 0, 2, ""},
		"400":                         {answers{status(400)}, refused, 400, 1, credentials},
		"401":                         {answers{status(401)}, refused, 401, 1, credentials},
		"403":                         {answers{status(403)}, refused, 403, 1, credentials},
		"429 always":                  {answers{status(429)}, limited, 429, 3, many},
		"429 for an hour":             {answers{status(429, "Retry-After", "3600")}, limited, 429, 1, many},
		"429 for ages":                {answers{status(429, "Retry-After", "99999999999999999999")}, limited, 429, 1, many},
		"429 to a far date":           {answers{status(429, "Retry-After", farDate)}, limited, 429, 1, many},
		"500 always":                  {answers{status(500)}, unavailable, 500, 3, "server error"},
		"502 always":                  {answers{status(502)}, unavailable, 502, 3, "server error"},
		"500 for an hour":             {answers{status(500, "Retry-After", "3600")}, unavailable, 500, 1, "server error"},
		"broken off always":           {answers{breakOff}, unavailable, 0, 3, "broke"},
		"201":                         {answers{status(201)}, nonsense, 201, 1, "unexpected status"},
		"204":                         {answers{empty}, nonsense, 204, 1, "unexpected status"},
		"404":                         {answers{status(404)}, nonsense, 404, 1, "check the address and the path"},
		"405":                         {answers{status(405)}, nonsense, 405, 1, "check the address and the path"},
		"301 to another host":         {answers{status(301, "Location", elsewhere.URL)}, nonsense, 301, 1, "redirect"},
		"307 to another host":         {answers{status(307, "Location", elsewhere.URL)}, nonsense, 307, 1, "redirect"},
		"308 to another host":         {answers{status(308, "Location", elsewhere.URL)}, nonsense, 308, 1, "redirect"},
		"302 to itself":               {answers{status(302, "Location", "/login")}, nonsense, 302, 1, "redirect"},
		"64 KiB":                      {answers{body(strings.Repeat("a", 64<<10))}, 0, 0, 1, ""},
		"more than 64 KiB":            {answers{body(strings.Repeat("a", 64<<10+1))}, nonsense, 200, 1, "more than 64 KiB"},
		"a body without an end":       {answers{endless}, nonsense, 200, 1, "more than 64 KiB"},
		"gzip that nobody asked for":  {answers{zipped}, 0, 0, 1, ""},
		"headers of more than 64 KiB": {answers{status(200, "X-Long", long)}, unavailable, 0, 3, "broke"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := upstreamtest.New(t, test.answers...)
			server.Start()
			answer, err := do(t, request(server.URL))
			require.Len(t, server.Headers(), test.attempts)
			for _, header := range server.Headers() {
				require.Equal(t, secretKey, header.Get("X-Key"))
				require.Empty(t, header.Get("Accept-Encoding"), "what is unpacked can be large")
			}
			if test.kind == 0 {
				require.NoError(t, err)
				require.NotEmpty(t, answer.Body)
				require.Equal(t, strings.TrimPrefix(server.URL, "http://"), answer.Host)
				return
			}
			requireFailure(t, err, test.kind, test.status, test.reason)
			require.Zero(t, answer)
		})
	}
	require.Empty(t, elsewhere.Headers())
}

func requireFailure(t *testing.T, err error, kind exchange.Kind, status int, reason string) {
	t.Helper()
	var failure *exchange.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, kind, failure.Kind)
	require.Equal(t, status, failure.Status)
	require.NotEmpty(t, failure.Host)
	require.ErrorContains(t, err, failure.Host)
	require.ErrorContains(t, err, reason)
	require.NotContains(t, err.Error(), "canary")
}

func TestStatusesOfNoRetryAreNotRetried(t *testing.T) {
	t.Parallel()
	server := upstreamtest.New(t, upstreamtest.Status(503), upstreamtest.Status(500), upstreamtest.Body("a.b.c"))
	server.Start()
	once := request(server.URL)
	once.NoRetry = []int{500}
	_, err := do(t, once)
	requireFailure(t, err, exchange.Unavailable, 500, "server error")
	require.Len(t, server.Headers(), 2, "the 503 was retried")
}

// The media type of an answer is quoted only if it is a usual one: a header is the vendor's text.
func TestContentTypesOfTheVendorAreNotQuoted(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"text/html; charset=utf-8": "text/html",
		"application/json":         "application/json",
		"text/plain":               "text/plain",
		"application/jwt":          "application/jwt",
		upstreamtest.Canary + "/x": "other",
		";" + upstreamtest.Canary:  "unknown",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			server := upstreamtest.New(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", sent)
				_, _ = io.WriteString(w, "a.b.c")
			})
			server.Start()
			answer, err := do(t, request(server.URL))
			require.NoError(t, err)
			require.Equal(t, want, answer.ContentType)
			failure := answer.Nonsense("not a token")
			require.EqualError(t, failure, answer.Host+" answered with status 200: not a token (content type "+want+")")
			require.Equal(t, exchange.Nonsense, failure.Kind)
		})
	}
}

// Each attempt of one exchange is made anew, and the answer says when the last was sent.
func TestEachAttemptIsMadeAnew(t *testing.T) {
	t.Parallel()
	var sent []string
	note := func(next http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			sent = append(sent,
				fmt.Sprintf("%s %s %s %d %s", r.Method, r.URL, r.Header.Get("X-Attempt"), r.ContentLength, body))
			next(w, r)
		}
	}
	server := upstreamtest.New(t,
		note(upstreamtest.Status(500)), note(upstreamtest.Status(500)), note(upstreamtest.Body("a.b.c")))
	server.Start()
	attempts := 0
	var last time.Time
	answer, err := do(t, exchange.Request{Make: func(at time.Time) (exchange.Attempt, error) {
		last = at
		attempts++
		number := strings.Repeat("I", attempts)
		return exchange.Attempt{
			Method: []string{http.MethodPost, http.MethodPut, http.MethodPost}[attempts-1],
			URL:    server.URL + "/login?attempt=" + number,
			Header: http.Header{"X-Attempt": {number}},
			Body:   []byte([]string{"body " + number, "another body", ""}[attempts-1]),
		}, nil
	}})
	require.NoError(t, err)
	require.Equal(t, last, answer.Asked)
	require.False(t, answer.Answered.Before(answer.Asked))
	require.Equal(t, []string{
		"POST /login?attempt=I I 6 body I", "PUT /login?attempt=II II 12 another body", "POST /login?attempt=III III 0 ",
	}, sent)
}

// All attempts of an exchange go to one host: it was checked for the first.
func TestAttemptAtAnotherHostIsNotSent(t *testing.T) {
	t.Parallel()
	server, other := upstreamtest.New(t, upstreamtest.Status(500)), upstreamtest.New(t, upstreamtest.Status(500))
	server.Start()
	other.Start()
	hosts := []string{server.URL, other.URL}
	_, err := do(t, exchange.Request{Make: func(time.Time) (exchange.Attempt, error) {
		url := hosts[0]
		hosts = hosts[1:]
		return exchange.Attempt{Method: http.MethodGet, URL: url}, nil
	}})
	require.EqualError(t, err, "the URL cannot be used")
	require.Len(t, server.Headers(), 1)
	require.Empty(t, other.Headers())
}

// An attempt that cannot be made ends the exchange, the first or a later one.
func TestAttemptsThatCannotBeMade(t *testing.T) {
	t.Parallel()
	for name, good := range map[string]int{"of the first attempt": 0, "of the second attempt": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := upstreamtest.New(t, upstreamtest.Status(500))
			server.Start()
			failing := request(server.URL)
			attempts, made := 0, failing.Make
			failing.Make = func(at time.Time) (exchange.Attempt, error) {
				if attempts++; attempts > good {
					return exchange.Attempt{}, io.ErrUnexpectedEOF
				}
				return made(at)
			}
			_, err := do(t, failing)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.Len(t, server.Headers(), good)
		})
	}
}

// The vendor's clock is in the answer, and in a failure; not where a cache answered or the header cannot be read.
func TestDateOfTheVendor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		headers []string
		want    string
	}{
		"a date":         {[]string{"Date", "Fri, 02 Jan 2026 03:04:05 GMT"}, "2026-01-02T03:04:05Z"},
		"from a cache":   {[]string{"Date", "Fri, 02 Jan 2026 03:04:05 GMT", "Age", "0"}, "0001-01-01T00:00:00Z"},
		"no date at all": {[]string{"Date", upstreamtest.Canary}, "0001-01-01T00:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for code := range map[int]bool{200: true, 403: true} {
				server := upstreamtest.New(t, upstreamtest.Status(code, test.headers...))
				server.Start()
				answer, err := do(t, request(server.URL))
				timing := answer.Timing
				if failure, is := errors.AsType[*exchange.Error](err); is {
					timing = failure.Timing
				}
				require.Equal(t, test.want, timing.Date.Format(time.RFC3339))
				require.False(t, timing.Asked.IsZero())
			}
		})
	}
}

// A pause that the vendor asks for is kept where there is time for it.
func TestRetryAfterIsKept(t *testing.T) {
	t.Parallel()
	server := upstreamtest.New(t, upstreamtest.Status(429, "Retry-After", "1"), upstreamtest.Body("a.b.c"))
	server.Start()
	before := time.Now()
	_, err := do(t, request(server.URL))
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(before), time.Second)
}

// What the vendor asks for is in the error of any status: seconds or a date, a day at most. What cannot be read counts
// as nothing.
func TestRetryAfterIsTold(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for header, want := range map[string][2]time.Duration{ // from, to
		"3600":                 {time.Hour, time.Hour},
		"86400":                {24 * time.Hour, 24 * time.Hour},
		"86401":                {24 * time.Hour, 24 * time.Hour},
		"9223372037":           {24 * time.Hour, 24 * time.Hour}, // more than an int64 of nanoseconds
		"99999999999999999999": {24 * time.Hour, 24 * time.Hour},
		in(time.Hour):          {59 * time.Minute, time.Hour},
		in(10_000 * time.Hour): {24 * time.Hour, 24 * time.Hour},
		in(-time.Hour):         {0, 0},
		"-5":                   {0, 0},
		"soon":                 {0, 0},
		"1e9":                  {0, 0},
		"":                     {0, 0},
	} {
		t.Run(fmt.Sprintf("%q", header), func(t *testing.T) {
			t.Parallel()
			for code := range map[int]bool{403: true, 404: true, 429: true, 500: true, 503: true} {
				server := upstreamtest.New(t, upstreamtest.Status(code, "Retry-After", header))
				server.Start()
				_, err := do(t, request(server.URL))
				var failure *exchange.Error
				require.ErrorAs(t, err, &failure)
				require.GreaterOrEqual(t, failure.RetryDelay(), want[0], "%d %s", code, header)
				require.LessOrEqual(t, failure.RetryDelay(), want[1], "%d %s", code, header)
			}
		})
	}
}

// Without a Retry-After the pause doubles: a refused connection and a name that cannot be resolved for now are tried
// again, not sooner than after their pause.
func TestPausesDouble(t *testing.T) {
	t.Parallel()
	const pause = 40 * time.Millisecond
	attempts := 0
	before := time.Now()
	// Nobody listens on port 1.
	_, err := paused(pause).Do(t.Context(), counted(request("http://127.0.0.1:1"), &attempts))
	requireFailure(t, err, exchange.Unavailable, 0, "could not connect")
	require.Equal(t, 3, attempts)
	require.GreaterOrEqual(t, time.Since(before), 3*pause)
}

// The zero value pauses for 250 ms, and then for 500.
func TestDefaultPause(t *testing.T) {
	t.Parallel()
	server := upstreamtest.New(t, upstreamtest.Status(500))
	server.Start()
	before := time.Now()
	_, err := exchange.Client{Now: time.Now}.Do(t.Context(), request(server.URL))
	requireFailure(t, err, exchange.Unavailable, 500, "server error")
	require.GreaterOrEqual(t, time.Since(before), 750*time.Millisecond)
}

// The deadline covers the retries, and no pause is begun that it would cut short.
func TestDeadlineCoversRetries(t *testing.T) {
	t.Parallel()
	type answers []http.HandlerFunc
	const tooLong, serverError = "longer than request_timeout", "server error"
	status := upstreamtest.Status
	for name, test := range map[string]struct {
		answers  answers
		pause    time.Duration
		status   int
		reason   string
		attempts int
	}{
		"an answer that never comes":         {answers{hang}, 1, 0, tooLong, 1},
		"a body that never ends":             {answers{slowly}, 1, 0, tooLong, 1},
		"a retry that never comes":           {answers{status(500), hang}, 1, 0, tooLong, 2},
		"an error with an endless end":       {answers{slowError}, 50 * time.Millisecond, 500, serverError, 1},
		"a pause beyond it":                  {answers{status(500)}, time.Minute, 500, serverError, 1},
		"a second pause beyond it":           {answers{status(500)}, 400 * time.Millisecond, 500, serverError, 2},
		"a broken connection, no time":       {answers{breakOff}, time.Minute, 0, "broke", 1},
		"a Retry-After beyond it, 503":       {answers{status(503, "Retry-After", "60")}, 1, 503, serverError, 1},
		"a Retry-After beyond it, limited":   {answers{status(429, "Retry-After", "60")}, 1, 429, "too many requests", 1},
		"an answer that never comes, at all": {answers{hang}, time.Minute, 0, tooLong, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := upstreamtest.New(t, test.answers...)
			server.Start()
			ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
			defer cancel()
			before := time.Now()
			_, err := paused(test.pause).Do(ctx, request(server.URL))
			requireFailure(t, err, kindOf(test.status), test.status, test.reason)
			require.Less(t, time.Since(before), 10*time.Second)
			require.Len(t, server.Headers(), test.attempts)
		})
	}
}

func kindOf(status int) exchange.Kind {
	if status == http.StatusTooManyRequests {
		return exchange.Limited
	}
	return exchange.Unavailable
}

// slowly sends the beginning of a body and then nothing.
func slowly(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, "a.b.c")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func slowError(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusInternalServerError)
	slowly(w, r)
}

func TestTLS(t *testing.T) {
	t.Parallel()
	server := upstreamtest.New(t, upstreamtest.Body("a.b.c"))
	server.StartTLS()
	trusting := request(server.URL)
	trusting.CACert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))

	_, err := do(t, request(server.URL))
	requireFailure(t, err, exchange.Unavailable, 0, "its certificate is not trusted")
	require.Empty(t, server.Headers())

	_, err = do(t, trusting)
	require.NoError(t, err)

	// The certificate of httptest is for 127.0.0.1 and example.com, not for localhost.
	misnamed := trusting
	misnamed.Make = request(strings.Replace(server.URL, "127.0.0.1", "localhost", 1)).Make
	_, err = do(t, misnamed)
	requireFailure(t, err, exchange.Unavailable, 0, "for another name")

	damaged := trusting
	damaged.CACert = "no certificate"
	_, err = do(t, damaged)
	require.ErrorContains(t, err, "ca_cert")

	old := upstreamtest.New(t, upstreamtest.Body("a.b.c"))
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.StartTLS()
	outdated := trusting
	outdated.Make = request(old.URL).Make
	_, err = do(t, outdated)
	requireFailure(t, err, exchange.Unavailable, 0, "TLS: handshake failed")

	plain := upstreamtest.New(t, upstreamtest.Body("a.b.c"))
	plain.Start()
	_, err = do(t, request(strings.Replace(plain.URL, "http", "https", 1)))
	requireFailure(t, err, exchange.Unavailable, 0, "TLS: the server does not speak TLS")
}

func TestWithoutAServer(t *testing.T) {
	t.Parallel()
	_, err := do(t, request("http://no-such-host.invalid"))
	requireFailure(t, err, exchange.Unavailable, 0, "DNS")

	_, err = do(t, request("http://[::1"))
	require.EqualError(t, err, "the URL cannot be used")
}

// Some of what the transport says about a bad answer quotes it.
func TestBadAnswersAreNotQuoted(t *testing.T) {
	t.Parallel()
	server := upstreamtest.New(t, func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(connection, upstreamtest.Canary+"\r\n\r\n")
		_ = connection.Close()
	})
	server.Start()
	_, err := do(t, request(server.URL))
	requireFailure(t, err, exchange.Unavailable, 0, "does not speak HTTP")
}

// childAddress names the server that a test's process of its own is to call, and childRoots what it is to trust.
const (
	childAddress = "EXCHANGE_TEST_CHILD_ADDRESS"
	childRoots   = "EXCHANGE_TEST_CHILD_ROOTS"
)

// inAChild does an exchange in a process with an environment of its own, for what a process reads there once, and
// returns what it prints. The child is the test that calls this, so it repeats what that does before.
func inAChild(t *testing.T, address, roots string, environ ...string) string {
	t.Helper()
	if called := os.Getenv(childAddress); called != "" {
		trusting := request(called)
		trusting.CACert = os.Getenv(childRoots)
		answer, err := do(t, trusting)
		fmt.Printf("child: %s %v\n", answer.Body, err)
		os.Exit(0)
	}
	command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	command.Env = append(os.Environ(), append(environ, childAddress+"="+address, childRoots+"="+roots)...)
	printed, err := command.CombinedOutput()
	require.NoError(t, err, string(printed))
	return string(printed)
}

// Loopback never goes through a proxy, so the vendor is a name that only the proxy knows.
func TestProxyOfTheEnvironment(t *testing.T) {
	t.Parallel()
	proxy := upstreamtest.New(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "from.proxy."+r.Host)
	})
	proxy.Start()
	printed := inAChild(t, "http://vendor.invalid", "",
		"HTTP_PROXY="+proxy.URL, "http_proxy="+proxy.URL, "NO_PROXY=", "no_proxy=")
	require.Contains(t, printed, "child: from.proxy.vendor.invalid <nil>")
}

// The certificates of CACert are trusted beside the system's roots, which SSL_CERT_FILE makes another certificate here.
func TestSystemRootsAreTrustedToo(t *testing.T) {
	t.Parallel()
	if os.Getenv(childAddress) != "" {
		inAChild(t, "", "")
	}
	systems := upstreamtest.New(t, upstreamtest.Body("a.b.c"))
	configured := upstreamtest.New(t, upstreamtest.Body("a.b.c"))
	systemsPEM, configuredPEM := startWithItsOwnCertificate(t, systems), startWithItsOwnCertificate(t, configured)
	file := filepath.Join(t.TempDir(), "roots.pem")
	require.NoError(t, os.WriteFile(file, []byte(systemsPEM), 0o600))
	for _, server := range []*upstreamtest.Server{systems, configured} {
		printed := inAChild(t, server.URL, configuredPEM, "SSL_CERT_FILE="+file, "SSL_CERT_DIR="+t.TempDir())
		require.Contains(t, printed, "child: a.b.c <nil>")
	}
	printed := inAChild(t, configured.URL, "", "SSL_CERT_FILE="+file, "SSL_CERT_DIR="+t.TempDir())
	require.Contains(t, printed, "its certificate is not trusted")
}

// startWithItsOwnCertificate starts a server with TLS and returns its certificate, which it made for itself.
func startWithItsOwnCertificate(t *testing.T, server *upstreamtest.Server) string {
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

// To a probe only the status matters: every 2xx is an answer, its body is not waited for, and nothing is tried again.
func TestProbeReadsNoBodyAndDoesNotRetry(t *testing.T) {
	t.Parallel()
	for code, kind := range map[int]exchange.Kind{
		200: 0,
		201: 0,
		204: 0,
		299: 0,
		300: exchange.Nonsense,
		307: exchange.Nonsense,
		404: exchange.Nonsense,
		401: exchange.Refused,
		429: exchange.Limited,
		500: exchange.Unavailable,
		503: exchange.Unavailable,
	} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			server := upstreamtest.New(t, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(code)
				if code != http.StatusNoContent {
					slowly(w, r) // a body that never ends
				}
			})
			server.Start()
			probe := request(server.URL)
			probe.Probe = true
			answer, err := do(t, probe)
			require.Len(t, server.Headers(), 1)
			if kind == 0 {
				require.NoError(t, err)
				require.Equal(t, code, answer.Status)
				require.Nil(t, answer.Body)
				return
			}
			requireFailure(t, err, kind, code, "")
		})
	}
	broken := upstreamtest.New(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	broken.Start()
	probe := request(broken.URL)
	probe.Probe = true
	_, err := do(t, probe)
	requireFailure(t, err, exchange.Unavailable, 0, "broke")
	require.Len(t, broken.Headers(), 1)
}

// The vendor's clock is compared with the middle of asking and answer; a Date has whole seconds, so it counts as half a
// second more. More than a day off is no clock.
func TestOffsetOfTheVendorsClock(t *testing.T) {
	t.Parallel()
	asked := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		took, ahead, want time.Duration // ahead of the moment of asking
		known             bool
	}{
		"the same":                 {0, 0, 0, true},
		"within a second":          {time.Second, 0, 0, true},
		"in the middle of four":    {4 * time.Second, 2 * time.Second, 0, true},
		"at the beginning of four": {4 * time.Second, 0, -2 * time.Second, true},
		"ahead":                    {0, 90 * time.Second, 90 * time.Second, true},
		"behind":                   {0, -250 * time.Second, -250 * time.Second, true},
		"almost a day ahead":       {0, day - time.Second, day - time.Second, true},
		"more than a day ahead":    {0, day + time.Second, 0, false},
		"more than a day behind":   {0, -day - time.Second, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timing := exchange.Timing{Asked: asked, Answered: asked.Add(test.took), Date: asked.Add(test.ahead)}
			require.Equal(t, test.took, timing.Duration())
			offset, known := timing.Offset()
			require.Equal(t, test.known, known)
			if known {
				require.InDelta(t, test.want, offset, float64(time.Second))
				require.Zero(t, offset%time.Second)
			}
		})
	}
	_, known := exchange.Timing{Asked: asked, Answered: asked}.Offset()
	require.False(t, known, "there was no Date")
}
