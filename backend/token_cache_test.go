package backend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/avanan"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// gatedVendor answers handshakes with counted JWTs, each when it is let.
type gatedVendor struct {
	begun  chan avanan.DateFormat
	let    chan error
	issued atomic.Int64
}

func newGatedVendor() *gatedVendor {
	return &gatedVendor{begun: make(chan avanan.DateFormat, 1000), let: make(chan error, 1000)}
}

func (v *gatedVendor) handshake(ctx context.Context, _ string, _ avanan.Account, first avanan.DateFormat) (avanan.Token, error) {
	v.begun <- first
	select {
	case <-ctx.Done():
		return avanan.Token{}, ctx.Err()
	case err := <-v.let:
		if err != nil {
			return avanan.Token{}, err
		}
		jwt := secret.Text(fmt.Sprintf("jwt-%d", v.issued.Add(1)))
		return avanan.Token{JWT: jwt, ExpiresAt: began.Add(time.Hour), DateFormat: avanan.Zoneless}, nil
	}
}

func newGatedCache(t *testing.T) (*tokenCache, *gatedVendor) {
	t.Helper()
	vendor := newGatedVendor()
	cache := newTokenCache(func() time.Time { return began }, vendor.handshake)
	t.Cleanup(cache.close)
	return cache, vendor
}

var someConfig = avananConfig{BaseURL: "https://example.com", DateFormat: avanan.Auto, MinTTL: 60, RequestTimeout: 60}

// stored is a config as it was read from storage.
func stored(config avananConfig) cachedConfig[avananConfig] {
	return cachedConfig[avananConfig]{config: config}
}

// given is someConfig with other durations.
func given(minTTL, requestTimeout time.Duration) cachedConfig[avananConfig] {
	config := someConfig
	config.MinTTL, config.RequestTimeout = int(minTTL/time.Second), int(requestTimeout/time.Second)
	return stored(config)
}

// A thousand readers of a cold config cost one handshake, and all get its JWT.
func TestTokenCacheOneHandshakeForAll(t *testing.T) {
	t.Parallel()
	cache, vendor := newGatedCache(t)
	var readers sync.WaitGroup
	for range 1000 {
		readers.Go(func() {
			token, err := cache.token(t.Context(), "us", given(10*time.Minute, time.Minute))
			if err != nil || token.JWT.Reveal() != "jwt-1" {
				t.Errorf("%s %v", token.JWT.Reveal(), err)
			}
		})
	}
	<-vendor.begun
	vendor.let <- nil
	readers.Wait()
	require.Empty(t, vendor.begun)
}

// Each reader waits for as long as its own request lives; one that gives up takes nobody down.
func TestTokenCacheReaderThatGivesUp(t *testing.T) {
	t.Parallel()
	cache, vendor := newGatedCache(t)
	hasty, hangUp := context.WithCancel(t.Context())
	failed, served := make(chan error), make(chan error)
	go func() {
		_, err := cache.token(hasty, "us", stored(someConfig))
		failed <- err
	}()
	<-vendor.begun
	go func() {
		_, err := cache.token(t.Context(), "us", stored(someConfig))
		served <- err
	}()
	hangUp()
	require.ErrorIs(t, <-failed, context.Canceled)
	vendor.let <- nil
	require.NoError(t, <-served)
	require.Empty(t, vendor.begun, "the handshake that the first one began served the second one")
}

// A handshake with one config keeps no reader of another waiting, nor of the same one after its change.
func TestTokenCacheConfigsDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	cache, vendor := newGatedCache(t)
	changed := someConfig
	changed.SecretKey = "new"
	first := make(chan string)
	go func() {
		token, _ := cache.token(t.Context(), "us", stored(someConfig))
		first <- token.JWT.Reveal()
	}()
	<-vendor.begun
	for name, config := range map[string]avananConfig{"eu": someConfig, "us": changed} {
		cache.adopt(name, stored(config), avanan.Token{JWT: "adopted", ExpiresAt: began.Add(time.Hour), DateFormat: avanan.Zulu})
		token, err := cache.token(t.Context(), name, stored(config))
		require.NoError(t, err)
		require.Equal(t, "adopted", token.JWT.Reveal())
	}
	vendor.let <- nil
	require.Equal(t, "jwt-1", <-first, "who came before the change is served as before it")
	token, err := cache.token(t.Context(), "us", stored(changed))
	require.NoError(t, err)
	require.Equal(t, "adopted", token.JWT.Reveal(), "what came late is no JWT of the changed config's")
}

// The first handshake discovers; the ones after it are told what was found.
func TestTokenCacheLearnsTheDateFormat(t *testing.T) {
	t.Parallel()
	cache, vendor := newGatedCache(t)
	for _, want := range []avanan.DateFormat{"", avanan.Zoneless, avanan.Zoneless} {
		vendor.let <- nil
		_, err := cache.token(t.Context(), "us", given(2*time.Hour, time.Minute))
		require.NoError(t, err)
		require.Equal(t, want, <-vendor.begun)
	}
}

