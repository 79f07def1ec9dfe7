package backend

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// A vendor that declares no creds has no creds path, and one that declares no signatures has no sign paths.
func TestVendorHasThePathsThatItDeclares(t *testing.T) {
	t.Parallel()
	signs, gives := madeUp(), madeUp()
	signs.Name, signs.Creds = "signs", nil
	gives.Name, gives.Sign = "gives", nil
	gives.Lease.Type = "gives_token"
	m := newMountOf(t, []*api.API{signs, gives})
	for path, want := range map[string]bool{
		"creds/signs/x":      false,
		"sign/signs/x":       true,
		"sign/signs/x/batch": true,
		"config/signs/x":     true,
		"config/signs":       true,
		"check/signs/x":      true,
		"creds/gives/x":      true,
		"sign/gives/x":       false,
		"sign/gives/x/batch": false,
		"config/gives/x":     true,
		"config/gives":       true,
		"check/gives/x":      true,
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, m.Route(path) != nil)
		})
	}
}

// If there is no randomness, newUUID returns an error.
//
//nolint:paralleltest // It changes the source of all UUIDs in the process.
func TestUUIDWithoutRandomness(t *testing.T) {
	first, err := newUUID()
	require.NoError(t, err)
	require.Regexp(t, "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", first)
	second, err := newUUID()
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	uuid.SetRand(iotest.ErrReader(io.ErrUnexpectedEOF))
	defer uuid.SetRand(nil)
	_, err = newUUID()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// If an existence check cannot read storage, it fails. Otherwise Vault would check an update against the capability
// create.
func TestExistenceCheckFailsWithStorage(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	m.storage.verb.Store("get")
	_, _, err := m.HandleExistenceCheck(t.Context(), m.request(logical.UpdateOperation, "config/pave/main", values{
		"ttl": 20,
	}))
	require.ErrorIs(t, err, errStorage)
}

// The periodic renewal ignores vendors without tokens.
func TestRenewalIgnoresVendorsWithoutTokens(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	m.read("creds/pave/main")
	m.InvalidateKey(t.Context(), "config/pave/main")
	counting := &failingStorage{Storage: m.storage.Storage}
	req := m.request(logical.RollbackOperation, "", nil)
	req.Storage = counting
	_, err := m.HandleRequest(t.Context(), req)
	require.NoError(t, err)
	require.Zero(t, counting.calls)
	m.read("creds/pave/main")
}

// A failed exchange for readers writes one line to the log. A successful one writes none.
func TestOnlyFailedExchangesAreLogged(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false}))
	m.read("creds/avanan/us")
	require.NotContains(t, m.logged(), "could not get a token")
	m.advance(time.Hour)
	m.fault(sandbox.Refuse)
	m.refused(logical.ReadOperation, "creds/avanan/us", nil)
	require.Equal(t, 1, strings.Count(m.logged(), "could not get a token"))
	require.Contains(t, m.logged(), "could not get a token: vendor=avanan config=us error=")
}

// A parameter without which every request fails is declared as required, so that OpenAPI says so.
func TestRequiredParametersAreDeclared(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	require.True(t, m.Route("sign/avanan/x").Fields["request_string"].Required)
}
