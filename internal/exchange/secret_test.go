package exchange_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/upstreamtest"
)

// A secret in the URL, a header or the body is in no error, whatever fails, and no error of a lower layer is wrapped:
// many print the URL.
func TestNoErrorHasTheRequest(t *testing.T) {
	t.Parallel()
	start := func(answers ...http.HandlerFunc) string {
		server := upstreamtest.New(t, answers...)
		server.Start()
		return server.URL
	}
	untrusted, old := upstreamtest.New(t, hang), upstreamtest.New(t, hang)
	untrusted.StartTLS()
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.StartTLS()
	status := upstreamtest.Status
	moved := func(to string) string { return start(status(307, "Location", to)) }
	healthy := start(upstreamtest.Body("a.b.c"))
	for name, test := range map[string]struct {
		base string
		// spoil changes the request; nil for nothing.
		spoil func(*exchange.Attempt, *exchange.Request)
		want  string
	}{
		"no URL at all":              {base: ""},
		"a URL without a host":       {base: "https://"},
		"a URL that is opaque":       {base: "https:vendor.example"},
		"a bad port":                 {base: "https://vendor.example:canary"},
		"a bad escape":               {base: "https://vendor.example/%zz"},
		"a control character":        {base: "https://vendor.example/\x7f"},
		"a bracket":                  {base: "https://[::1"},
		"an unknown scheme":          {base: "ftp://127.0.0.1:1", want: "broke"},
		"a bad method":               {base: healthy, spoil: badMethod},
		"a bad header":               {base: healthy, spoil: badHeader, want: "broke"},
		"a bad ca_cert":              {base: healthy, spoil: badRoots, want: "ca_cert"},
		"a closed port":              {base: "http://127.0.0.1:1", want: "could not connect"},
		"a port out of range":        {base: "http://127.0.0.1:99999", want: "could not connect"},
		"no such name":               {base: "https://no-such-host.invalid", want: "DNS"},
		"an address that is refused": {base: healthy, spoil: guard, want: "loopback_logins"},
		"TLS, not trusted":           {base: untrusted.URL, want: "not trusted"},
		"TLS, too old":               {base: old.URL, want: "handshake failed"},
		"TLS, not spoken":            {base: strings.Replace(healthy, "http:", "https:", 1), want: "does not speak TLS"},
		"a redirect":                 {base: moved("https://vendor.invalid/canary"), want: "redirect"},
		"a redirect to nowhere":      {base: moved("http://[canary"), want: "broke"},
		"an answer that never comes": {base: start(hang), want: "timeout"},
		"a body that never ends":     {base: start(slowly), want: "timeout"},
		"a body that breaks off":     {base: start(breakOff), want: "broke"},
		"a body that is too long":    {base: start(endless), want: "more than 64 KiB"},
		"headers that are too long":  {base: start(status(200, "X", strings.Repeat("a", 65<<10))), want: "broke"},
		"no HTTP":                    {base: "http://" + listening(t, "canary\r\n\r\n"), want: "does not speak HTTP"},
		"400":                        {base: start(status(400)), want: "rejects"},
		"404":                        {base: start(status(404)), want: "unexpected status"},
		"429":                        {base: start(status(429)), want: "too many requests"},
		"500":                        {base: start(status(500)), want: "server error"},
	} {
		for _, remote := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, causes %t", name, remote), func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				client := exchange.Client{Now: time.Now, Pause: time.Millisecond}
				if remote {
					client = exchange.Remote(client)
				}
				requireNothingShows(t, ctx, client, test.base, test.spoil, func(err error) {
					if remote && test.want != "" {
						require.ErrorContains(t, err, test.want)
					}
				})
			})
		}
	}
}

