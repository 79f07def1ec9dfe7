package backend

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// OpenSSL computed the tokens, for the time at which the mount starts:
//
//	printf %s "acme:09bc91b9-76e5-4256-8e4f-7a41c1408014@$timestamp" | openssl dgst -sha256 -hmac sandbox-pave-secret
func TestCredsPaveAnswer(t *testing.T) {
	t.Parallel()
	const key = "09bc91b9-76e5-4256-8e4f-7a41c1408014"
	for format, signed := range map[string]struct{ at, token string }{
		"rfc3339": {
			at:    "2026-01-02T03:04:05Z",
			token: "56ca75d9d3e557966d16fee2529a85c6f51a4cb898d85aea90b077454e606976",
		},
		"rfc3339-ms": {
			at:    "2026-01-02T03:04:05.123Z",
			token: "daf5b8a1a7ef1e886285323af02ae33f385d37f83ad893c8857fe66a5225bfda",
		},
		"http-date": {
			at:    "Fri, 02 Jan 2026 03:04:05 GMT",
			token: "7697154ac64e755bfb658c3fe7413191652b1ae83f3a65fca9a53c28857d227b",
		},
		"unix": {
			at:    "1767323045",
			token: "2db39fd5fd0d758bab2ac7c70a741aae1fa51690c40844bfd55a96cc11b86544",
		},
	} {
		for _, operation := range []logical.Operation{logical.ReadOperation, logical.UpdateOperation} {
			t.Run(fmt.Sprint(operation, " of ", format), func(t *testing.T) {
				t.Parallel()
				m := newMount(t)
				m.write("config/pave/main", with(m.paveValues(), values{"timestamp_format": format, "ttl": 77}))
				resp, _, _ := m.handle(operation, "creds/pave/main", nil)
				require.Nil(t, resp.Secret)
				require.Equal(t, values{
					"headers":             map[string]string{"API-Key": key, "API-Token": signed.token, "API-Timestamp": signed.at},
					"header_lines":        "API-Key: " + key + "\nAPI-Timestamp: " + signed.at + "\nAPI-Token: " + signed.token + "\n",
					"per_call_headers":    []string{},
					"api_key":             key,
					"api_token":           signed.token,
					"api_timestamp":       signed.at,
					"base_url":            m.url,
					"expires_at":          "2026-01-02T03:09:05Z",
					"ttl":                 77,
					"rotation_period":     77,
					"last_vault_rotation": "2026-01-02T03:04:05.123456789Z",
				}, resp.Data)
			})
		}
	}
}

func TestPaveHeadersAreSignedAtEachRead(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	m.read("creds/pave/main")
	m.advance(time.Hour)
	m.write("config/pave/main", values{"timestamp_format": "unix"})
	require.Equal(t, "1767326645", m.read("creds/pave/main")["api_timestamp"], "signed again at each read")
}

func TestMissingConfigErrorSaysWhatToWrite(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	const pave, avanan = "config/pave/none username=", "config/avanan/none region="
	for path, want := range map[string]string{
		"creds/pave/none":        pave,
		"creds/avanan/none":      avanan,
		"sign/avanan/none":       avanan,
		"sign/avanan/none/batch": avanan,
	} {
		for operation := range m.Route(path).Operations {
			t.Run(fmt.Sprint(operation, " ", path), func(t *testing.T) {
				t.Parallel()
				config, _, _ := strings.Cut(want, " ")
				text := "there is no config at apisig/" + config + "; write one first: vault write apisig/" + want
				require.Contains(t, m.in(t).refused(operation, path, nil), text)
			})
		}
	}
	// What the mount's path begins with may be a namespace, which the user may have set.
	req := m.request(logical.ReadOperation, "creds/pave/none", nil)
	req.MountPoint = "team/apisig/"
	resp, err := m.HandleRequest(t.Context(), req)
	require.NoError(t, err)
	require.ErrorContains(t, resp.Error(), "vault write -namespace=/ team/apisig/config/pave/none username=")
}

