package backend

import (
	"context"
	"sync"
	"time"
)

// turns lets the tries of credentials at one host go one after the other, with a pause after a refusal. Each is a guess at a
// secret, so guessing is slow, whatever config it is done with.
type turns struct {
	// afterRefusal is how long a host is left alone after it refused credentials.
	afterRefusal time.Duration

	mu    sync.Mutex
	hosts map[string]*turn
}

type turn struct {
	taken chan struct{} // has one element while somebody has the turn
	users int           // those who have it, or wait for it; guarded by turns.mu
}

// take waits for the turn at a host, and returns how to end it. It is an error of the context's if that ends first.
func (t *turns) take(ctx context.Context, host string) (end func(refused bool), err error) {
	t.mu.Lock()
	if t.hosts == nil {
		t.hosts = map[string]*turn{}
	}
	if t.hosts[host] == nil {
		t.hosts[host] = &turn{taken: make(chan struct{}, 1)}
	}
	mine := t.hosts[host]
	mine.users++
	t.mu.Unlock()

	select {
	case mine.taken <- struct{}{}:
	case <-ctx.Done():
		t.leave(host, mine)
		return nil, ctx.Err()
	}
	release := func() {
		<-mine.taken
		t.leave(host, mine)
	}
	return func(refused bool) {
		if refused {
			time.AfterFunc(t.afterRefusal, release)
			return
		}
		release()
	}, nil
}

// leave forgets a host that nobody uses any more.
func (t *turns) leave(host string, mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if mine.users--; mine.users == 0 {
		delete(t.hosts, host)
	}
}
