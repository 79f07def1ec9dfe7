package backend

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// newMountOvertaken makes a mount that calls meanwhile each time that a write tries credentials. It also returns the
// number of tries.
func newMountOvertaken(t *testing.T, meanwhile func(m *mount, try int)) (*mount, *int) {
	t.Helper()
	tries := 0
	var m *mount
	m = newMountOf(t, withTokens(func() (token.Token, error) {
		tries++
		meanwhile(m, tries)
		return token.Token{Value: "a.b.c", AskedAt: m.time(), ExpiresAt: m.time().Add(time.Hour), Format: "zulu"}, nil
	}))
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false}))
	return m, &tries
}

// If a config is changed while a write tries its credentials, the write starts over. It tries them again only if the
// other write changed what an exchange uses. Both changes are stored.
func TestConcurrentWriteOfTheAccountIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		other values
		tries int
	}{
		"min_ttl":  {values{"min_ttl": 20}, 1},
		"base_url": {values{"base_url": "https://other.example", "secret_key": "theirs", "verify": false}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, tries := newMountOvertaken(t, func(m *mount, try int) {
				if try == 1 {
					m.write("config/avanan/us", test.other)
				}
			})
			m.write("config/avanan/us", values{"secret_key": "mine", "app_id": "US:other"})
			require.Equal(t, test.tries, *tries)
			config := m.read("config/avanan/us")
			require.Equal(t, "US:other", config["app_id"])
			require.Equal(t, "zulu", config["detected_date_format"])
			require.Contains(t, m.stored()["config/avanan/us"], `"secret_key":"mine"`)
			for field, value := range test.other {
				if shown, has := config[field]; has {
					require.EqualValues(t, value, shown, field)
				}
			}
		})
	}
}

// A write whose config is changed in each of its attempts fails with 409. The other writes stay.
func TestEndlessConcurrentWritesAreAConflict(t *testing.T) {
	t.Parallel()
	m, tries := newMountOvertaken(t, func(m *mount, try int) {
		m.write("config/avanan/us", values{
			"base_url": fmt.Sprintf("https://other.example/%d", try), "secret_key": "theirs", "verify": false,
		})
	})
	_, status, text := m.handle(logical.UpdateOperation, "config/avanan/us", values{"secret_key": "mine"})
	require.Equal(t, http.StatusConflict, status, text)
	require.Contains(t, text, "changed concurrently; nothing was stored, try again")
	require.Equal(t, 20, *tries)
	require.Contains(t, m.stored()["config/avanan/us"], `"secret_key":"theirs"`)
}

// If a config is deleted while an update or a patch of it tries the credentials, it stays deleted.
func TestConcurrentDeleteWins(t *testing.T) {
	t.Parallel()
	for operation, want := range map[logical.Operation]string{
		logical.UpdateOperation: "app_id is required",
		logical.PatchOperation:  "there is no config at apisig/config/avanan/us",
	} {
		t.Run(string(operation), func(t *testing.T) {
			t.Parallel()
			m, tries := newMountOvertaken(t, func(m *mount, _ int) {
				m.must(logical.DeleteOperation, "config/avanan/us", nil)
			})
			change := values{"secret_key": "mine", "base_url": m.url}
			require.Contains(t, m.refused(operation, "config/avanan/us", change), want)
			require.Empty(t, m.stored())
			require.Equal(t, 1, *tries)
		})
	}
}

// A verified write that is canceled while the vendor is asked stores nothing.
func TestCanceledVerifiedWriteStoresNothing(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	asked := make(chan struct{})
	vendor := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}))
	t.Cleanup(vendor.Close)
	ctx, hangUp := context.WithCancel(t.Context())
	go func() {
		<-asked
		hangUp()
	}()
	req := m.request(logical.UpdateOperation, "config/avanan/us", with(m.avananValues(), values{"base_url": vendor.URL}))
	_, err := m.HandleRequest(ctx, req)
	require.ErrorContains(t, err, "config/avanan/us was not stored: no answer from ")
	require.ErrorContains(t, err, "the request was canceled")
	require.Empty(t, m.stored())
}

// A write does not verify what a concurrent write has just stored. Readers then get no token of the account that it
// tried before.
func TestTokenOfAnOvertakenTryIsNotShared(t *testing.T) {
	t.Parallel()
	mine := values{"secret_key": "mine", "app_id": "US:other"}
	m, tries := newMountOvertaken(t, func(m *mount, try int) {
		if try == 1 {
			m.write("config/avanan/us", with(mine, values{"base_url": "https://other.example", "verify": false}))
		}
	})
	m.write("config/avanan/us", mine)
	require.Equal(t, 1, *tries)
	require.Equal(t, "https://other.example", m.read("config/avanan/us")["base_url"])
	m.read("creds/avanan/us")
	require.Equal(t, 2, *tries)
}

// If the second read of a write fails, which shows whether the config is still the same, the write fails too.
func TestWriteFailsWithItsSecondRead(t *testing.T) {
	t.Parallel()
	for title, name := range map[string]string{"of a config": "main", "of a new one": "new"} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/pave/main", m.paveValues())
			before := m.stored()
			change := with(m.paveValues(), values{"ttl": 20})
			req := m.request(logical.UpdateOperation, "config/pave/"+name, change)
			req.Storage = &failingStorage{Storage: m.storage.Storage, failAt: 2}
			_, err := m.HandleRequest(t.Context(), req)
			require.ErrorIs(t, err, errInjected)
			require.Equal(t, before, m.stored())
		})
	}
}