func TestCredsAvananAnswer(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	var token any
	for _, operation := range []logical.Operation{logical.ReadOperation, logical.UpdateOperation} {
		resp, _, _ := m.handle(operation, "creds/avanan/us", nil)
		if token == nil {
			token = resp.Data["token"]
		}
		require.Equal(t, values{
			"token": token, "app_id": "US:sandbox", "region": "us", "base_url": m.url, "expires_at": "2026-01-02T04:04:05Z",
		}, resp.Data)
		require.Empty(t, resp.Warnings)
		require.False(t, resp.Secret.Renewable)
		// The JWT expires in 3599.876543211 s. Less 60 s, in whole seconds, that is 3539 s.
		require.Equal(t, 3539*time.Second, resp.Secret.TTL)
		require.Zero(t, resp.Secret.MaxTTL)
		require.Equal(t, "avanan_token", resp.Secret.InternalData["secret_type"])
		require.NotContains(t, fmt.Sprint(resp.Secret.InternalData), token)
	}
}

// Readers share a JWT exactly while it has min_ttl left.
func TestCredsAvananSharesTokenWhileMinTTLIsLeft(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"min_ttl": 600}))
	first := m.read("creds/avanan/us")["token"]
	handshakes := m.vendor.Handshakes()

	// The JWT lives for an hour less 123456789 ns.
	m.advance(50*time.Minute - 123456789)
	require.Equal(t, first, m.read("creds/avanan/us")["token"])
	require.Equal(t, handshakes, m.vendor.Handshakes())
	m.advance(1)
	second := m.read("creds/avanan/us")["token"]
	require.NotEqual(t, first, second)
	require.Equal(t, handshakes+1, m.vendor.Handshakes())

	m.write("config/avanan/us", values{"min_ttl": 0})
	m.advance(59 * time.Minute)
	require.Equal(t, second, m.read("creds/avanan/us")["token"])
}

// A reader's own min_ttl gets it a JWT that lives at least that long, and at most half of a JWT's life counts: then a
// warning says that it lives for less. The larger of its own and the config's counts, and others go on sharing.
func TestCredsTakeMinTTL(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config, own any
		left        time.Duration // of an hour's JWT, before the read
		new         bool
		warning     string
	}{
		"enough is left":         {"10m", "20m", 20 * time.Minute, false, ""},
		"too little is left":     {"10m", "20m", 20*time.Minute - 1, true, ""},
		"seconds":                {"10m", 1200, 20*time.Minute - 1, true, ""},
		"seconds, and enough":    {"10m", 1200, 20 * time.Minute, false, ""},
		"the config's is larger": {"20m", "10m", 20*time.Minute - 1, true, ""},
		"none at all":            {"20m", 0, 20 * time.Minute, false, ""},
		"more than half of the life": {
			config: "10m",
			own:    "30m",
			left:   29 * time.Minute,
			warning: "the token expires in 29m0s, which is less than min_ttl; " +
				"at most half of a token's life counts",
		},
		"half of the life is over": {"10m", "30m", 28 * time.Minute, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/avanan/us", with(m.avananValues(), values{"min_ttl": test.config}))
			first := m.read("creds/avanan/us")["token"]
			m.advance(time.Hour - 123456789 - test.left) // the JWT lives for an hour less 123456789 ns
			resp, _, text := m.handle(logical.ReadOperation, "creds/avanan/us", values{"min_ttl": test.own})
			require.Empty(t, text)
			require.Equal(t, test.new, resp.Data["token"] != first)
			require.Equal(t, test.warning, strings.Join(resp.Warnings, "\n"))
			require.Equal(t, resp.Data["token"], m.read("creds/avanan/us")["token"], "readers share it")
		})
	}
}

func TestWrongMinTTLIsRefused(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	m.write("config/pave/main", m.paveValues())
	handshakes := m.vendor.Handshakes()
	const (
		bounds  = "min_ttl must be from 0s to 1800s"
		form    = "min_ttl must be a duration: seconds as a whole number, or text such as 150s or 10m"
		unknown = `unknown parameter "min_ttl"; this takes `
	)
	for name, test := range map[string]struct {
		path  string
		value any
		want  string
	}{
		"31 minutes":        {"creds/avanan/us", "31m", bounds},
		"30 minutes and 1s": {"creds/avanan/us", 1801, bounds},
		"centuries":         {"creds/avanan/us", "2562047h", bounds},
		"below zero":        {"creds/avanan/us", -1, form},
		"an empty text":     {"creds/avanan/us", "", form},
		"a word":            {"creds/avanan/us", "soon", form},
		"a flag":            {"creds/avanan/us", true, form},
		"one and a half":    {"creds/avanan/us", 1.5, form},
		"null":              {"creds/avanan/us", nil, "min_ttl is null: give it a value, or leave it out"},
		"without tokens":    {"creds/pave/main", 1, unknown + "unauthorized"},
		"of a signature":    {"sign/avanan/us", 1, unknown + "request_string, unauthorized"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := m.in(t)
			require.Equal(t, test.want, m.refused(logical.UpdateOperation, test.path, values{"min_ttl": test.value}))
			require.Equal(t, handshakes, m.vendor.Handshakes())
		})
	}
}

