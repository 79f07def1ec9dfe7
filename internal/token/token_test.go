package token_test

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// living is a token that lives for a time from now on.
func living(now time.Time, life time.Duration) token.Token {
	return token.Token{Value: "token", AskedAt: now, ExpiresAt: now.Add(life)}
}

// The margin is 60 s, or a tenth where less than ten minutes remain; the rest is cut to whole seconds.
func TestTTLIsRemainingLifeLessAMargin(t *testing.T) {
	t.Parallel()
	for left, want := range map[time.Duration]time.Duration{
		24 * time.Hour:                   24*time.Hour - time.Minute,
		time.Hour:                        59 * time.Minute,
		time.Hour - 1:                    59*time.Minute - time.Second,
		10*time.Minute + time.Nanosecond: 9 * time.Minute,
		10 * time.Minute:                 9 * time.Minute,
		10*time.Minute - 10:              9*time.Minute - time.Second, // less 59.999999999 s
		10*time.Minute - time.Second:     539 * time.Second,           // 599 s less 59.9 s
		600*time.Second - 500*1e6:        539 * time.Second,           // 599.5 s less 59.95 s; less 60 s it would be the same
		595 * time.Second:                535 * time.Second,           // less 59.5 s; less 60 s it would be the same
		594 * time.Second:                534 * time.Second,           // 534.6
		590 * time.Second:                531 * time.Second,           // less 59 s; less 60 s it would be 530
		5 * time.Minute:                  270 * time.Second,
		10 * time.Second:                 9 * time.Second,
		2 * time.Second:                  time.Second,
		1112 * time.Millisecond:          time.Second,
		1111 * time.Millisecond:          0,
		time.Second:                      0,
		0:                                0,
		-time.Second:                     0,
		-time.Hour:                       -54 * time.Minute,
	} {
		t.Run(left.String(), func(t *testing.T) {
			t.Parallel()
			now := time.Now()
			asked := now.Add(-24 * time.Hour)
			aged := token.Token{AskedAt: asked, ExpiresAt: now.Add(left)}
			require.Equal(t, want, aged.TTL(now))
		})
	}
}

// instant is time.Time as the runtime lays it out (time/time.go), to make clocks that no test can make: one that was
// set back, one that stood still.
type instant struct {
	wall      uint64
	monotonic int64
	_         *time.Location
}

// A clock that is set back lengthens no token's life, and neither does a suspended machine, whose monotonic clock
// stands still.
func TestLeftUnderClocksThatDisagree(t *testing.T) {
	t.Parallel()
	now := time.Now()
	fresh := living(now, time.Hour)
	require.Equal(t, time.Hour, fresh.Left(now))
	require.Equal(t, 20*time.Minute, fresh.Left(now.Add(40*time.Minute)))

	setBack := now
	(*instant)(unsafe.Pointer(&setBack)).monotonic += int64(40 * time.Minute)
	require.Equal(t, 20*time.Minute, fresh.Left(setBack), "forty minutes passed, and the wall clock shows none of them")
	suspended := now.Add(40 * time.Minute)
	(*instant)(unsafe.Pointer(&suspended)).monotonic -= int64(40 * time.Minute)
	require.Equal(t, 20*time.Minute, fresh.Left(suspended))
	require.Equal(t, time.Hour, fresh.Left(now.Round(0).Add(-time.Hour)), "never more than its life")
}

// The margin is one minute, not a tenth, where ten minutes or more remain.
func TestMarginIsAMinuteFromTenMinutesOn(t *testing.T) {
	t.Parallel()
	for _, left := range []time.Duration{
		10*time.Minute + 30*time.Second, 10*time.Minute + 59*time.Second, 11 * time.Minute,
	} {
		t.Run(left.String(), func(t *testing.T) {
			t.Parallel()
			require.Equal(t, left-time.Minute, living(began, left).TTL(began))
		})
	}
}
