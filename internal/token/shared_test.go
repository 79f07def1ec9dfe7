package token_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// clock is a clock that a test moves.
type clock struct{ nanoseconds atomic.Int64 }

func (c *clock) now() time.Time           { return began.Add(time.Duration(c.nanoseconds.Load())) }
func (c *clock) advance(by time.Duration) { c.nanoseconds.Add(int64(by)) }

// vendor gives out counted tokens of a life, or fails.
type vendor struct {
	clock *clock

	mu      sync.Mutex
	life    time.Duration
	failure error
	logins  int
	asked   []time.Time // of the successful ones
}

func (v *vendor) mint(context.Context) (token.Token, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.logins++
	if v.failure != nil {
		return token.Token{}, v.failure
	}
	now := v.clock.now()
	v.asked = append(v.asked, now)
	return token.Token{
		Value:     secret.Text(fmt.Sprintf("token-%d", len(v.asked))),
		AskedAt:   now,
		ExpiresAt: now.Add(v.life),
		Format:    "learned",
	}, nil
}

func (v *vendor) fail(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.failure = err
}

func (v *vendor) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.logins
}

// shared is a Shared under test, with its clock and vendor.
type shared struct {
	*token.Shared
	*clock
	*vendor
	t      *testing.T
	minTTL time.Duration
}

func newShared(t *testing.T, life, minTTL time.Duration) *shared {
	t.Helper()
	c := &clock{}
	return &shared{token.New(t.Context(), c.now), c, &vendor{clock: c, life: life}, t, minTTL}
}

func (s *shared) use() token.Use { return token.Use{Mint: s.mint, MinTTL: s.minTTL} }

// get is a reader that gets a token and no error.
func (s *shared) get() string {
	s.t.Helper()
	got, err := s.Get(s.t.Context(), s.use())
	require.NoError(s.t, err)
	return got.Value.Reveal()
}

// settle waits for the end of a login that nobody waits for.
func (s *shared) settle() {
	s.t.Helper()
	require.NoError(s.t, s.Wait(s.t.Context()))
}

var errDown = errors.New("down")

// gate is a vendor that answers when it is let.
type gate struct {
	begun  chan struct{}
	answer chan error
	count  atomic.Int64
}

func newGate() *gate { return &gate{begun: make(chan struct{}, 1000), answer: make(chan error, 1000)} }

func (g *gate) mint(ctx context.Context) (token.Token, error) {
	g.begun <- struct{}{}
	select {
	case <-ctx.Done():
		return token.Token{}, ctx.Err()
	case err := <-g.answer:
		if err != nil {
			return token.Token{}, err
		}
		got := living(began, time.Hour)
		got.Value = secret.Text(fmt.Sprintf("gated-%d", g.count.Add(1)))
		return got, nil
	}
}

func TestThousandColdReadersShareOneLogin(t *testing.T) {
	t.Parallel()
	g := newGate()
	s := token.New(t.Context(), func() time.Time { return began })
	var readers sync.WaitGroup
	for range 1000 {
		readers.Go(func() {
			got, err := s.Get(t.Context(), token.Use{Mint: g.mint, MinTTL: time.Minute})
			if err != nil || got.Value.Reveal() != "gated-1" {
				t.Errorf("%v %v", got.Value.Reveal(), err)
			}
		})
	}
	<-g.begun
	g.answer <- nil
	readers.Wait()
	require.Empty(t, g.begun)
}

func TestReaderThatGivesUpDoesNotEndTheLoginOfOthers(t *testing.T) {
	t.Parallel()
	g := newGate()
	s := token.New(t.Context(), func() time.Time { return began })
	hasty, hangUp := context.WithCancel(t.Context())
	failed, served := make(chan error), make(chan error)
	get := func(ctx context.Context, done chan error) {
		_, err := s.Get(ctx, token.Use{Mint: g.mint, MinTTL: time.Minute})
		done <- err
	}
	go get(hasty, failed)
	<-g.begun
	go get(t.Context(), served)
	hangUp()
	require.ErrorIs(t, <-failed, context.Canceled)
	g.answer <- nil
	require.NoError(t, <-served)
	require.Empty(t, g.begun, "the login that the first one began served the second one")
}

