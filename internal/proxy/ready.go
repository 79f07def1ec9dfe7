package proxy

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// readyFor is how long an answer about readiness is given again, so that probes cannot put load on Vault.
	readyFor = 5 * time.Second
	// readyTimeout limits a probe.
	readyTimeout = 10 * time.Second
)

// probe is an answer about readiness.
type probe struct {
	done  chan struct{} // closed when what follows is set
	ended time.Time
	err   error
}

// old reports whether the answer must not be given again.
func (p *probe) old(now time.Time) bool {
	select {
	case <-p.done:
		return now.Sub(p.ended) >= readyFor
	default:
		return false
	}
}

// Ready returns nil if Vault answers and signs for every route. The answer is at most five seconds old.
func (p *Proxy) Ready(ctx context.Context) error {
	using := p.current.Load()
	if using.backend == nil {
		return errors.New("there is no configuration yet")
	}
	using.mu.Lock()
	if using.probe == nil || using.probe.old(p.Now()) {
		next := &probe{done: make(chan struct{})}
		using.probe = next
		go func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
			defer cancel()
			next.err, next.ended = using.signs(ctx), p.Now()
			close(next.done)
		}()
	}
	last := using.probe
	using.mu.Unlock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-last.done:
		return last.err
	}
}

// signs has a call of each route signed that the route allows. None is sent.
func (s *setup) signs(ctx context.Context) error {
	if s.backend.Health(ctx) != nil {
		return errors.New("Vault does not answer, or is sealed")
	}
	for _, route := range s.routes {
		if _, err := route.Samples()[0].Sign(ctx, route, s.signers[route]); err != nil {
			return fmt.Errorf("Vault does not sign for the route %s", route.Name())
		}
	}
	return nil
}