// A JWT that lives for two minutes is shared by many reads.
func TestShortLivedTokenIsShared(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.tokenLife(2 * time.Minute)
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false}))
	for range 20 {
		m.must(logical.ReadOperation, "sign/avanan/us", values{"request_string": "/v1.0/scopes"})
		m.advance(time.Second)
	}
	require.Equal(t, 1, m.vendor.Handshakes())
}

// For JWTs of any life, a lease's TTL is positive and not longer than its JWT's. A JWT that lives for less than three
// seconds is an error.
func TestLeaseTTLForTokensOfAnyLife(t *testing.T) {
	t.Parallel()
	for _, life := range []time.Duration{
		4 * time.Second, 10 * time.Second, time.Minute, 9 * time.Minute, 10 * time.Minute, 11 * time.Minute, time.Hour,
		23 * time.Hour, 24 * time.Hour, 25 * time.Hour, 10000 * time.Hour,
	} {
		t.Run(life.String(), func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.tokenLife(life)
			m.write("config/avanan/us", with(m.avananValues(), values{"min_ttl": 0}))
			for range 3 {
				resp, _, text := m.handle(logical.ReadOperation, "creds/avanan/us", nil)
				require.Empty(t, text)
				expiry, err := time.Parse(time.RFC3339, resp.Data["expires_at"].(string))
				require.NoError(t, err)
				require.GreaterOrEqual(t, resp.Secret.TTL, time.Second)
				require.False(t, m.time().Add(resp.Secret.TTL).After(expiry))
				require.LessOrEqual(t, expiry.Sub(m.time()), 24*time.Hour)
				m.advance(life / 3)
			}
		})
	}
	for _, life := range []time.Duration{2 * time.Second, -time.Hour} {
		for path, data := range tokenReads {
			t.Run(life.String()+", "+path, func(t *testing.T) {
				t.Parallel()
				m := newMount(t)
				m.write("config/avanan/us", with(m.avananValues(), values{"verify": false}))
				m.tokenLife(life)
				_, status, text := m.handle(logical.ReadOperation, path, data)
				require.Equal(t, http.StatusBadGateway, status)
				require.Contains(t, text, "the token has expired")
			})
		}
	}
}

// An answer of creds/ that has headers names those of one call alone. A client that uses it for many calls puts a new
// UUID in each. The headers of sign/ are of one call anyway.
func TestPerCallHeaders(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	m.write("config/avanan/us", m.avananValues())
	m.write("config/infinity/us", m.infinityValues())
	m.write("config/custom/x", m.customCreds())
	m.write("config/custom/ovh", m.customValues())
	m.write("config/custom/query", values{
		"scheme": customQueryCredsScheme, "base_url": "https://api.example", "key": "canary-key",
	})
	for path, test := range map[string]struct {
		given values
		want  any // nil: absent
	}{
		"creds/pave/main":      {nil, []string{}},
		"creds/custom/x":       {nil, []string{}},
		"creds/infinity/us":    {nil, []string{"x-av-req-id"}},
		"creds/avanan/us":      {nil, nil}, // a token, and no headers
		"creds/custom/query":   {nil, nil}, // query parameters only
		"sign/avanan/us":       {values{"request_string": "/v1.0/scopes"}, nil},
		"sign/avanan/us/batch": {values{"request_strings": "/v1.0/scopes"}, nil},
		"sign/custom/ovh":      {ovhCalls()[0], nil},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			answer := m.in(t).must(logical.UpdateOperation, path, test.given)
			require.Equal(t, test.want, answer["per_call_headers"])
			if test.want == nil {
				require.NotContains(t, answer, "per_call_headers")
			}
		})
	}
}

