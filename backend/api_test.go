package backend

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/apis"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// An API that is only declared has a config with rules, verified writes, shared and leased tokens, signatures, batches,
// help and leases that can be revoked.
func TestDeclaredAPIHasAllPaths(t *testing.T) {
	t.Parallel()
	logins := 0
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Password") != "canary-password" {
			_, _ = w.Write([]byte("wrong password"))
			return
		}
		logins++
		_, _ = w.Write([]byte("made-up-token"))
	}))
	t.Cleanup(vendor.Close)
	m := newMountOf(t, append(apis.All(), madeUp()))
	require.Contains(t, m.refused(logical.ReadOperation, "creds/madeup/x", nil),
		"vault write apisig/config/madeup/x user=... password=-")
	wrong := values{"user": "me", "password": "canary-wrong", "base_url": vendor.URL}
	refusal := m.refused(logical.UpdateOperation, "config/madeup/x", wrong)
	require.Contains(t, refusal, "config/madeup/x was not stored: ")
	require.Contains(t, refusal, "check user and password")
	require.NotContains(t, refusal, "canary")
	m.write("config/madeup/x", with(wrong, values{"password": "canary-password"}))
	require.Equal(t, values{
		"user":              "me",
		"base_url":          vendor.URL,
		"ca_cert":           "",
		"min_ttl":           600,
		"request_timeout":   10,
		"secret_written_at": "2026-01-02T03:04:05Z",
	}, m.read("config/madeup/x"))
	require.Contains(t, m.refused(logical.PatchOperation, "config/madeup/x", values{"user": "other"}),
		"changing user needs password")

	resp, _, _ := m.handle(logical.ReadOperation, "creds/madeup/x", nil)
	require.Equal(t, values{
		"headers":          map[string]string{"Authorization": "Bearer made-up-token"},
		"header_lines":     "Authorization: Bearer made-up-token\n",
		"per_call_headers": []string{},
		"expires_at":       "2026-01-02T03:34:05Z",
	}, resp.Data)
	require.Equal(t, 29*time.Minute, resp.Secret.TTL)
	require.Equal(t, "madeup_token", resp.Secret.InternalData["secret_type"])
	m.revoke(resp)

	call := values{"method": "GET", "request_string": "/ab", "body_sha256": "e3b0"}
	// printf 'made-up-token\nGET\n/ab\ne3b0' | openssl dgst -sha256 -hmac canary-password
	const signature = "6bf4a96e86c583e3ce0c8b70dc7d3f3498dc1bb8769dc4bf9b09b502b3dbed01"
	signed := m.must(logical.UpdateOperation, "sign/madeup/x", call)
	require.Equal(t, values{
		"headers":      map[string]string{"Authorization": "Bearer made-up-token", "Signature": signature},
		"header_lines": "Authorization: Bearer made-up-token\nSignature: " + signature + "\n",
		"url":          vendor.URL + "/ab",
		"expires_at":   "2026-01-02T03:34:05Z",
	}, signed)
	batch := m.must(logical.UpdateOperation, "sign/madeup/x/batch", values{
		"requests": []any{call, call},
	})
	delete(signed, "expires_at")
	require.Equal(t,
		values{"results": []any{signed, signed}, "expires_at": "2026-01-02T03:34:05Z"}, batch)
	wrong = with(call, values{"method": "get"})
	require.Equal(t, "method must be upper case", m.refused(logical.UpdateOperation, "sign/madeup/x", wrong))
	require.Equal(t, "requests[1]: method must be upper case",
		m.refused(logical.UpdateOperation, "sign/madeup/x/batch", values{
			"requests": []any{call, wrong},
		}))
	require.Equal(t, 1, logins)
	require.Equal(t, []string{"x"}, m.must(logical.ListOperation, "config/madeup", nil)["keys"])
	m.must(logical.DeleteOperation, "config/madeup/x", nil)
	require.NotContains(t, m.logged(), "canary")
}

// No file of this package names an API, except in comments.
func TestEngineNamesNoAPI(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		for number, line := range strings.Split(string(content), "\n") {
			code, _, _ := strings.Cut(line, "//")
			for _, a := range apis.All() {
				if regexp.MustCompile("(?i)" + a.Name).MatchString(code) {
					t.Errorf("%s:%d names %s: %s", file, number+1, a.Name, code)
				}
			}
		}
	}
}

// staticKey is the account of the simplest API.
type staticKey struct{ key secret.Text }

func (a staticKey) Creds(api.Moment) (api.Answer, error) {
	return api.Answer{Headers: map[string]string{"Key": a.key.Reveal()}}, nil
}

// The simplest API has a static header and no token; what it leaves out is no panic, which would end every mount.
func TestAPIMayLeaveThingsOut(t *testing.T) {
	t.Parallel()
	key := api.Field{Name: "key", Kind: api.Secret, Required: true, Help: "The key."}
	m := newMountOf(t, []*api.API{{
		Name: "static", Title: "Static", FirstWrite: "key=-", ConfigHelp: "Stores a key.",
		Form: api.Form{
			Fields: []api.Field{
				key,
				{Name: "base_url", Bound: true, Help: "Where it is for."},
				{Name: "loud", Kind: api.Flag, Default: true, Help: "Whether it is loud."},
				{Name: "quiet", Kind: api.Flag, Help: "Whether it is quiet."},
			},
			Open: func(v api.Values) (*api.Account, error) { return &api.Account{Creds: staticKey{v.Secret(key)}}, nil },
		},
		Creds: &api.Path{Synopsis: "Get it.", Help: "Returns it.", Headers: "The header."},
	}})
	m.write("config/static/x", values{"key": "k", "base_url": "https://a.example", "loud": false})
	m.InvalidateKey(t.Context(), "config/static/x")
	require.Equal(t, values{"base_url": "https://a.example", "loud": false, "quiet": false}, m.read("config/static/x"))
	require.Equal(t, values{
		"headers": map[string]string{"Key": "k"}, "header_lines": "Key: k\n", "per_call_headers": []string{},
	}, m.read("creds/static/x"))
	resp, _, _ := m.handle(logical.UpdateOperation, "config/static/x", values{"key": "new"})
	require.Contains(t, resp.Warnings[0], "https://a.example")
	require.NotContains(t, m.read("status/static/x"), "exchanges")
	m.must(logical.ReadOperation, "metrics", nil)
	_, err := m.HandleRequest(t.Context(), m.request(logical.UpdateOperation, "check/static/x", nil))
	require.ErrorIs(t, err, logical.ErrUnsupportedPath)
}