func TestLoginEndsWithTheMount(t *testing.T) {
	t.Parallel()
	g := newGate()
	ctx, end := context.WithCancel(t.Context())
	s := token.New(ctx, func() time.Time { return began })
	failed := make(chan error)
	go func() {
		_, err := s.Get(t.Context(), token.Use{Mint: g.mint})
		failed <- err
	}()
	<-g.begun
	end()
	require.ErrorIs(t, <-failed, context.Canceled)
}

// A token is shared to the nanosecond at which it has min_ttl left, or half its life less 90 s where that is less; a
// short-lived one to half its life.
func TestTokenIsSharedWhileItHasEnoughLife(t *testing.T) {
	t.Parallel()
	const hour, minute, second = time.Hour, time.Minute, time.Second
	for name, test := range map[string]struct{ life, minTTL, shared time.Duration }{
		"an hour":               {hour, 10 * minute, 50 * minute},
		"an hour, min_ttl 0":    {hour, 0, hour - 1112*time.Millisecond}, // while a second can be leased: see TTL
		"an hour, min_ttl 28m":  {hour, 28 * minute, 32 * minute},
		"an hour, min_ttl 30m":  {hour, 30 * minute, 31*minute + 30*second},
		"30 minutes":            {30 * minute, 10 * minute, 20 * minute},
		"20 minutes":            {20 * minute, 10 * minute, 11*minute + 30*second},
		"6 minutes":             {6 * minute, 10 * minute, 4*minute + 30*second},
		"almost 6 minutes":      {6*minute - second, 10 * minute, 179500 * time.Millisecond},
		"5 minutes, min_ttl 1m": {5 * minute, minute, 4 * minute},
		"2 minutes":             {2 * minute, 10 * minute, minute},
		"3 seconds":             {3 * second, 10 * minute, 1500 * time.Millisecond},
		"3 seconds, min_ttl 0":  {3 * second, 0, 1888 * time.Millisecond},
		"a day, min_ttl 30m":    {24 * hour, 30 * minute, 23*hour + 30*minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShared(t, test.life, test.minTTL)
			require.Equal(t, "token-1", s.get())
			s.advance(test.shared)
			require.Equal(t, "token-1", s.get())
			s.advance(1)
			if test.minTTL == 0 {
				s.advance(time.Millisecond)
			}
			require.Equal(t, "token-2", s.get())
		})
	}
}

// Renewal begins 90 s before a token stops being shared, and only for tokens that live for six minutes or more.
func TestRenewAheadBeginsNinetySecondsEarly(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ life, minTTL, due time.Duration }{
		"an hour":              {time.Hour, 10 * time.Minute, 48*time.Minute + 30*time.Second},
		"an hour, min_ttl 30m": {time.Hour, 30 * time.Minute, 30 * time.Minute},
		"30 minutes":           {30 * time.Minute, 10 * time.Minute, 18*time.Minute + 30*time.Second},
		"6 minutes":            {6 * time.Minute, 10 * time.Minute, 3 * time.Minute},
		"6 minutes, min_ttl 0": {6 * time.Minute, 0, 4*time.Minute + 30*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShared(t, test.life, test.minTTL)
			s.get()
			s.advance(test.due)
			require.False(t, s.RenewAhead(s.use()))
			s.advance(1)
			require.True(t, s.RenewAhead(s.use()))
			s.settle()
			require.Equal(t, "token-2", s.get())
			require.Equal(t, 2, s.count())
		})
	}
	short := newShared(t, 6*time.Minute-time.Second, 0)
	short.get()
	for range 359 {
		require.False(t, short.RenewAhead(short.use()))
		short.advance(time.Second)
	}
}