func badMethod(a *exchange.Attempt, _ *exchange.Request) { a.Method = "GET canary" }
func badHeader(a *exchange.Attempt, _ *exchange.Request) { a.Header.Set("X-Key", "canary\n") }
func badRoots(_ *exchange.Attempt, r *exchange.Request)  { r.CACert = "canary" }
func guard(_ *exchange.Attempt, r *exchange.Request)     { r.Guarded = true }

// requireNothingShows does an exchange that fails, with secrets wherever one can be.
func requireNothingShows(
	t *testing.T, ctx context.Context, client exchange.Client, base string,
	spoil func(*exchange.Attempt, *exchange.Request), more func(error),
) {
	t.Helper()
	var called exchange.Request
	make := func() exchange.Attempt {
		attempt := exchange.Attempt{
			Method: http.MethodPost, URL: base + "/canary-path?key=canary-query",
			Header: http.Header{"X-Key": {"canary-header"}}, Body: []byte("canary-body"),
		}
		if spoil != nil {
			spoil(&attempt, &called)
		}
		return attempt
	}
	make()
	called.Make = func(time.Time) (exchange.Attempt, error) { return make(), nil }
	_, err := client.Do(ctx, called)
	require.Error(t, err)
	require.NotContains(t, fmt.Sprintf("%s %+v %#v", err, err, err), "canary")
	require.NoError(t, errors.Unwrap(err), "another error is wrapped")
	_, isURL := errors.AsType[*url.Error](err)
	_, isNet := errors.AsType[net.Error](err)
	require.False(t, isURL || isNet)
	more(err)
}

// The same for a caller that hangs up: before, during an attempt, and in the pause before the next.
func TestNoErrorOfAHangUpHasTheRequest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		pause time.Duration
		serve func(hangUp func()) http.HandlerFunc // nil: the caller has hung up before
	}{
		"before": {},
		"during an attempt": {0, func(hangUp func()) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) { hangUp(); hang(w, r) }
		}},
		"amid a body": {0, func(hangUp func()) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				_ = http.NewResponseController(w).Flush()
				hangUp()
				hang(w, r)
			}
		}},
		"in a pause": {time.Hour, func(hangUp func()) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusInternalServerError)
				time.AfterFunc(100*time.Millisecond, hangUp)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, hangUp := context.WithCancel(t.Context())
			base := "http://127.0.0.1:1"
			if test.serve == nil {
				hangUp()
			} else {
				server := upstreamtest.New(t, test.serve(hangUp))
				server.Start()
				base = server.URL
			}
			client := exchange.Remote(exchange.Client{Now: time.Now, Pause: test.pause})
			requireNothingShows(t, ctx, client, base, nil, func(error) {})
		})
	}
}

// Any status of 2xx is an answer where the caller says so, with its headers and its body up to the caller's limit.
func TestAny2xxAndMaxBody(t *testing.T) {
	t.Parallel()
	const limit = 256 << 10
	for name, test := range map[string]struct {
		status, size int
		kind         exchange.Kind // 0: an answer
		reason       string
	}{
		"200":               {200, 10, 0, ""},
		"201":               {201, 10, 0, ""},
		"204":               {204, 0, 0, ""},
		"299":               {299, 10, 0, ""},
		"300":               {300, 10, exchange.Nonsense, "redirect"},
		"exactly the limit": {201, limit, 0, ""},
		"a byte more":       {201, limit + 1, exchange.Nonsense, "the body has more than 256 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := upstreamtest.New(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
				w.Header().Set("X-Subject-Token", "token")
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(strings.Repeat("a", test.size)))
			})
			server.Start()
			called := request(server.URL)
			called.Any2xx, called.MaxBody = true, limit
			answer, err := do(t, called)
			if test.kind != 0 {
				requireFailure(t, err, test.kind, test.status, test.reason)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.status, answer.Status)
			require.Len(t, answer.Body, test.size)
			require.Equal(t, []string{"a=1", "b=2"}, answer.Header.Values("Set-Cookie"))
			require.Equal(t, "token", answer.Header.Get("X-Subject-Token"))
		})
	}
}