// customQueryCredsScheme has no request, and query parameters only. OpenSSL computed the signature:
//
//	printf 1767323045 | openssl dgst -sha256 -hmac made-up
const customQueryCredsScheme = `secrets: {key: {}}
query: {sig: 'hex(hmac_sha256(key, now.unix()))'}
ttl: 60s
examples:
  - secrets: {key: made-up}
    now: 2026-01-02T03:04:05Z
    want: {sig: de6af3cdbd886418bd03ce7e6e8f6aec826502e3a940e663690161c9b3defae8}
`

// tokenReads are the reads that need a token.
var tokenReads = map[string]values{
	"creds/avanan/us": nil,
	"sign/avanan/us":  {"request_string": "/v1.0/scopes"},
}

// If a new JWT is due and the vendor fails, readers get the current one with a warning. After its end they get an
// error.
func TestVendorFailureServesCurrentToken(t *testing.T) {
	t.Parallel()
	for fault, want := range map[sandbox.Fault]struct {
		status int
		text   string
	}{
		sandbox.Break:  {http.StatusBadGateway, "status 500"},
		sandbox.Limit:  {http.StatusTooManyRequests, "status 429"},
		sandbox.Refuse: {http.StatusBadRequest, "status 403"},
	} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/avanan/us", with(m.avananValues(), values{"date_format": "zoneless"}))
			token := m.read("creds/avanan/us")["token"]
			m.fault(fault)
			m.advance(55 * time.Minute)
			for path, data := range tokenReads {
				resp, _, text := m.handle(logical.ReadOperation, path, data)
				require.Empty(t, text)
				require.Len(t, resp.Warnings, 1)
				require.Contains(t, resp.Warnings[0], "could not get a new token; returning the current one, which is still valid")
				require.Contains(t, resp.Warnings[0], want.text)
				require.Contains(t, fmt.Sprint(resp.Data), token)
			}
			m.advance(4*time.Minute + 30*time.Second)
			require.Equal(t, token, m.read("creds/avanan/us")["token"], "served until its end")
			m.advance(30 * time.Second)
			for path, data := range tokenReads {
				_, status, text := m.handle(logical.ReadOperation, path, data)
				require.Equal(t, want.status, status)
				require.Contains(t, text, "config/avanan/us: "+strings.TrimPrefix(m.url, "http://"))
				require.Contains(t, text, want.text)
			}
			m.fault(sandbox.None)
			m.advance(time.Second)
			require.NotEqual(t, token, m.read("creds/avanan/us")["token"])
		})
	}
}

// After repeated failures the engine waits 1, 2, 4, then 8 seconds before it calls the vendor again. A success ends
// that.
func TestRepeatedFailuresHoldOff(t *testing.T) {
	t.Parallel()
	for fault, heldStatus := range map[sandbox.Fault]int{
		sandbox.Limit:  http.StatusServiceUnavailable,
		sandbox.Refuse: http.StatusBadRequest,
	} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/avanan/us", with(m.avananValues(), values{"verify": false, "date_format": "zoneless"}))
			m.fault(fault)
			failures := 0
			fail := func() {
				failures++
				_, status, text := m.handle(logical.ReadOperation, "creds/avanan/us", nil)
				require.NotContains(t, text, "before the next attempt")
				require.NotEqual(t, http.StatusServiceUnavailable, status)
				require.Equal(t, failures, m.read("status/avanan/us")["exchanges"])
			}
			for range 6 {
				fail()
			}
			for _, seconds := range []int{1, 2, 4, 8, 8} {
				pause := time.Duration(seconds) * time.Second
				for range 2 {
					_, status, text := m.handle(logical.ReadOperation, "creds/avanan/us", nil)
					require.Equal(t, heldStatus, status)
					require.Contains(t, text, "config/avanan/us: waiting ")
					require.Contains(t, text, "answered with status")
					require.Equal(t, failures, m.read("status/avanan/us")["exchanges"])
					m.advance(pause/2 - 1)
				}
				m.advance(2)
				fail()
			}
			m.fault(sandbox.None)
			m.advance(8 * time.Second)
			m.read("creds/avanan/us")
		})
	}
}