func TestRenewAheadLeavesUnusedTokensAlone(t *testing.T) {
	t.Parallel()
	s := newShared(t, 24*time.Hour, 10*time.Minute)
	s.Replace(living(began, 24*time.Hour)) // nobody has read it
	s.advance(23*time.Hour + 55*time.Minute)
	require.False(t, s.RenewAhead(s.use()))

	s = newShared(t, 2*time.Hour, 10*time.Minute)
	s.get()
	s.advance(109 * time.Minute)
	require.False(t, s.RenewAhead(s.use()), "not read for an hour")
	s.get()
	s.advance(time.Second)
	require.True(t, s.RenewAhead(s.use()))
	s.settle()

	s = newShared(t, time.Hour, 10*time.Minute)
	require.False(t, s.RenewAhead(s.use()), "there is no token")
	s.get()
	s.advance(time.Hour)
	require.False(t, s.RenewAhead(s.use()), "it has expired")
}

// The hour of use ends to the nanosecond.
func TestTokenIsInUseForAnHour(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		idle time.Duration
		want bool
	}{
		"just before": {time.Hour - 1, true},
		"at its end":  {time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShared(t, 90*time.Minute, 30*time.Minute)
			s.get()
			s.advance(test.idle)
			require.Equal(t, test.want, s.RenewAhead(s.use()))
			if test.want {
				s.settle()
			}
		})
	}
}

func TestRenewAheadJoinsNothingAndHoldsOff(t *testing.T) {
	t.Parallel()
	s := newShared(t, time.Hour, 10*time.Minute)
	g := newGate()
	s.get()
	s.advance(49 * time.Minute)
	use := token.Use{Mint: g.mint, MinTTL: s.minTTL}
	require.True(t, s.RenewAhead(use))
	<-g.begun
	require.False(t, s.RenewAhead(use), "one is under way")
	g.answer <- errDown
	s.settle()
	require.False(t, s.RenewAhead(use), "held off for a second")
	s.advance(time.Second)
	require.True(t, s.RenewAhead(use))
	g.answer <- nil
	s.settle()
}

// A reader of a living token does not wait for a login when the last one failed: it gets the token and the failure, and
// the login goes on for those who read later.
func TestLivingTokenIsServedAtOnceAfterAFailure(t *testing.T) {
	t.Parallel()
	s := newShared(t, time.Hour, 10*time.Minute)
	g := newGate()
	s.get()
	s.advance(55 * time.Minute)
	s.fail(errDown)
	got, err := s.Get(t.Context(), s.use())
	require.ErrorIs(t, err, errDown)
	require.Equal(t, "token-1", got.Value.Reveal())

	s.advance(time.Second)
	use := token.Use{Mint: g.mint, MinTTL: s.minTTL}
	for range 3 {
		got, err = s.Get(t.Context(), use)
		require.ErrorIs(t, err, errDown)
		require.Equal(t, "token-1", got.Value.Reveal())
	}
	<-g.begun
	require.Empty(t, g.begun, "one login at a time")
	g.answer <- nil
	s.settle()
}

// A failure that is more than 90 s past keeps nobody from a new token, nor does one that lies in the future of a clock
// that was set back.
func TestOldFailureIsForgotten(t *testing.T) {
	t.Parallel()
	for by, waits := range map[time.Duration]bool{
		time.Second + token.Lead:     false,
		time.Second + token.Lead + 1: true,
		-10 * time.Second:            true,
	} {
		t.Run(by.String(), func(t *testing.T) {
			t.Parallel()
			s := newShared(t, time.Hour, 10*time.Minute)
			s.get()
			s.advance(55 * time.Minute)
			s.fail(errDown)
			_, err := s.Get(t.Context(), s.use())
			require.ErrorIs(t, err, errDown)
			s.fail(nil)
			s.advance(by)
			got, err := s.Get(t.Context(), s.use())
			if waits {
				require.NoError(t, err)
				require.Equal(t, "token-2", got.Value.Reveal())
				return
			}
			require.ErrorIs(t, err, errDown)
			s.settle()
		})
	}
}

