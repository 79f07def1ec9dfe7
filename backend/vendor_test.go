package backend

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// madeUpVendor is another vendor, which shows that a vendor needs only a declaration. A login with a name and a password gives a
// token for half an hour. The signature of a call is its length.
func madeUpVendor() *vendor {
	return &vendor{
		name: "madeup", title: "Made-up",
		firstWrite: "user=... password=-",
		configHelp: "Stores a login.",
		refusal:    func(config) string { return "check user and password" },
		fields: []field{
			{name: "user", required: true, bound: true, account: true, rules: []rule{atMost(20), headerText}, help: "Who logs in."},
			{name: "password", kind: secretField, required: true, account: true, help: "What proves it."},
			{name: "base_url", required: true, bound: true, account: true, rules: []rule{address}, clean: cleanAddress, help: "Where to log in."},
			{name: "ca_cert", kind: certificatesField, bound: true, account: true, rules: []rule{certificates}, help: "Whom to trust."},
			{name: "min_ttl", kind: secondsField, fallback: 60, most: maxMinTTL, help: "How long a token must live to be reused."},
			{name: "request_timeout", kind: secondsField, fallback: 5, least: 1, most: maxRequestTimeout, help: "How long a login may take."},
			{name: "verify", kind: boolField, fallback: true, unstored: true, help: "Whether a write logs in first."},
			secretWrittenAt(),
		},
		address:     func(c config) string { return c.text("base_url") },
		sendsSecret: true,
		tokens: &tokens{
			leaseType: "madeup_token",
			lease:     func(config string, _ token.Token) map[string]any { return map[string]any{leaseConfig: config} },
		},
		exchange: func(ctx context.Context, by exchanger, c config, _ string) (exchanged, error) {
			ctx, cancel := context.WithTimeout(ctx, by.timeout)
			defer cancel()
			answer, err := by.Do(ctx, exchange.Request{
				Method: http.MethodPost, URL: c.text("base_url") + "/login", CACert: c.text("ca_cert"),
				Header: func(time.Time) (http.Header, error) {
					return http.Header{"User": {c.text("user")}, "Password": {c.secret("password").Reveal()}}, nil
				},
			})
			if err != nil {
				return exchanged{}, err
			}
			return exchanged{status: answer.Status, timing: answer.Timing, token: token.Token{
				Value: secret.Text(answer.Body), AskedAt: answer.Asked, ExpiresAt: answer.Asked.Add(30 * time.Minute),
			}}, nil
		},
		creds: &creds{
			synopsis: "Get a token.", help: "Returns a token.", headers: "The one header.",
			fields: map[string]*framework.FieldSchema{
				"expires_at": {Type: framework.TypeString, Required: true, Description: "When it ends."},
			},
			answer: func(s serving) (answer, error) {
				return answer{
					headers: map[string]string{"Authorization": "Bearer " + s.token.Value.Reveal()},
					fields:  map[string]any{"expires_at": rfc3339(s.token.ExpiresAt)},
				}, nil
			},
		},
		sign: &signing{
			synopsis: "Sign a call.", help: "Returns a header.", headers: "The one header.",
			check: func(_ config, requestString string) error {
				if !strings.HasPrefix(requestString, "/") {
					return errors.New("does not start with /")
				}
				return nil
			},
			sign: func(s serving, requestString string) (answer, error) {
				return answer{
					headers: map[string]string{"Signature": s.token.Value.Reveal() + strings.Repeat("x", len(requestString))},
					fields:  map[string]any{"url": s.config.text("base_url") + requestString},
				}, nil
			},
			size: func(s serving) int { return len(s.token.Value.Reveal()) + 100 },
		},
	}
}

