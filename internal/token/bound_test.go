package token_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// The promise of the package, for random lives, readers, failures and min_ttls, of the config and of each reader: in no
// span of a token's life are there more than two successful logins.
func TestAtMostTwoLoginsATokenLife(t *testing.T) {
	t.Parallel()
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 2))
		life := []time.Duration{
			time.Duration(3+random.IntN(360)) * time.Second,
			time.Duration(6+random.IntN(60)) * time.Minute,
			time.Hour,
			30 * time.Minute,
		}[random.IntN(4)]
		s := newShared(t, life, time.Duration(random.IntN(31*60))*time.Second)
		failing, own := random.IntN(3) == 0, random.IntN(2) == 0
		for range 300 {
			if failing && random.IntN(4) == 0 {
				s.fail(errDown)
			} else {
				s.fail(nil)
			}
			var readers sync.WaitGroup
			for range 1 + random.IntN(3) {
				use := s.use()
				if own {
					use.MinTTL = time.Duration(random.Int64N(int64(2 * life)))
				}
				readers.Go(func() { _, _ = s.Get(t.Context(), use) })
			}
			readers.Wait()
			if random.IntN(2) == 0 {
				s.RenewAhead(s.use())
			}
			s.settle()
			s.advance(time.Duration(random.Int64N(int64(life / 20))))
		}
		requireApart(t, s.asked, life, 2, seed)
	}
}

// requireApart checks that no span of a length contains more than some number of instants.
func requireApart(t *testing.T, asked []time.Time, span time.Duration, most int, seed uint64) {
	t.Helper()
	require.NotEmpty(t, asked)
	for i := most; i < len(asked); i++ {
		require.GreaterOrEqual(t, asked[i].Sub(asked[i-most]), span, "seed %d: login %d", seed, i)
	}
}

// Readers that all report 401, all the time, add one login in five minutes.
func TestReportsOf401AddOneLoginInFiveMinutes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 3))
		life := time.Duration(6+random.IntN(60)) * time.Minute
		s := newShared(t, life, time.Duration(random.IntN(31*60))*time.Second)
		for range 500 {
			use := s.use()
			use.Unauthorized = true
			_, err := s.Get(t.Context(), use)
			require.NoError(t, err)
			s.RenewAhead(s.use())
			s.settle()
			s.advance(time.Duration(random.Int64N(int64(time.Minute))))
		}
		requireApart(t, s.asked, min(5*time.Minute, life/2), 1, seed)
	}
}

// A reader that wants a token to live longer than the config says gets one that does, and costs no more than the bound:
// a new one where less than its min_ttl is left, but not before half of the token's life is over.
func TestReadersOwnMinTTL(t *testing.T) {
	t.Parallel()
	const half = 30*time.Minute - token.Lead
	for name, test := range map[string]struct {
		minTTL, left time.Duration
		new          bool
	}{
		"enough is left":                   {20 * time.Minute, 20 * time.Minute, false},
		"too little is left":               {20 * time.Minute, 20*time.Minute - 1, true},
		"more than half of the life":       {50 * time.Minute, half, false},
		"more than half, and half is over": {50 * time.Minute, half - 1, true},
		"more than the life":               {2 * time.Hour, half, false},
		"more than the life, half is over": {2 * time.Hour, half - 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShared(t, time.Hour, 10*time.Minute)
			s.get()
			s.advance(time.Hour - test.left)
			use := s.use()
			use.MinTTL = test.minTTL
			got, err := s.Get(t.Context(), use)
			require.NoError(t, err)
			require.Equal(t, map[bool]string{false: "token-1", true: "token-2"}[test.new], got.Value.Reveal())
			require.Equal(t, got.Value.Reveal(), s.get(), "readers share it")
		})
	}
}