// revoke ends a lease as Vault does: with the answer of the read, the internal data, and the time of issue.
func (m *mount) revoke(resp *logical.Response) {
	m.t.Helper()
	req := m.request(logical.RevokeOperation, "creds/avanan/us", resp.Data)
	secret := *resp.Secret
	secret.IssueTime = m.time()
	req.Secret = &secret
	answer, err := m.HandleRequest(context.Background(), req)
	require.NoError(m.t, err)
	require.Nil(m.t, answer)
}

// Ending a lease changes nothing for other readers: they need no new handshake, and in an outage they keep the current
// token.
func TestRevokedLeaseKeepsSharedToken(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	first, _, _ := m.handle(logical.ReadOperation, "creds/avanan/us", nil)
	handshakes := m.vendor.Handshakes()
	for range 64 { // clients that log in, read, and revoke their own token
		resp, _, _ := m.handle(logical.ReadOperation, "creds/avanan/us", nil)
		m.revoke(resp)
	}
	require.Equal(t, first.Data["token"], m.read("creds/avanan/us")["token"])
	require.Equal(t, handshakes, m.vendor.Handshakes())

	m.advance(55 * time.Minute)
	m.fault(sandbox.Break)
	inOutage, _, _ := m.handle(logical.ReadOperation, "creds/avanan/us", nil)
	require.Len(t, inOutage.Warnings, 1)
	m.revoke(inOutage)
	require.Equal(t, first.Data["token"], m.read("creds/avanan/us")["token"])
}

// Revocation succeeds if the config is deleted, if storage and the vendor fail, and after a restart of the plugin. It
// also succeeds for leases of other versions, with fewer or more fields. A panic would end every mount of the plugin.
func TestRevocationAlwaysSucceeds(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	lease, _, _ := m.handle(logical.ReadOperation, "creds/avanan/us", nil)
	m.must(logical.DeleteOperation, "config/avanan/us", nil)
	m.fault(sandbox.Break)
	m.storage.verb.Store("get")
	m.revoke(lease)
	restarted := newMount(t)
	restarted.storage.verb.Store("get")
	restarted.revoke(lease)
	for name, internal := range map[string]values{
		"fewer fields": {"secret_type": "avanan_token"},
		"other fields": {"secret_type": "avanan_token", "config": 7, "token_id": nil, "later": true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m.in(t).revoke(&logical.Response{Secret: &logical.Secret{InternalData: internal}})
		})
	}
	renewal := &logical.Request{Operation: logical.RenewOperation, Path: "creds/avanan/us", Secret: lease.Secret}
	_, err := m.HandleRequest(t.Context(), renewal)
	require.ErrorIs(t, err, logical.ErrUnsupportedOperation)
}

// Leases outlive upgrades, so what they contain must not change:
//
//	printf %s a.b.c | sha256sum | cut -c 1-32
func TestLeaseContents(t *testing.T) {
	t.Parallel()
	m := newMountOf(t, withTokens(func() (token.Token, error) {
		return token.Token{Value: "a.b.c", AskedAt: began, ExpiresAt: began.Add(time.Hour), Format: "zoneless"}, nil
	}))
	m.write("config/avanan/us", m.avananValues())
	resp, _, _ := m.handle(logical.ReadOperation, "creds/avanan/us", nil)
	require.Equal(t, values{
		"secret_type": "avanan_token", "config": "us", "token_id": "845e30448809e2bc8958eb025bfc7952",
	}, resp.Secret.InternalData)
}

// A new config does not use the token of a deleted config with the same name.
func TestDeletedConfigForgetsItsToken(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", m.avananValues())
	first := m.read("creds/avanan/us")["token"]
	m.must(logical.DeleteOperation, "config/avanan/us", nil)
	m.refused(logical.ReadOperation, "creds/avanan/us", nil)
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false}))
	second := m.read("creds/avanan/us")["token"]
	require.NotEqual(t, first, second)
}

// A reader that loaded its config just before a rotation, and whose old secret the vendor rejects, is served with the
// new secret.
func TestReaderDuringRotationGetsNewSecret(t *testing.T) {
	t.Parallel()
	for path, data := range tokenReads {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/avanan/us", m.avananValues())
			m.vendor.Change(func(b *sandbox.Behaviour) { b.AvananSecretKey = "rotated" })
			rotate := func() { m.write("config/avanan/us", values{"secret_key": "rotated"}) }
			m.storage.afterGet.Store(&rotate)
			m.must(logical.ReadOperation, path, data)
			m.must(logical.ReadOperation, path, data)
		})
	}
}

