package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// running is a program that runs.
type running struct {
	ended    chan struct{}
	signals  chan os.Signal
	stop     context.CancelFunc
	err      error
	log      *syncBuffer
	address  string
	monitor  string
	gateways string
	config   chan func() (*Config, error)
}

func start(t *testing.T, backend Backend, routes string) *running {
	t.Helper()
	return startProgram(t, backend, "listen: 127.0.0.1:1\nroutes:\n"+routes)
}

// startProgram starts a program with a configuration, on other addresses than it says.
func startProgram(t *testing.T, backend Backend, text string) *running {
	t.Helper()
	config, err := Parse("f.yml", []byte(text))
	require.NoError(t, err)
	r := &running{
		ended:   make(chan struct{}),
		signals: make(chan os.Signal),
		log:     &syncBuffer{},
		config:  make(chan func() (*Config, error), 1),
	}
	var on Listeners
	listen := func() (net.Listener, string) {
		listener, err := Listen(Address{TCP: netip.MustParseAddrPort("127.0.0.1:0")})
		require.NoError(t, err)
		return listener, listener.Addr().String()
	}
	if config.Listen != (Address{}) {
		on.Applications, r.address = listen()
	}
	if config.ForwardAuth != nil {
		on.Gateways, r.gateways = listen()
	}
	on.Monitoring, r.monitor = listen()
	program := &Program{
		Config: config, Load: func() (*Config, error) { return (<-r.config)() }, Reload: r.signals, Now: time.Now,
		Connect: func(vault Vault) (Backend, error) {
			if vault.Address == "broken" {
				return nil, errors.New("no such certificate")
			}
			return backend, nil
		},
		Log: slog.New(slog.NewJSONHandler(r.log, nil)),
	}
	var ctx context.Context
	ctx, r.stop = context.WithCancel(t.Context())
	go func() {
		defer close(r.ended)
		r.err = program.Run(ctx, on)
	}()
	t.Cleanup(func() { r.stop(); <-r.ended })
	return r
}

func (r *running) get(t *testing.T, target string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+target, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, response.Body)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// A reload takes the new routes, or keeps the old ones and says why.
func TestReloadTakesNewRoutesOrKeepsTheOld(t *testing.T) {
	t.Parallel()
	rig := newRig(t, nil)
	r := start(t, rig.stub, "  /a: {sign: m/sign/avanan/us, allow: [GET /v1.0/a]}")
	require.Equal(t, 200, r.get(t, r.address+"/a/v1.0/a"))
	require.Equal(t, 404, r.get(t, r.address+"/b/v1.0/a"))
	for text, config := range map[string]func() (*Config, error){
		"f.yml:3: routes must be a mapping": func() (*Config, error) {
			return Parse("f.yml", []byte("listen: 127.0.0.1:1\nroutes:\n  x"))
		},
		"no such certificate": func() (*Config, error) { return &Config{Vault: Vault{Address: "broken"}}, nil },
	} {
		r.config <- config
		r.signals <- syscall.SIGHUP
		eventually(t, func() bool { return strings.Contains(r.log.String(), text) }, text)
		require.Equal(t, 200, r.get(t, r.address+"/a/v1.0/a"))
	}
	require.NotContains(t, r.log.String(), "was reloaded")
	r.config <- func() (*Config, error) {
		return Parse("f.yml", []byte("listen: 127.0.0.1:2\nroutes:\n  /b: {sign: m/sign/avanan/us, allow: [GET /v1.0/a]}"))
	}
	r.signals <- syscall.SIGHUP
	eventually(t, func() bool { return strings.Contains(r.log.String(), "was reloaded") }, "the reload")
	require.Contains(t, r.log.String(), "change only with a restart")
	require.Equal(t, 404, r.get(t, r.address+"/a/v1.0/a"))
	require.Equal(t, 200, r.get(t, r.address+"/b/v1.0/a"))
	require.Equal(t, 200, r.get(t, r.monitor+"/healthz"))
	require.Equal(t, 200, r.get(t, r.monitor+"/readyz"))
	require.Equal(t, 404, r.get(t, r.monitor+"/b/v1.0/a"))
	require.Equal(t, 404, r.get(t, r.address+"/metrics"))
}

// A program that is told to end takes no more requests and finishes those under way.
func TestEndWaitsForRequestsUnderWay(t *testing.T) {
	t.Parallel()
	arrived, let := make(chan struct{}), make(chan struct{})
	rig := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-let
		_, _ = io.WriteString(w, "whole")
	})
	r := start(t, rig.stub, "  /a: {sign: m/sign/avanan/us, allow: [GET /v1.0/a]}")
	got := make(chan string)
	go func() {
		target := "http://" + r.address + "/a/v1.0/a"
		request, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, target, http.NoBody)
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			got <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		got <- string(body)
	}()
	<-arrived
	r.stop()
	eventually(t, func() bool {
		connection, err := net.Dial("tcp", r.address)
		if err == nil {
			_ = connection.Close()
		}
		return err != nil
	}, "no more connections")
	close(let)
	require.Equal(t, "whole", <-got)
	<-r.ended
	require.NoError(t, r.err)
}

// A request that does not end in time is ended, and the end is an error that says so. All servers are ended.
func TestEndGivesUpOnRequestsUnderWay(t *testing.T) {
	t.Parallel()
	arrived, let := make(chan struct{}), make(chan struct{})
	stuck := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-let
	}))
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(func() { close(let); stuck.Close(); other.Close() })
	client, err := net.Dial("tcp", stuck.Listener.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	_, err = io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorContains(t, drain(ctx, []*http.Server{stuck.Config, other.Config}), "requests under way were ended")
	_, err = client.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	for _, server := range []*httptest.Server{stuck, other} {
		_, err = net.Dial("tcp", server.Listener.Addr().String())
		require.Error(t, err)
	}
}

