package token_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A success ends a series of failures at once. When the next token is due, a reader waits for it and gets no warning,
// and the next failure begins a hold-off of one second.
func TestSuccessEndsTheFailuresAtOnce(t *testing.T) {
	t.Parallel()
	for name, succeed := range map[string]func(*shared){
		"login": func(s *shared) {
			s.advance(2 * time.Second)
			_, _ = s.Get(s.t.Context(), s.use()) // begins the login and does not wait
			s.settle()
		},
		"replacement": func(s *shared) { s.Replace(living(s.now(), time.Minute)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShared(t, time.Minute, 30*time.Second)
			s.get()
			s.advance(31 * time.Second)
			s.fail(errDown)
			for range 2 { // a hold-off of one second, and one of two
				_, err := s.Get(t.Context(), s.use())
				require.ErrorIs(t, err, errDown)
				s.settle()
				s.advance(time.Second)
			}
			s.fail(nil)
			succeed(s)
			before := s.count()
			s.get()
			require.Equal(t, before, s.count(), "the new token is shared")
			s.advance(31 * time.Second)
			s.get()
			require.Equal(t, before+1, s.count(), "a new one is due, and the reader waited for it")

			s.advance(31 * time.Second)
			s.fail(errDown)
			_, err := s.Get(t.Context(), s.use())
			require.ErrorIs(t, err, errDown)
			s.holdsOff(time.Second, 0)
			before = s.count()
			_, err = s.Get(t.Context(), s.use())
			require.ErrorIs(t, err, errDown)
			s.settle()
			require.Equal(t, before+1, s.count(), "the hold-off is over")
		})
	}
}

// A hold-off lasts eight seconds at most. If more than that remains, the clock was set back, and the hold-off is over.
func TestHoldOffIsNeverLongerThanEightSeconds(t *testing.T) {
	t.Parallel()
	for back, held := range map[time.Duration]bool{0: true, 1: false} {
		s := newShared(t, time.Hour, 10*time.Minute)
		s.fail(&limitedError{time.Hour})
		_, err := s.Get(t.Context(), s.use())
		require.ErrorContains(t, err, "limited")
		s.fail(nil)
		s.advance(-back)
		_, err = s.Get(t.Context(), s.use())
		require.Equal(t, held, err != nil, "set back by %s", back)
	}
}
