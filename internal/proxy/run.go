package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

const (
	// headerTimeout and idleTimeout limit how long a client may take for its headers, and may keep a connection without a
	// request.
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	// maxHeaders is the most that the headers of a request may have, in bytes.
	maxHeaders = 64 << 10
	// maxConnections is how many connections a listener has at once. Others wait until one of them ends.
	maxConnections = 1024
	// drainTimeout is how long requests under way may take after the program is told to end. It is less than what
	// Kubernetes and systemd wait before they kill.
	drainTimeout = 25 * time.Second
)

// Program is a proxy that runs until its context ends.
type Program struct {
	// Config is what it starts with.
	Config *Config
	// Load reads the configuration again.
	Load func() (*Config, error)
	// Connect makes the backend of a configuration. It does not call Vault.
	Connect func(Vault) (Backend, error)
	// Reload says when to load the configuration again.
	Reload <-chan os.Signal
	Log    *slog.Logger
	Now    func() time.Time
}

// Listeners are where a program listens; nil for nowhere.
type Listeners struct {
	Applications, Gateways, Monitoring net.Listener
}

// Run serves applications, gateways and metrics. When the context ends, it takes no more requests, waits for those
// under way, and returns nil.
func (p *Program) Run(ctx context.Context, on Listeners) error {
	backend, err := p.Connect(p.Config.Vault)
	if err != nil {
		return err
	}
	next := NewTransport()
	defer next.CloseIdleConnections()
	handler := New(Options{Next: next, Log: p.Log, Metrics: NewMetrics(), Now: p.Now}, on.Applications)
	p.use(handler, p.Config, backend)

	failed := make(chan error, 3)
	var calls, others []*http.Server
	if on.Applications != nil {
		calls = append(calls, p.serve(on.Applications, handler, failed))
		p.Log.Info("listening", "address", on.Applications.Addr().String())
	}
	if on.Gateways != nil {
		calls = append(calls, p.serve(on.Gateways, handler.Gateways(), failed))
		p.Log.Info("listening", "address", on.Gateways.Addr().String(), "gateway", string(p.Config.ForwardAuth.Gateway))
	}
	if on.Monitoring != nil {
		others = append(others, p.serve(on.Monitoring, handler.Monitor(on.Monitoring), failed))
	}
	for {
		select {
		case err := <-failed:
			return err
		case <-p.Reload:
			p.reload(handler)
		case <-ctx.Done():
			p.Log.Info("draining")
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
			defer cancel()
			return errors.Join(drain(ctx, calls), drain(ctx, others)) // metrics are served until the end
		}
	}
}

func (p *Program) serve(listener net.Listener, handler http.Handler, failed chan<- error) *http.Server {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaders,
		ErrorLog: slog.NewLogLogger(p.Log.Handler(), slog.LevelWarn), DisableGeneralOptionsHandler: true,
	}
	limit(server, maxConnections)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	}()
	return server
}

// limit keeps a server from accepting more connections than so many, until it is shut down.
func limit(server *http.Server, connections int) {
	open, ending := make(chan struct{}, connections), make(chan struct{})
	server.RegisterOnShutdown(func() { close(ending) })
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state { //nolint:exhaustive // the others are neither the beginning nor the end of a connection
		case http.StateNew: // the server calls this before it accepts the next
			select {
			case open <- struct{}{}:
			case <-ending:
			}
		case http.StateClosed, http.StateHijacked:
			select {
			case <-open:
			case <-ending:
			}
		}
	}
}

// drain ends servers, with the requests under way when the context ends.
func drain(ctx context.Context, servers []*http.Server) error {
	ends := make(chan error, len(servers))
	for _, server := range servers {
		go func() {
			err := server.Shutdown(ctx)
			if err != nil {
				err = errors.Join(errors.New("requests under way were ended"), server.Close())
			}
			ends <- err
		}()
	}
	var failures error
	for range servers {
		failures = errors.Join(failures, <-ends)
	}
	return failures
}

// reload takes a new configuration, or keeps the old one and says why.
func (p *Program) reload(handler *Proxy) {
	config, err := p.Load()
	var backend Backend
	if err == nil {
		backend, err = p.Connect(config.Vault)
	}
	if err != nil {
		p.Log.Error("the configuration was not reloaded, the old one is kept", "reason", err.Error())
		return
	}
	if config.Listen != p.Config.Listen || config.Metrics != p.Config.Metrics ||
		config.ForwardAuth.address() != p.Config.ForwardAuth.address() {
		p.Log.Warn("listen, socket_mode and metrics change only with a restart")
	}
	p.use(handler, config, backend)
	p.Log.Info("the configuration was reloaded")
}

// use has a proxy take a configuration, and logs what is wrong with it.
func (p *Program) use(handler *Proxy, config *Config, backend Backend) {
	for _, warning := range config.Warnings() {
		p.Log.Warn(warning)
	}
	handler.Use(config, backend)
}