// Unmounting ends handshakes, and later ones fail.
func TestUnmountingEndsHandshakes(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/avanan/us", with(m.avananValues(), values{"verify": false}))
	m.Cleanup(t.Context())
	_, status, text := m.handle(logical.ReadOperation, "creds/avanan/us", nil)
	require.Equal(t, http.StatusBadGateway, status)
	require.Contains(t, text, "the request was canceled")
}

// No answer, warning, error or log line contains a secret. The only exception is the JWT in the answer of creds/avanan.
func TestNoSecretInAnswersAndLogs(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.vendor.Change(func(b *sandbox.Behaviour) { b.PAVEAPISecret, b.AvananSecretKey = "canary-pave", "canary-avanan" })
	var told bytes.Buffer
	tell := func(operation logical.Operation, path string, data values) *logical.Response {
		resp, _, text := m.handle(operation, path, data)
		fmt.Fprintln(&told, text)
		if resp != nil {
			fmt.Fprintf(&told, "%v %v %#v\n", resp.Data, resp.Warnings, resp.Secret)
		}
		return resp
	}
	tell(logical.CreateOperation, "config/pave/main", with(m.paveValues(), values{"api_secret": "canary-pave"}))
	tell(logical.CreateOperation, "config/avanan/us", with(m.avananValues(), values{"secret_key": "canary-avanan"}))
	tell(logical.UpdateOperation, "config/avanan/us", values{"secret_key": "canary-wrong"})
	tell(logical.UpdateOperation, "config/avanan/us", values{"secret_key": "canary\n"})
	tell(logical.ReadOperation, "config/pave/main", nil)
	tell(logical.ReadOperation, "config/avanan/us", nil)
	tell(logical.ReadOperation, "creds/pave/main", nil)
	tell(logical.ReadOperation, "sign/avanan/us", values{"request_string": "/v1.0/scopes"})
	m.advance(55 * time.Minute)
	m.fault(sandbox.Refuse)
	token := tell(logical.ReadOperation, "creds/avanan/us", nil).Data["token"].(string)
	m.advance(time.Hour)
	tell(logical.ReadOperation, "creds/avanan/us", nil)
	require.NotContains(t, told.String(), "canary")
	require.Contains(t, m.logged(), "could not get a token: vendor=avanan config=us")
	require.NotContains(t, m.logged(), "canary")
	require.NotContains(t, m.logged(), token)
}

// With unauthorized=true, on any path that uses the token, a token that is at least five minutes old is replaced once
// for all readers. For a vendor without tokens the parameter does nothing.
func TestUnauthorizedReplacesTokenForAllReaders(t *testing.T) {
	t.Parallel()
	for path, data := range map[string]values{
		"creds/avanan/us":      {},
		"sign/avanan/us":       {"request_string": "/v1.0/scopes"},
		"sign/avanan/us/batch": {"request_strings": "/v1.0/scopes"},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/avanan/us", m.avananValues())
			old := m.read("creds/avanan/us")["token"]
			says := func(unauthorized any) values { return with(data, values{"unauthorized": unauthorized}) }
			m.advance(5*time.Minute - time.Nanosecond)
			m.must(logical.UpdateOperation, path, says(true))
			require.Equal(t, old, m.read("creds/avanan/us")["token"])
			m.advance(time.Nanosecond)
			m.must(logical.UpdateOperation, path, says("false"))
			require.Equal(t, old, m.read("creds/avanan/us")["token"])
			m.must(logical.UpdateOperation, path, says(true))
			replaced := m.read("creds/avanan/us")["token"]
			require.NotEqual(t, old, replaced)
			m.must(logical.UpdateOperation, path, says(true))
			require.Equal(t, replaced, m.read("creds/avanan/us")["token"])
			require.Equal(t, 2, m.vendor.Handshakes())
			require.Contains(t, m.refused(logical.UpdateOperation, path, says("perhaps")), "unauthorized must be true or false")
		})
	}
	m := newMount(t)
	m.write("config/pave/main", m.paveValues())
	unauthorized := m.must(logical.ReadOperation, "creds/pave/main", values{"unauthorized": "true"})
	require.Equal(t, m.read("creds/pave/main"), unauthorized)
}