// A vendor that is only declared has a config with rules, verified writes, shared and leased tokens, signatures, batches, help and
// leases that can be revoked.
func TestDeclaredVendorHasAllPaths(t *testing.T) {
	t.Parallel()
	logins := 0
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Password") != "canary-password" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		logins++
		_, _ = w.Write([]byte("made-up-token"))
	}))
	t.Cleanup(vendor.Close)
	m := newMountOf(t, append(vendors(), madeUpVendor()))
	require.Contains(t, m.refused(logical.ReadOperation, "creds/madeup/x", nil), "vault write apisig/config/madeup/x user=... password=-")
	wrong := values{"user": "me", "password": "canary-wrong", "base_url": vendor.URL}
	refusal := m.refused(logical.UpdateOperation, "config/madeup/x", wrong)
	require.Contains(t, refusal, "config/madeup/x was not stored: ")
	require.Contains(t, refusal, "check user and password")
	require.NotContains(t, refusal, "canary")
	m.write("config/madeup/x", with(wrong, values{"password": "canary-password"}))
	require.Equal(t, values{
		"user": "me", "base_url": vendor.URL, "ca_cert": "", "min_ttl": 60, "request_timeout": 5,
		"secret_written_at": "2026-01-02T03:04:05Z",
	}, m.read("config/madeup/x"))
	require.Contains(t, m.refused(logical.PatchOperation, "config/madeup/x", values{"user": "other"}), "changing user needs password")

	resp, _, _ := m.handle(logical.ReadOperation, "creds/madeup/x", nil)
	require.Equal(t, values{
		"headers": map[string]string{"Authorization": "Bearer made-up-token"}, "header_lines": "Authorization: Bearer made-up-token\n",
		"expires_at": "2026-01-02T03:34:05Z",
	}, resp.Data)
	require.Equal(t, 29*time.Minute, resp.Secret.TTL)
	require.Equal(t, "madeup_token", resp.Secret.InternalData["secret_type"])
	m.revoke(resp)
	require.Equal(t, "made-up-tokenxxx", m.must(logical.ReadOperation, "sign/madeup/x", values{"request_string": "/ab"})["headers"].(map[string]string)["Signature"])
	require.Len(t, m.must(logical.UpdateOperation, "sign/madeup/x/batch", values{"request_strings": []string{"/a", "/b"}})["results"], 2)
	require.Contains(t, m.refused(logical.ReadOperation, "sign/madeup/x", values{"request_string": "a"}), "request_string does not start with /")
	require.Equal(t, 1, logins)
	require.Equal(t, []string{"x"}, m.must(logical.ListOperation, "config/madeup", nil)["keys"])
	m.must(logical.DeleteOperation, "config/madeup/x", nil)
	require.NotContains(t, m.logged(), "canary")
}

// Only the list and a vendor's own file name the vendor, except in comments.
func TestEngineNamesNoVendor(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file.Name(), "_test.go") || !strings.HasSuffix(file.Name(), ".go") {
			continue
		}
		content, err := os.ReadFile(file.Name())
		require.NoError(t, err)
		for number, line := range strings.Split(string(content), "\n") {
			code, _, _ := strings.Cut(line, "//")
			for _, v := range vendors() {
				list := file.Name() == "vendor.go" && strings.TrimSpace(code) == v.name+"Vendor(),"
				own := file.Name() == "vendor_"+v.name+".go"
				if regexp.MustCompile("(?i)"+v.name).MatchString(code) && !list && !own {
					t.Errorf("%s:%d names %s: %s", file.Name(), number+1, v.name, code)
				}
			}
		}
	}
}

// The simplest vendor has a static header and no token; what it leaves out is no panic, which would end every mount.
func TestVendorMayLeaveThingsOut(t *testing.T) {
	t.Parallel()
	m := newMountOf(t, []*vendor{{
		name: "static", title: "Static", firstWrite: "key=-", configHelp: "Stores a key.",
		fields: []field{
			{name: "key", kind: secretField, required: true, help: "The key."},
			{name: "base_url", bound: true, help: "Where it is for."},
			{name: "loud", kind: boolField, fallback: true, help: "Whether it is loud."},
			{name: "quiet", kind: boolField, help: "Whether it is quiet."},
		},
		address: func(c config) string { return c.text("base_url") },
		creds: &creds{synopsis: "Get it.", help: "Returns it.", headers: "The header.", answer: func(s serving) (answer, error) {
			return answer{headers: map[string]string{"Key": s.config.secret("key").Reveal()}}, nil
		}},
	}})
	m.write("config/static/x", values{"key": "k", "base_url": "https://a.example", "loud": false})
	m.InvalidateKey(t.Context(), "config/static/x")
	require.Equal(t, values{"base_url": "https://a.example", "loud": false, "quiet": false}, m.read("config/static/x"))
	require.Equal(t, values{"headers": map[string]string{"Key": "k"}, "header_lines": "Key: k\n"}, m.read("creds/static/x"))
	resp, _, _ := m.handle(logical.UpdateOperation, "config/static/x", values{"key": "new"})
	require.Contains(t, resp.Warnings[0], "https://a.example")
	require.NotContains(t, m.read("status/static/x"), "exchanges")
	m.must(logical.ReadOperation, "metrics", nil)
	_, err := m.HandleRequest(t.Context(), m.request(logical.UpdateOperation, "check/static/x", nil))
	require.ErrorIs(t, err, logical.ErrUnsupportedPath)
}
