package backend

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// Reading a config that is not in memory takes one storage read.
func TestColdReadReadsStorageOnce(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	m.InvalidateKey(t.Context(), "config/pave/main")
	counting := &failingStorage{Storage: m.storage.Storage}
	req := m.request(logical.ReadOperation, "creds/pave/main", nil)
	req.Storage = counting
	_, err := m.HandleRequest(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, 1, counting.calls)
}

// If another node changes a config, or a request deletes it, just after a reader read it from storage, the reader reads
// it again. The old config is not cached.
func TestInvalidationDuringARead(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	m.InvalidateKey(t.Context(), "config/pave/main")
	changed := func() {
		m.elsewhere("config/pave/main", "ttl", 77)
		m.InvalidateKey(t.Context(), "config/pave/main")
	}
	m.storage.afterGet.Store(&changed)
	require.Equal(t, 77, m.read("creds/pave/main")["ttl"])
	require.Equal(t, 77, m.read("creds/pave/main")["ttl"])

	m.InvalidateKey(t.Context(), "config/pave/main")
	deleted := func() { m.must(logical.DeleteOperation, "config/pave/main", nil) }
	m.storage.afterGet.Store(&deleted)
	require.Contains(t, m.refused(logical.ReadOperation, "creds/pave/main", nil), "there is no config")
	require.Contains(t, m.refused(logical.ReadOperation, "creds/pave/main", nil), "there is no config")
}

// invalidatingStorage invalidates a key after every read of it, as Vault does when another node changes it.
type invalidatingStorage struct {
	logical.Storage
	m *mount
}

func (s *invalidatingStorage) Get(ctx context.Context, key string) (*logical.StorageEntry, error) {
	entry, err := s.Storage.Get(ctx, key)
	s.m.InvalidateKey(ctx, key)
	return entry, err
}

// A reader gets an answer even if the config changes after every read of it.
func TestReadWhileTheConfigKeepsChanging(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	m.InvalidateKey(t.Context(), "config/pave/main")
	req := m.request(logical.ReadOperation, "creds/pave/main", nil)
	req.Storage = &invalidatingStorage{m.storage, m}
	resp, err := m.HandleRequest(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, 150, resp.Data["ttl"])
}

// failingCreds cannot make an answer.
type failingCreds struct{}

func (failingCreds) Creds(api.Moment) (api.Answer, error) { return api.Answer{}, io.ErrUnexpectedEOF }

// If a vendor cannot make its answer, the request fails with its error.
func TestVendorsErrorFailsTheRequest(t *testing.T) {
	t.Parallel()
	v := madeUp()
	changeAccounts(v, func(_ api.Values, account *api.Account) { account.Creds = failingCreds{} })
	withLogin(v, func(context.Context, api.Caller, string) (api.Report, error) {
		return api.Report{Token: token.Token{Value: "made-up", AskedAt: began, ExpiresAt: began.Add(time.Hour)}}, nil
	})
	m := newMountOf(t, []*api.API{v})
	m.write("config/madeup/x", values{"user": "me", "password": "p", "base_url": m.url, "verify": false})
	resp, err := m.HandleRequest(t.Context(), m.request(logical.ReadOperation, "creds/madeup/x", nil))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Nil(t, resp)
}

// If no id can be made during an outage, when readers get the current token with a warning, signing fails with an
// error.
func TestFailingRandomnessDuringAnOutage(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"date_format": "zoneless"}))
	m.read("creds/avanan/us")
	m.advance(55 * time.Minute)
	m.fault(sandbox.Break)
	m.newID = func() (string, error) { return "", io.ErrUnexpectedEOF }
	resp, err := m.HandleRequest(t.Context(), m.request(logical.ReadOperation, "sign/avanan/us", values{
		"request_string": "/v1.0/scopes",
	}))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Nil(t, resp)
}

// If the vendor gives a token that expires too soon, the config is read from storage again, as after any other failure
// of the vendor, because another node may have changed it.
func TestTokenThatExpiresTooSoonReadsStorage(t *testing.T) {
	t.Parallel()
	v := madeUp()
	changeAccounts(v, func(v api.Values, account *api.Account) {
		account.Login = login(func(context.Context, api.Caller, string) (api.Report, error) {
			life := time.Second
			if v.Text(madeUpUser) == "new" {
				life = time.Hour
			}
			return api.Report{Token: token.Token{Value: "made-up", AskedAt: began, ExpiresAt: began.Add(life)}}, nil
		})
	})
	m := newMountOf(t, []*api.API{v})
	m.write("config/madeup/x", values{"user": "old", "password": "p", "base_url": m.url, "verify": false})
	_, status, text := m.handle(logical.ReadOperation, "creds/madeup/x", nil)
	require.Equal(t, http.StatusBadGateway, status)
	require.Contains(t, text, "config/madeup/x: the vendor gave a token that expires too soon")
	m.elsewhere("config/madeup/x", "user", "new")
	require.Equal(t, began.Add(time.Hour).Format(time.RFC3339), m.read("creds/madeup/x")["expires_at"])
}

// If the vendor fails, and then storage does too, or the config is gone, the error is the vendor's.
func TestVendorsFailureWithoutStorage(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*mount){
		"storage fails": func(m *mount) { m.storage.verb.Store("get") },
		"deleted":       func(m *mount) { require.NoError(m.t, m.storage.Delete(m.t.Context(), "config/avanan/us")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/avanan/us", with(m.avananValues(), values{"secret_key": "wrong", "verify": false}))
			lose(m)
			require.Contains(t, m.refused(logical.ReadOperation, "creds/avanan/us", nil),
				"status 403: it rejects the credentials")
		})
	}
}

