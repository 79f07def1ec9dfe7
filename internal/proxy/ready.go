package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

const (
	// readyFor is how long an answer about readiness is given again, so that probes cannot put load on Vault.
	readyFor = 5 * time.Second
	// readyTimeout limits a probe.
	readyTimeout = 10 * time.Second
)

// readiness is the last answer about readiness.
type readiness struct {
	mu    sync.Mutex
	asked time.Time // zero: never
	err   error
	probe chan struct{} // closed when the probe under way ends; nil: none
}

// Ready returns nil if Vault answers and signs for every route. The answer is at most five seconds old.
func (p *Proxy) Ready(ctx context.Context) error {
	using := p.current.Load()
	if using.backend == nil {
		return errors.New("there is no configuration yet")
	}
	state := &using.ready
	state.mu.Lock()
	if !state.asked.IsZero() && p.Now().Sub(state.asked) < readyFor {
		defer state.mu.Unlock()
		return state.err
	}
	if state.probe == nil {
		state.probe = make(chan struct{})
		go p.probe(context.WithoutCancel(ctx), using)
	}
	done := state.probe
	state.mu.Unlock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-done:
		state.mu.Lock()
		defer state.mu.Unlock()
		return state.err
	}
}

func (p *Proxy) probe(ctx context.Context, using *setup) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	err := using.probe(ctx)
	using.ready.mu.Lock()
	defer using.ready.mu.Unlock()
	using.ready.err, using.ready.asked = err, p.Now()
	close(using.ready.probe)
	using.ready.probe = nil
}

// probe has a call of each route signed that the route allows. None is sent.
func (s *setup) probe(ctx context.Context) error {
	if s.backend.Health(ctx) != nil {
		return errors.New("Vault does not answer, or is sealed")
	}
	for _, route := range s.routes {
		sample := &http.Request{Method: route.allow.sampleMethod(), URL: &url.URL{Opaque: route.allow.sample()}}
		parameters, err := signing.Parameters(sample, route.Send)
		if err == nil {
			_, err = s.signers[route].Sign(ctx, signing.Call{Parameters: parameters})
		}
		if err != nil {
			return fmt.Errorf("Vault does not sign for the route %s", route.Name())
		}
	}
	return nil
}