// Without a living token the hold-off begins at the sixth failure in a row: 1, 2, 4 and then 8 seconds, each to its
// end.
func TestHoldOffWithoutAToken(t *testing.T) {
	t.Parallel()
	s := newShared(t, time.Hour, 10*time.Minute)
	s.fail(errDown)
	fails := func() {
		t.Helper()
		before := s.count()
		_, err := s.Get(t.Context(), s.use())
		require.ErrorIs(t, err, errDown)
		require.Equal(t, before+1, s.count(), "a login")
		var held *token.HeldOffError
		require.NotErrorAs(t, err, &held)
	}
	for range 6 {
		fails()
	}
	for _, seconds := range []int{1, 2, 4, 8, 8, 8} {
		s.holdsOff(time.Duration(seconds)*time.Second, 6)
		fails()
	}
	s.fail(nil)
	s.advance(8 * time.Second)
	s.get()
	// A success ends the count: six more failures are free.
	s.advance(2 * time.Hour)
	s.fail(errDown)
	for range 6 {
		fails()
	}
	s.holdsOff(time.Second, 6)
}

// holdsOff checks that no login happens for a pause, to its last nanosecond, and moves the clock to its end.
func (s *shared) holdsOff(pause time.Duration, failures int) {
	s.t.Helper()
	before := s.count()
	for _, step := range []time.Duration{0, pause / 2, pause - pause/2 - 1} {
		s.advance(step)
		_, err := s.Get(s.t.Context(), s.use())
		require.ErrorIs(s.t, err, errDown)
		if failures >= 6 {
			var held *token.HeldOffError
			require.ErrorAs(s.t, err, &held)
			require.LessOrEqual(s.t, held.Wait, pause)
		}
		require.Equal(s.t, before, s.count(), "held off")
	}
	s.advance(1)
}

// While a token lives, the first failure begins the hold-off.
func TestHoldOffWithALivingToken(t *testing.T) {
	t.Parallel()
	s := newShared(t, time.Hour, 10*time.Minute)
	s.get()
	s.advance(55 * time.Minute)
	s.fail(errDown)
	for _, seconds := range []int{1, 2, 4, 8, 8} {
		before := s.count()
		got, err := s.Get(t.Context(), s.use())
		require.ErrorIs(t, err, errDown)
		require.Equal(t, "token-1", got.Value.Reveal())
		s.settle()
		require.Equal(t, before+1, s.count())
		s.holdsOff(time.Duration(seconds)*time.Second, 0)
	}
}

// A hold-off that a clock which was set back would lengthen is none.
func TestHoldOffEndsWhenTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	s := newShared(t, time.Hour, 10*time.Minute)
	s.fail(errDown)
	for range 6 {
		_, _ = s.Get(t.Context(), s.use())
	}
	s.advance(-time.Hour)
	s.fail(nil)
	s.get()
}

// limitedError asks to be left alone.
type limitedError struct{ delay time.Duration }

func (e *limitedError) Error() string             { return "limited" }
func (e *limitedError) RetryDelay() time.Duration { return e.delay }