// A server has so many connections at once, and no more. The next waits until one of them ends, but not longer than the
// server runs.
func TestConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	served := make(chan string, 1000)
	server := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler:           http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { served <- r.URL.Path }),
	}
	limit(server, 1)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = server.Serve(listener) }()
	dial := func() net.Conn {
		client, err := net.Dial("tcp", listener.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = client.Close() })
		return client
	}
	ask := func(client net.Conn, path string) {
		_, err := io.WriteString(client, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
	}
	first, second := dial(), dial()
	ask(first, "/first")
	require.Equal(t, "/first", <-served)
	ask(second, "/second")
	for range 100 {
		ask(first, "/again")
		require.Equal(t, "/again", <-served)
	}
	require.NoError(t, first.Close())
	require.Equal(t, "/second", <-served)

	third := dial()
	ask(third, "/third")
	ended := make(chan error)
	go func() { ended <- server.Shutdown(t.Context()) }()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(30 * time.Second):
		require.Fail(t, "the server waits for a connection that it has no room for")
	}
}

// A reload that changes where the proxy listens says that this needs a restart. Another does not.
func TestReloadSaysWhatNeedsARestart(t *testing.T) {
	t.Parallel()
	const old = "listen: 127.0.0.1:1\nmetrics: 127.0.0.1:2\nroutes: {/a: {sign: m/sign/avanan/us, allow: [GET /]}}"
	for name, test := range map[string]struct {
		from, to string
		warns    bool
	}{
		"nothing": {"", "", false},
		"routes":  {"GET", "POST", false},
		"listen":  {"127.0.0.1:1", "127.0.0.1:3", true},
		"socket":  {"127.0.0.1:1", "unix:///run/x", true},
		"metrics": {"127.0.0.1:2", "127.0.0.1:3", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rig := newRig(t, nil)
			before, err := Parse("f.yml", []byte(old))
			require.NoError(t, err)
			program := &Program{
				Config:  before,
				Connect: func(Vault) (Backend, error) { return rig.stub, nil },
				Log:     slog.New(slog.NewJSONHandler(rig.log, nil)),
				Load:    func() (*Config, error) { return Parse("f.yml", []byte(strings.Replace(old, test.from, test.to, 1))) },
			}
			program.reload(rig.Proxy)
			require.Contains(t, rig.log.String(), "the configuration was reloaded")
			require.Equal(t, test.warns, strings.Contains(rig.log.String(), "change only with a restart"))
		})
	}
}

// A client may take ten seconds for its headers and keep a connection for two minutes. Bodies have limits of their own.
func TestServersLimitHeadersIdlenessAndConnections(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	program := &Program{Log: slog.New(slog.DiscardHandler)}
	server := program.serve(listener, http.NotFoundHandler(), make(chan error, 1))
	require.NoError(t, server.Close())
	require.Equal(t, 10*time.Second, server.ReadHeaderTimeout)
	require.Equal(t, 64<<10, server.MaxHeaderBytes)
	for range 1024 {
		server.ConnState(nil, http.StateNew) // the next would wait
	}
	for range 1024 {
		server.ConnState(nil, http.StateClosed)
	}
	require.Equal(t, 1024, maxConnections)
	require.Equal(t, 2*time.Minute, server.IdleTimeout)
	require.Zero(t, server.ReadTimeout)
	require.Zero(t, server.WriteTimeout)
	next := NewTransport()
	require.Equal(t, 2*time.Minute, next.ResponseHeaderTimeout)
	require.Equal(t, 90*time.Second, next.IdleConnTimeout)
	require.Equal(t, 10*time.Second, dialer.Timeout)
	require.Equal(t, 10*time.Second, next.TLSHandshakeTimeout)
	require.Equal(t, &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second}, next.HTTP2)
}

// Requests that come in while the configuration is reloaded are answered, by the old one or by the new one, and headers
// that were cached are read again.
func TestReloadLosesNoRequest(t *testing.T) {
	t.Parallel()
	rig := newRig(t, nil)
	signers := &countingBackend{Backend: rig.stub}
	const routes = "  /a: {sign: m/sign/avanan/us, allow: [GET /v1.0/a]}"
	r := start(t, signers, routes)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var calls sync.WaitGroup
	var answered atomic.Int64
	for range 8 {
		calls.Go(func() {
			for ctx.Err() == nil {
				target := "http://" + r.address + "/a/v1.0/a"
				request, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, target, http.NoBody)
				response, err := http.DefaultTransport.RoundTrip(request)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				if _ = response.Body.Close(); response.StatusCode != http.StatusOK {
					t.Error(response.Status)
				}
				answered.Add(1)
			}
		})
	}
	for reload := range 20 {
		before := answered.Load()
		r.config <- func() (*Config, error) { return Parse("f.yml", []byte("listen: 127.0.0.1:1\nroutes:\n"+routes)) }
		r.signals <- syscall.SIGHUP
		eventually(t, func() bool {
			return strings.Count(r.log.String(), "was reloaded") > reload && answered.Load() > before+8
		}, "a reload")
	}
	stop()
	calls.Wait()
	require.EqualValues(t, 21, signers.made.Load(), "each configuration has signers of its own")
}

// countingBackend counts the signers that it makes.
type countingBackend struct {
	Backend
	made atomic.Int64
}

func (b *countingBackend) Signer(route *Route, batched func(int)) signing.Signer {
	b.made.Add(1)
	return b.Backend.Signer(route, batched)
}
