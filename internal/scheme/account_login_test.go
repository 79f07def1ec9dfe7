package scheme_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/scheme"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
	"github.com/apisig/vault-plugin-apisig/internal/upstreamtest"
)

// writing is a write of a new config of custom.
type writing map[string]string

func (w writing) Given(f api.Field) (value api.Value, null, given bool) {
	text, given := w[f.Name]
	value = api.Value{Seconds: 10}
	if given {
		value = api.Value{Text: secret.Text(text)}
	}
	return value, false, given
}
func (writing) Check([]api.Field) error    { return nil }
func (writing) CheckAddress(string) string { return "" }

// Each attempt of a login is made anew, with its own time and ids. What fails in making it is told as it is.
func TestAttemptsOfALoginAreMadeAnew(t *testing.T) {
	t.Parallel()
	var sent []string
	note := func(next http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			sent = append(sent, r.FormValue("at")+" "+r.Header.Get("X-Id"))
			next(w, r)
		}
	}
	server := upstreamtest.New(t, note(upstreamtest.Status(500)),
		note(upstreamtest.Body(`{"access_token":"t","sites":[0,{"id":"s"}],"expires_in":60}`)))
	server.Start()
	change, err := scheme.API().Apply(api.Write{
		Old: scheme.API().New(), Addresses: writing{},
		Parameters: writing{
			"scheme": loginWith(t,
				"headers: {Authorization: '\"Basic", "headers: {X-Id: uuid, Authorization: '\"Basic",
				"    now: 2026-01-02T03:04:05Z\n", "    now: 2026-01-02T03:04:05Z\n    uuid: u\n",
				"headers: {Authorization: 'Basic", "headers: {X-Id: u, Authorization: 'Basic",
			),
			"base_url":      "https://api.example",
			"login_address": server.URL,
			"client_id":     "id",
			"client_secret": "canary-secret",
		},
	})
	require.NoError(t, err)
	require.Equal(t, api.Address{Field: "login_address", URL: server.URL}, change.Account.LoginAddress)
	require.True(t, change.Account.SendsSecret)
	clock, ids := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), 0
	by := api.Caller{
		Client: exchange.Client{
			Now:            func() time.Time { clock = clock.Add(time.Second); return clock },
			Pause:          time.Millisecond,
			LoopbackLogins: true,
		},
		NewID: func() (string, error) { ids++; return []string{"", "one", "two"}[ids], nil },
	}
	report, err := change.Account.Login.Login(t.Context(), by, "")
	require.NoError(t, err)
	require.Equal(t, []string{"1767323046 one", "1767323048 two"}, sent)
	require.Equal(t, int64(1767323048), report.Token.AskedAt.Unix())
	require.Equal(t, time.Minute, report.Token.Life())
	require.Equal(t, "s", report.Token.Values["site"].Reveal())

	by.NewID = func() (string, error) { return "", errors.New("no randomness") }
	_, err = change.Account.Login.Login(t.Context(), by, "")
	require.EqualError(t, err, "making a uuid: no randomness")
}