// What the vendor asks for is kept, up to 8 s, and until there are six failures the answer is the failure itself. It
// does not shorten a hold-off: at the sixth failure the longer of the two counts.
func TestHoldOffKeepsRetryAfter(t *testing.T) {
	t.Parallel()
	for delay, want := range map[time.Duration]time.Duration{
		0:               0,
		3 * time.Second: 3 * time.Second,
		8 * time.Second: 8 * time.Second,
		time.Hour:       8 * time.Second,
	} {
		t.Run(delay.String(), func(t *testing.T) {
			t.Parallel()
			for failures := range 5 { // the fifth is the last without a hold-off of our own
				s := newShared(t, time.Hour, 10*time.Minute)
				s.fail(errDown)
				for range failures {
					_, _ = s.Get(t.Context(), s.use())
				}
				s.fail(fmt.Errorf("wrapped: %w", &limitedError{delay}))
				_, err := s.Get(t.Context(), s.use())
				require.ErrorContains(t, err, "limited")
				before := s.count()
				if want > 0 {
					s.advance(want - 1)
					_, err = s.Get(t.Context(), s.use())
					require.ErrorContains(t, err, "limited")
					require.NotContains(t, err.Error(), "waiting")
					require.Equal(t, before, s.count())
					s.advance(1)
				}
				_, _ = s.Get(t.Context(), s.use())
				require.Equal(t, before+1, s.count())
			}
		})
	}
	s := newShared(t, time.Hour, 10*time.Minute)
	s.fail(&limitedError{time.Millisecond})
	for range 6 {
		_, _ = s.Get(t.Context(), s.use())
		s.advance(time.Millisecond)
	}
	s.advance(time.Second - time.Millisecond - 1)
	_, err := s.Get(t.Context(), s.use())
	require.ErrorContains(t, err, "waiting 1s")
	require.Equal(t, 6, s.count())
}

// After a success there is no failure to warn of.
func TestSuccessEndsTheFailures(t *testing.T) {
	t.Parallel()
	s := newShared(t, time.Hour, 10*time.Minute)
	s.get()
	s.advance(55 * time.Minute)
	s.fail(errDown)
	_, err := s.Get(t.Context(), s.use())
	require.Error(t, err)
	s.fail(nil)
	s.advance(time.Second)
	_, err = s.Get(t.Context(), s.use()) // begins the login and does not wait
	require.Error(t, err)
	s.settle()
	require.Equal(t, "token-2", s.get())
	s.advance(55 * time.Minute)
	require.Equal(t, "token-3", s.get(), "a reader waits again: nothing failed recently")
}

func TestReplaceEndsAHoldOff(t *testing.T) {
	t.Parallel()
	s := newShared(t, time.Hour, 10*time.Minute)
	s.fail(errDown)
	for range 6 {
		_, _ = s.Get(t.Context(), s.use())
	}
	replacement := living(began, time.Hour)
	replacement.Format = "replaced"
	s.Replace(replacement)
	require.Equal(t, "token", s.get())
	require.Equal(t, "replaced", s.Format())
	s.advance(2 * time.Hour)
	for range 6 {
		before := s.count()
		_, err := s.Get(t.Context(), s.use())
		require.ErrorIs(t, err, errDown)
		require.Equal(t, before+1, s.count(), "the count began anew")
	}
}

// A token that was just accepted by the vendor replaces one that lives longer.
func TestReplaceAlwaysReplaces(t *testing.T) {
	t.Parallel()
	s := newShared(t, time.Hour, 10*time.Minute)
	s.get()
	s.Replace(living(began, 20*time.Minute))
	require.Equal(t, "token", s.get())
}

// A login that was under way when another token came in does not put an older token in its place.
func TestOfTwoTokensTheOneThatLivesLongerStays(t *testing.T) {
	t.Parallel()
	for life, want := range map[time.Duration]string{
		time.Hour + time.Second: "token",
		time.Hour - time.Second: "gated-1",
	} {
		t.Run(life.String(), func(t *testing.T) {
			t.Parallel()
			s := newShared(t, time.Hour, 10*time.Minute)
			g := newGate()
			first := make(chan string)
			go func() {
				got, _ := s.Get(t.Context(), token.Use{Mint: g.mint, MinTTL: s.minTTL})
				first <- got.Value.Reveal()
			}()
			<-g.begun
			s.Replace(living(began, life))
			g.answer <- nil
			require.Equal(t, "gated-1", <-first)
			require.Equal(t, want, s.get())
		})
	}
}

// A vendor that shortens its tokens' life gives one that expires before the old one would have. It is shared all the
// same: else every reader would begin a login.
func TestNewTokenIsKeptThoughItLivesShorterThanTheOld(t *testing.T) {
	t.Parallel()
	s := newShared(t, time.Hour, 30*time.Minute)
	s.get()
	s.advance(40 * time.Minute)
	s.life = 2 * time.Minute
	for range 10 {
		require.Equal(t, "token-2", s.get())
	}
	require.Equal(t, 2, s.count())
}

