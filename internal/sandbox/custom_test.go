package sandbox_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

// The signatures were computed with Python's hmac.
func TestCustomChecksSignatures(t *testing.T) {
	t.Parallel()
	const (
		list     = "d1e59f23662ebb0397e9bd7f5f21c4624381e4edb75b16e6e1b0bf5c1427b479"
		listHash = "c432dfe0fbdcf67a8f7a92cf5751f5f028ce1b15be96cf07be92a1eda8c29391"
		create   = "f2e70f465d269e8e6a1d4f2ee59ab31c598d9da3b2c9ea6a1edacd339dc0b26f"
		noHash   = "11c79634bac59457e23587b8bce9976c306d19dad138af2241f88a4bbee9851e"
		early    = "207b3444ca8a1caa991cab272317ee6b3df64fa0e59f248a3e5bd906464c7f4a"
		longKey  = "8888dad02d5e92517c04b27575142c6d41d5594b43303a1dc2010aa206f8baec"
	)
	const path = "/custom/v1/orders?a=%2F"
	s := start(nil)
	long := start(func(b *sandbox.Behaviour) { b.CustomSecret = strings.Repeat("k", 65) })
	for name, test := range map[string]struct {
		on                               http.Handler
		method, target, time, sign, body string
		status                           int
	}{
		"no body":         {s, http.MethodGet, path, "1767323045", list, "", http.StatusOK},
		"hash of no body": {s, http.MethodGet, path, "1767323045", listHash, "", http.StatusOK},
		"body":            {s, http.MethodPost, "/custom/v1/orders", "1767323045", create, "hello", http.StatusOK},
		"a long key":      {long, http.MethodGet, path, "1767323045", longKey, "", http.StatusOK},
		"another body": {
			s, http.MethodPost, "/custom/v1/orders", "1767323045", create, "hello!", http.StatusUnauthorized,
		},
		"body not covered": {s, http.MethodPost, "/custom/v1/orders", "1767323045", noHash, "hello", http.StatusUnauthorized},
		"another method":   {s, http.MethodPost, path, "1767323045", list, "", http.StatusUnauthorized},
		"another path":     {s, http.MethodGet, "/custom/v1/orders/1", "1767323045", list, "", http.StatusUnauthorized},
		"another query":    {s, http.MethodGet, "/custom/v1/orders?a=/", "1767323045", list, "", http.StatusUnauthorized},
		"another time":     {s, http.MethodGet, path, "1767323046", list, "", http.StatusUnauthorized},
		"five minutes ago": {s, http.MethodGet, path, "1767322744", early, "", http.StatusUnauthorized},
		"no time":          {s, http.MethodGet, path, "", list, "", http.StatusUnauthorized},
		"no signature":     {s, http.MethodGet, path, "1767323045", "", "", http.StatusUnauthorized},
		"another secret":   {long, http.MethodGet, path, "1767323045", list, "", http.StatusUnauthorized},
		"unknown endpoint": {s, http.MethodGet, "/custom/v2", "1767323045", list, "", http.StatusUnauthorized},
		"told to refuse": {
			start(func(b *sandbox.Behaviour) { b.Fault = sandbox.Refuse }), http.MethodGet, path, "1767323045", list, "",
			http.StatusUnauthorized,
		},
	} {
		headers := map[string]string{"X-Time": test.time, "X-Signature": test.sign}
		status, _ := send(test.on, test.method, test.target, headers, test.body)
		require.Equal(t, test.status, status, name)
	}
}
