package backend

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/avanan"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// gatedVendor answers handshakes with counted JWTs, each when it is let.
type gatedVendor struct {
	begun  chan avanan.Account
	let    chan error
	issued atomic.Int64
}

func newGatedVendor() *gatedVendor {
	return &gatedVendor{begun: make(chan avanan.Account, 1000), let: make(chan error, 1000)}
}

func (v *gatedVendor) handshake(ctx context.Context, account avanan.Account) (avanan.Token, error) {
	v.begun <- account
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

var someAccount = avanan.Account{BaseURL: "https://example.com", DateFormat: avanan.Auto}

// A thousand readers of a cold config cost one handshake, and all get its JWT.
func TestTokenCacheOneHandshakeForAll(t *testing.T) {
	t.Parallel()
	cache, vendor := newGatedCache(t)
	var readers sync.WaitGroup
	for range 1000 {
		readers.Go(func() {
			token, err := cache.token(t.Context(), "us", someAccount, 10*time.Minute, time.Minute)
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
		_, err := cache.token(hasty, "us", someAccount, time.Minute, time.Minute)
		failed <- err
	}()
	<-vendor.begun
	go func() {
		_, err := cache.token(t.Context(), "us", someAccount, time.Minute, time.Minute)
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
	changed := someAccount
	changed.SecretKey = "new"
	first := make(chan string)
	go func() {
		token, _ := cache.token(t.Context(), "us", someAccount, time.Minute, time.Minute)
		first <- token.JWT.Reveal()
	}()
	<-vendor.begun
	for name, account := range map[string]avanan.Account{"eu": someAccount, "us": changed} {
		cache.adopt(name, account, avanan.Token{JWT: "adopted", ExpiresAt: began.Add(time.Hour), DateFormat: avanan.Zulu})
		token, err := cache.token(t.Context(), name, account, time.Minute, time.Minute)
		require.NoError(t, err)
		require.Equal(t, "adopted", token.JWT.Reveal())
	}
	vendor.let <- nil
	require.Equal(t, "jwt-1", <-first, "who came before the change is served as before it")
	token, err := cache.token(t.Context(), "us", changed, time.Minute, time.Minute)
	require.NoError(t, err)
	require.Equal(t, "adopted", token.JWT.Reveal(), "what came late is no JWT of the changed config's")
}

// The first handshake discovers; the ones after it are told what was found.
func TestTokenCacheLearnsTheDateFormat(t *testing.T) {
	t.Parallel()
	cache, vendor := newGatedCache(t)
	for _, want := range []avanan.DateFormat{avanan.Auto, avanan.Zoneless, avanan.Zoneless} {
		vendor.let <- nil
		_, err := cache.token(t.Context(), "us", someAccount, 2*time.Hour, time.Minute)
		require.NoError(t, err)
		require.Equal(t, want, (<-vendor.begun).DateFormat)
	}
}

// A panic in a handshake would end the plugin's process and every mount of it.
func TestTokenCachePanicIsAnError(t *testing.T) {
	t.Parallel()
	cache := newTokenCache(func() time.Time { return began }, func(context.Context, avanan.Account) (avanan.Token, error) {
		panic("canary")
	})
	_, err := cache.token(t.Context(), "us", someAccount, time.Minute, time.Minute)
	require.ErrorContains(t, err, "not provided for")
	require.NotContains(t, err.Error(), "canary")
}

// A handshake ends with its timeout, and with the mount.
func TestTokenCacheHandshakeEnds(t *testing.T) {
	t.Parallel()
	cache, vendor := newGatedCache(t)
	_, err := cache.token(t.Context(), "us", someAccount, time.Minute, time.Millisecond)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	<-vendor.begun
	ended := make(chan error)
	go func() {
		_, err := cache.token(t.Context(), "us", someAccount, time.Minute, time.Hour)
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
		_, err := cache.token(t.Context(), "us", someAccount, time.Minute, time.Minute)
		require.ErrorContains(t, err, "down")
		<-vendor.begun
	}
	_, err := cache.token(t.Context(), "us", someAccount, time.Minute, time.Minute)
	require.ErrorContains(t, err, "holding off")
	cache.forget("us")
	vendor.let <- nil
	_, err = cache.token(t.Context(), "us", someAccount, time.Minute, time.Minute)
	require.NoError(t, err)
	require.Equal(t, avanan.Auto, (<-vendor.begun).DateFormat)
}