// A config that says what was found has that tried first.
func TestTokenCacheKnowsTheDetectedDateFormat(t *testing.T) {
	t.Parallel()
	cache, vendor := newGatedCache(t)
	config := someConfig
	config.DetectedDateFormat = avanan.Zulu
	vendor.let <- nil
	_, err := cache.token(t.Context(), "us", stored(config))
	require.NoError(t, err)
	require.Equal(t, avanan.Zulu, <-vendor.begun)
}

// A reader that found no JWT may come to ask for one just after another's handshake: it takes what that brought.
func TestTokenCacheLooksAgainBeforeAHandshake(t *testing.T) {
	t.Parallel()
	cache, vendor := newGatedCache(t)
	slot := cache.slot("us", stored(someConfig))
	cache.adopt("us", stored(someConfig), avanan.Token{JWT: "adopted", ExpiresAt: began.Add(time.Hour), DateFormat: avanan.Zulu})
	token, err := cache.renew(slot, time.Minute, time.Minute)
	require.NoError(t, err)
	require.Equal(t, "adopted", token.JWT.Reveal())
	require.Empty(t, vendor.begun)
}

// With a min_ttl of an hour none is shared, though its life may look longer than that by clocks that differ.
func TestTokenCacheSharesNoneWithAMinTTLOfAnHour(t *testing.T) {
	t.Parallel()
	cache, vendor := newGatedCache(t)
	cache.adopt("us", stored(someConfig), avanan.Token{JWT: "adopted", ExpiresAt: began.Add(time.Hour + time.Minute), DateFormat: avanan.Zulu})
	vendor.let <- nil
	token, err := cache.token(t.Context(), "us", given(time.Hour, time.Minute))
	require.NoError(t, err)
	require.Equal(t, "jwt-1", token.JWT.Reveal())
}

// Only failures in a row count.
func TestTokenCacheSuccessEndsTheCount(t *testing.T) {
	t.Parallel()
	cache, vendor := newGatedCache(t)
	config := given(time.Hour, time.Minute)
	for range 3 {
		for range holdOffAfter - 1 {
			vendor.let <- errors.New("down")
			_, err := cache.token(t.Context(), "us", config)
			require.NotContains(t, err.Error(), "holding off")
			require.Len(t, vendor.begun, 1)
			<-vendor.begun
		}
		vendor.let <- nil
		_, err := cache.token(t.Context(), "us", config)
		require.NoError(t, err)
		<-vendor.begun
		token := cache.slots["us"].token
		token.ExpiresAt = began
		cache.record(cache.slots["us"], token, nil)
	}
}

// A panic in a handshake would end the plugin's process and every mount of it. It is a failure like any other, and the log
// says where it was.
func TestPanicInAHandshakeIsAnError(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	handshakes := 0
	m.handshake = func(context.Context, avanan.Account, avanan.DateFormat) (avanan.Token, error) {
		handshakes++
		panic("canary")
	}
	require.Contains(t, m.failing(logical.UpdateOperation, "config/avanan/us", m.avananValues()), "not provided for")
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false}))
	for range 2 * holdOffAfter {
		require.Contains(t, m.failing(logical.ReadOperation, "creds/avanan/us", nil), "not provided for")
	}
	require.Equal(t, 1+holdOffAfter, handshakes, "the hold-off counts it")
	require.Contains(t, m.logged(), "TestPanicInAHandshakeIsAnError")
	require.NotContains(t, m.logged(), "canary")
}

// failing is handle for what has to fail for no fault of the caller's.
func (m *mount) failing(operation logical.Operation, path string, data values) string {
	m.t.Helper()
	_, status, text := m.handle(operation, path, data)
	require.GreaterOrEqual(m.t, status, http.StatusInternalServerError, text)
	return text
}

// A failure that is long past keeps nobody from a new JWT: who reads a quarter of an hour later waits for a handshake.
func TestTokenCacheForgetsOldFailures(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"min_ttl": 3600, "date_format": "zoneless"}))
	old := m.read("creds/avanan/us")["token"]
	m.fault(sandbox.Limit)
	require.Equal(t, old, m.read("creds/avanan/us")["token"])
	m.fault(sandbox.None)
	m.advance(recent + time.Second)
	resp, _, _ := m.handle(logical.ReadOperation, "creds/avanan/us", nil)
	require.NotEqual(t, old, resp.Data["token"])
	require.Empty(t, resp.Warnings)
	slot := m.tokens.slots["us"]
	m.tokens.record(slot, avanan.Token{}, errors.New("down"))
	require.ErrorContains(t, m.tokens.recentFailure(slot), "down")
	m.advance(-time.Second)
	require.NoError(t, m.tokens.recentFailure(slot), "a clock that was set back")
}