// A token is renewed ahead of the reader with the largest min_ttl, as long as that reader comes.
func TestReaderWithALargeMinTTLNeverWaitsOnceWarm(t *testing.T) {
	t.Parallel()
	s := newShared(t, time.Hour, 10*time.Minute)
	demanding := token.Use{Mint: s.mint, MinTTL: 20 * time.Minute}
	_, err := s.Get(t.Context(), demanding)
	require.NoError(t, err)
	demanding.Mint = func(context.Context) (token.Token, error) {
		t.Error("a reader began a login")
		return token.Token{}, errDown
	}
	for range 24 * 60 {
		s.advance(time.Minute)
		got, err := s.Get(t.Context(), demanding)
		require.NoError(t, err)
		require.GreaterOrEqual(t, got.Left(s.now()), 20*time.Minute)
		s.get()
		s.RenewAhead(s.use())
		s.settle()
	}
	require.LessOrEqual(t, s.count(), 1+24*60/38, "each is renewed when 21.5 minutes are left, at the next minute")

	s.advance(time.Second)
	before := s.count()
	s.Replace(living(s.now(), time.Hour))
	for range 47 { // nobody asks for 20 minutes any more
		s.advance(time.Minute)
		s.get()
		require.False(t, s.RenewAhead(s.use()))
	}
	require.Equal(t, before, s.count())
}

// A day of reads of an hour's token, one every ten seconds, with renewal every minute: no reader waits for a login
// after the first, and there are as many logins as steps of 48.5 to 49.5 minutes.
func TestReadersNeverWaitOnceWarm(t *testing.T) {
	t.Parallel()
	for life, most := range map[time.Duration]int{
		time.Hour:        30,
		30 * time.Minute: 80,
		6 * time.Minute:  480,
	} {
		t.Run(life.String(), func(t *testing.T) {
			t.Parallel()
			s := newShared(t, life, 10*time.Minute)
			s.get()
			never := func(context.Context) (token.Token, error) {
				t.Error("a reader began a login")
				return token.Token{}, errDown
			}
			for range 24 * 60 {
				for range 6 {
					s.advance(10 * time.Second)
					got, err := s.Get(t.Context(), token.Use{Mint: never, MinTTL: s.minTTL})
					require.NoError(t, err)
					require.Positive(t, got.TTL(s.now()))
				}
				s.RenewAhead(s.use())
				s.settle()
			}
			t.Log("logins:", s.count())
			require.LessOrEqual(t, s.count(), most)
		})
	}
}

// Two hundred readers that try again every second through ten minutes of outage cause a handful of logins and then one
// every eight seconds, whether they have no token or one that expires meanwhile. A reader eight seconds after the
// vendor is back has a new one.
func TestOutageOfTenMinutes(t *testing.T) {
	t.Parallel()
	for name, life := range map[string]time.Duration{
		"without a token":               0,
		"with a token for five minutes": 5 * time.Minute,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShared(t, time.Hour, 10*time.Minute)
			s.fail(errDown)
			old := token.Token{Value: "old", AskedAt: began.Add(life - time.Hour), ExpiresAt: began.Add(life)}
			if life > 0 {
				s.Replace(old)
			}
			for second := range 600 {
				var readers sync.WaitGroup
				for range 200 {
					readers.Go(func() {
						got, err := s.Get(t.Context(), s.use())
						lives := life > 0 && old.TTL(began.Add(time.Duration(second)*time.Second)) > 0
						if err == nil || (got.Value != "") != lives {
							t.Errorf("after %d s: %v", second, err)
						}
					})
				}
				readers.Wait()
				s.settle()
				s.advance(time.Second)
			}
			t.Log("logins:", s.count())
			require.LessOrEqual(t, s.count(), 6+3+74)
			require.Greater(t, s.count(), 70)

			s.fail(nil)
			for seconds := 0; ; seconds++ {
				if got, err := s.Get(t.Context(), s.use()); err == nil {
					require.Equal(t, "token-1", got.Value.Reveal())
					break
				}
				require.Less(t, seconds, 8)
				s.advance(time.Second)
			}
		})
	}
}