func TestTokenThatExpiresTooSoonIsAFailure(t *testing.T) {
	t.Parallel()
	s := newShared(t, 1111*time.Millisecond, 0)
	for range 6 {
		got, err := s.Get(t.Context(), s.use())
		require.ErrorIs(t, err, token.ErrTooShort)
		require.Empty(t, got.Value)
	}
	_, err := s.Get(t.Context(), s.use())
	require.ErrorContains(t, err, "waiting 1s before the next attempt, after repeated failures; the last one: the "+
		"vendor gave a token")
}

// Reports of a 401 replace a token that is five minutes old, once for all; a younger one stays.
func TestUnauthorizedReplacesATokenOfFiveMinutes(t *testing.T) {
	t.Parallel()
	s := newShared(t, time.Hour, 10*time.Minute)
	report := func() string {
		use := s.use()
		use.Unauthorized = true
		got, err := s.Get(t.Context(), use)
		require.NoError(t, err)
		return got.Value.Reveal()
	}
	require.Equal(t, "token-1", report())
	s.advance(5*time.Minute - 1)
	require.Equal(t, "token-1", report())
	s.advance(1)
	require.Equal(t, "token-2", report())
	for range 100 {
		require.Equal(t, "token-2", report())
	}
	require.Equal(t, "token-2", s.get())
	require.Equal(t, 2, s.count())
	s.advance(5 * time.Minute)
	require.Equal(t, "token-2", s.get(), "others report nothing")
	require.Equal(t, "token-3", report())
}

// A replacement that lives shorter than the rejected token replaces it too.
func TestUnauthorizedReplacesALongerToken(t *testing.T) {
	t.Parallel()
	s := newShared(t, time.Hour, 10*time.Minute)
	s.get()
	s.advance(6 * time.Minute)
	s.life = 20 * time.Minute
	use := s.use()
	use.Unauthorized = true
	_, err := s.Get(t.Context(), use)
	require.NoError(t, err)
	require.Equal(t, "token-2", s.get())
}

// A report during an outage gives the shared token with the failure, and costs no more than the hold-off allows.
func TestUnauthorizedHoldsOff(t *testing.T) {
	t.Parallel()
	s := newShared(t, time.Hour, 10*time.Minute)
	s.get()
	s.advance(6 * time.Minute)
	s.fail(errDown)
	use := s.use()
	use.Unauthorized = true
	for range 100 {
		got, err := s.Get(t.Context(), use)
		require.ErrorIs(t, err, errDown)
		require.Equal(t, "token-1", got.Value.Reveal())
	}
	require.Equal(t, 2, s.count())
	require.Equal(t, "token-1", s.get(), "those who report nothing get no failure")
}

// A wait is rounded up: it is never told as none.
func TestHeldOffErrorRoundsUp(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]string{
		1:               "1s",
		time.Second:     "1s",
		time.Second + 1: "2s",
		8 * time.Second: "8s",
	} {
		t.Run(wait.String(), func(t *testing.T) {
			t.Parallel()
			err := &token.HeldOffError{Wait: wait, Last: errDown}
			require.EqualError(t, err, "waiting "+want+" before the next attempt, after repeated failures; the last one: down")
		})
	}
}

func TestWaitEndsWithTheLoginOrTheContext(t *testing.T) {
	t.Parallel()
	s := newShared(t, time.Hour, time.Minute)
	g := newGate()
	require.NoError(t, s.Wait(t.Context()), "nothing is under way")
	served := make(chan error)
	go func() {
		_, err := s.Get(t.Context(), token.Use{Mint: g.mint, MinTTL: s.minTTL})
		served <- err
	}()
	<-g.begun
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	require.ErrorIs(t, s.Wait(ctx), context.Canceled)
	g.answer <- nil
	require.NoError(t, s.Wait(t.Context()))
	require.NoError(t, <-served)
}