// Readers that do not wait begin a handshake only where none is under way or held off: each that did would leave something
// to be told of the one that hangs.
func TestTokenCacheMayBegin(t *testing.T) {
	t.Parallel()
	cache, vendor := newGatedCache(t)
	config := given(10*time.Minute, time.Minute)
	slot := cache.slot("us", config)
	require.True(t, cache.mayBegin(slot))
	flight := cache.begin(slot, time.Minute, time.Minute)
	<-vendor.begun
	require.False(t, cache.mayBegin(slot))
	vendor.let <- errors.New("down")
	<-flight
	require.True(t, cache.mayBegin(slot))
	cache.adopt("us", config, avanan.Token{JWT: "living", ExpiresAt: began.Add(5 * time.Minute)})
	cache.record(slot, avanan.Token{}, errors.New("down"))
	require.False(t, cache.mayBegin(slot), "held off")
}

// A slot that was made for the config before a write's end is the new one's once it is adopted there.
func TestTokenCacheAdoptsForTheNewerConfig(t *testing.T) {
	t.Parallel()
	cache, vendor := newGatedCache(t)
	changed := someConfig
	changed.SecretKey = "new"
	cache.slot("us", cachedConfig[avananConfig]{changed, 0})
	cache.adopt("us", cachedConfig[avananConfig]{changed, 1}, avanan.Token{JWT: "verified", ExpiresAt: began.Add(time.Hour)})
	cache.slot("us", cachedConfig[avananConfig]{someConfig, 0})
	token, err := cache.token(t.Context(), "us", cachedConfig[avananConfig]{changed, 1})
	require.NoError(t, err)
	require.Equal(t, "verified", token.JWT.Reveal())
	require.Empty(t, vendor.begun)
}

// A handshake ends with its timeout, and with the mount.
func TestTokenCacheHandshakeEnds(t *testing.T) {
	t.Parallel()
	cache, vendor := newGatedCache(t)
	_, err := cache.token(t.Context(), "us", given(time.Minute, time.Second))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	<-vendor.begun
	ended := make(chan error)
	go func() {
		_, err := cache.token(t.Context(), "us", given(time.Minute, time.Hour))
		ended <- err
	}()
	<-vendor.begun
	cache.close()
	require.ErrorIs(t, <-ended, context.Canceled)
}

// A forgotten config begins anew: its JWT, what was learned of it, and its failures are gone.
func TestTokenCacheForgets(t *testing.T) {
	t.Parallel()
	cache, vendor := newGatedCache(t)
	for range holdOffAfter {
		vendor.let <- errors.New("down")
		_, err := cache.token(t.Context(), "us", stored(someConfig))
		require.ErrorContains(t, err, "down")
		<-vendor.begun
	}
	_, err := cache.token(t.Context(), "us", stored(someConfig))
	require.ErrorContains(t, err, "holding off")
	cache.forget("us")
	vendor.let <- nil
	_, err = cache.token(t.Context(), "us", stored(someConfig))
	require.NoError(t, err)
	require.Empty(t, <-vendor.begun)
}

// What Avanan asks for is kept, to a limit, and until there are failures enough the answer is what it said.
func TestTokenCacheKeepsRetryAfter(t *testing.T) {
	t.Parallel()
	for asked, want := range map[time.Duration]time.Duration{0: 0, 3 * time.Second: 3 * time.Second, time.Hour: longestHoldOff} {
		vendor := newGatedVendor()
		var clock atomic.Int64
		cache := newTokenCache(func() time.Time { return began.Add(time.Duration(clock.Load())) }, vendor.handshake)
		defer cache.close()
		ask := func() error {
			vendor.let <- &avanan.Error{Kind: avanan.Limited, Status: 429, RetryAfter: asked}
			_, err := cache.token(t.Context(), "us", stored(someConfig))
			require.ErrorContains(t, err, "429")
			require.NotContains(t, err.Error(), "holding off")
			return err
		}
		_ = ask()
		<-vendor.begun
		if want > 0 {
			clock.Store(int64(want - 1))
			_ = ask()
			require.Empty(t, vendor.begun, "a call within what was asked for")
		}
		clock.Store(int64(want))
		_ = ask()
		require.Len(t, vendor.begun, 1)
	}
}

// While a JWT lives, one failure is enough to leave a vendor alone that hangs: readers wait for it once, not each time.
func TestTokenCacheHoldsOffSoonerWhileAJWTLives(t *testing.T) {
	t.Parallel()
	cache, vendor := newGatedCache(t)
	cache.adopt("us", stored(someConfig), avanan.Token{JWT: "living", ExpiresAt: began.Add(5 * time.Minute), DateFormat: avanan.Zulu})
	for range 3 {
		vendor.let <- errors.New("down")
		token, err := cache.token(t.Context(), "us", given(10*time.Minute, time.Minute))
		require.ErrorContains(t, err, "down")
		require.Equal(t, "living", token.JWT.Reveal())
	}
	require.Len(t, vendor.begun, 1)
}

// A wait that is told of is never told of as none.
func TestHeldOffErrorRoundsUp(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]string{1: "1s", time.Second: "1s", time.Second + 1: "2s", 8 * time.Second: "8s"} {
		err := &heldOffError{wait: wait, last: errors.New("down")}
		require.EqualError(t, err, "holding off for "+want+" after repeated failures, the last one: down")
	}
}
