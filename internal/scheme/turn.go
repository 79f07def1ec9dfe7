package scheme

import (
	"context"
	"runtime"

	"github.com/apisig/vault-plugin-apisig/internal/api"
)

// turns limits how many goroutines work at once.
type turns chan struct{}

// keyTurns are for those that sign with private keys: at most half of the processors, so that other requests of the
// process find one.
var keyTurns = make(turns, max(1, runtime.GOMAXPROCS(0)/2))

// inTurn signs, in turn if the scheme signs with a private key.
func (s *Scheme) inTurn(ctx context.Context, sign func() (Signed, error)) (Signed, error) {
	if s.keyOperations == 0 {
		return sign()
	}
	return takeTurn(ctx, sign)
}

// LoginInTurn is Login, in turn if it signs with a private key. It fails with api.ErrBusy if the context ends before.
func (s *Signer) LoginInTurn(ctx context.Context, m Moment) (LoginCall, error) {
	if s.keys == nil {
		return s.Login(m)
	}
	return takeTurn(ctx, func() (LoginCall, error) { return s.Login(m) })
}

func takeTurn[T any](ctx context.Context, work func() (T, error)) (T, error) {
	end, err := keyTurns.take(ctx)
	if err != nil {
		var nothing T
		return nothing, err
	}
	defer end()
	return work()
}

// take waits for a turn, and returns what ends it. It fails once the context ends.
func (t turns) take(ctx context.Context) (end func(), err error) {
	if ctx.Err() != nil {
		return nil, api.ErrBusy
	}
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-ctx.Done():
		return nil, api.ErrBusy
	}
}