// Only a failure of the vendor makes the engine read a cached config from storage again. A caller's mistake and an
// internal error do not.
func TestOnlyAVendorsFailureReadsStorage(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	m.read("creds/avanan/us")
	counting := &failingStorage{Storage: m.storage.Storage}
	sign := func(requestString string) (*logical.Response, error) {
		req := m.request(logical.ReadOperation, "sign/avanan/us", values{"request_string": requestString})
		req.Storage = counting
		return m.HandleRequest(t.Context(), req)
	}
	resp, err := sign("no slash")
	require.NoError(t, err)
	require.True(t, resp.IsError())
	m.newID = func() (string, error) { return "", io.ErrUnexpectedEOF }
	_, err = sign("/v1.0/scopes")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Zero(t, counting.calls)
}

// A lease counts from when it is made, which may be later than when the token was chosen. A lease of less than a second
// is an error, because Vault replaces a TTL of 0 with its default of 32 days.
func TestLeaseIsAtLeastASecond(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ late, want time.Duration }{
		"at once":        {0, 2 * time.Second},
		"a second":       {time.Second, time.Second},
		"one and a half": {1500 * time.Millisecond, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMountOf(t, withTokens(func() (token.Token, error) {
				expires := began.Add(2500 * time.Millisecond)
				return token.Token{Value: "a.b.c", AskedAt: began, ExpiresAt: expires, Format: "zoneless"}, nil
			}))
			m.write("config/avanan/us", with(m.avananValues(), values{"verify": false, "min_ttl": 0}))
			m.read("creds/avanan/us")
			m.now = func() time.Time { return m.time().Add(test.late) } // the cached token keeps its clock
			resp, status, text := m.handle(logical.ReadOperation, "creds/avanan/us", nil)
			if test.want == 0 {
				require.Equal(t, http.StatusBadGateway, status)
				require.Contains(t, text, "config/avanan/us: the vendor gave a token that expires too soon")
				return
			}
			require.Empty(t, text)
			require.Equal(t, test.want, resp.Secret.TTL)
		})
	}
}

// The first exchange after a restart tries the date format that a verified write found. Later exchanges try the one
// that the last exchange found.
func TestReadersTryTheFormatThatWorkedLast(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.vendor.Change(func(b *sandbox.Behaviour) { b.AvananDates = sandbox.Zulu })
	m.write("config/avanan/us", m.avananValues())
	require.Equal(t, 2, m.vendor.Handshakes(), "zoneless, then zulu")
	restarted := newMount(t)
	restarted.vendor.Change(func(b *sandbox.Behaviour) { b.AvananDates = sandbox.Zulu })
	restarted.storage.Storage = m.storage.Storage
	restarted.elsewhere("config/avanan/us", "base_url", restarted.url)
	restarted.read("creds/avanan/us")
	require.Equal(t, 1, restarted.vendor.Handshakes(), "zulu")

	untried := newMount(t)
	untried.vendor.Change(func(b *sandbox.Behaviour) { b.AvananDates = sandbox.Zulu })
	untried.write("config/avanan/us", with(untried.avananValues(), values{"verify": false}))
	untried.read("creds/avanan/us")
	require.Equal(t, 2, untried.vendor.Handshakes(), "zoneless, then zulu")
	untried.advance(time.Hour)
	untried.read("creds/avanan/us")
	require.Equal(t, 3, untried.vendor.Handshakes(), "zulu")
}

// If storage fails in a check, at any of its calls, the check fails with storage's error, and the config stays as it
// was.
func TestCheckFailsWithStorage(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"auto", "unix"} { // a check of auto stores what it finds
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			for failAt := 1; ; failAt++ {
				m := newMount(t)
				m.vendor.Change(func(b *sandbox.Behaviour) { b.PAVETimestamps = sandbox.Timestamps("unix") })
				m.write("config/pave/main", with(m.paveValues(), values{"timestamp_format": format}))
				before := m.stored()
				failing := &failingStorage{Storage: m.storage.Storage, failAt: failAt}
				req := m.request(logical.UpdateOperation, "check/pave/main", nil)
				req.Storage = failing
				resp, err := m.HandleRequest(t.Context(), req)
				if !failing.failed {
					require.NoError(t, err)
					require.Greater(t, failAt, 2)
					require.Equal(t, "unix", resp.Data["timestamp_format"])
					break
				}
				require.ErrorIs(t, err, errInjected, "call %d", failAt)
				require.Nil(t, resp)
				require.Equal(t, before, m.stored())
			}
		})
	}
}

// An exchange that fails for an internal reason counts as nonsense in the metrics, never as a success.
func TestInternalErrorIsNoSuccessInTheMetrics(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false}))
	m.newID = func() (string, error) { return "", io.ErrUnexpectedEOF }
	_, err := m.HandleRequest(t.Context(), m.request(logical.ReadOperation, "creds/avanan/us", nil))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	got := m.scrape()
	require.InDelta(t, 1, got[`apisig_exchanges_total{config="us",result="nonsense",vendor="avanan"}`], 0)
	require.NotContains(t, got, `apisig_exchanges_total{config="us",result="ok",vendor="avanan"}`)
}
