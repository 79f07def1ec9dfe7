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
	if s.keyOperations > 0 {
		end, err := keyTurns.take(ctx)
		if err != nil {
			return Signed{}, err
		}
		defer end()
	}
	return sign()
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
