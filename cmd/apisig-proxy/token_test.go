package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/client"
	"github.com/apisig/vault-plugin-apisig/internal/proxy"
	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// wrappedFile is what Agent's sink writes with wrap_ttl (wrapToken in command/agentproxyshared/sink of Vault 1.21).
const wrappedFile = `{"token":"%s","accessor":"5Y6N","ttl":300,"creation_time":"2026-01-02T03:04:05.678Z",` +
	`"creation_path":"%s","wrapped_accessor":""}` + "\n"

func TestTokenIsRead(t *testing.T) {
	t.Parallel()
	const notAgents = "vault.token_file is JSON, but not what a sink of Agent's with wrap_ttl writes: " +
		"write the token alone, as vault token create -field=token prints it"
	for name, row := range map[string]struct {
		content string
		want    fileToken
		fault   string
	}{
		"a token":          {"hvs.CAES-canary_1\n", fileToken{text: "hvs.CAES-canary_1"}, ""},
		"blanks around it": {"\r\n root \r\n", fileToken{text: "root"}, ""},
		"a wrapped one": {
			fmt.Sprintf(wrappedFile, "hvs.canary", "sys/wrapping/wrap"), fileToken{"hvs.canary", true}, "",
		},
		"a wrapped login": {
			fmt.Sprintf(wrappedFile, "hvs.canary", "auth/approle/login"), fileToken{"hvs.canary", true}, "",
		},
		"nothing": {" \n", fileToken{}, "vault.token_file is missing, unreadable or empty"},
		"a mark of UTF-8": {
			"\ufeffhvs.canary",
			fileToken{},
			"vault.token_file begins with a byte-order mark, as Windows PowerShell writes it: save it as ASCII",
		},
		"a mark before JSON": {
			"\ufeff{}",
			fileToken{},
			"vault.token_file begins with a byte-order mark, as Windows PowerShell writes it: save it as ASCII",
		},
		"UTF-16, little": {
			"\xff\xfeh\x00v\x00s\x00.\x00",
			fileToken{},
			"vault.token_file begins with a byte-order mark, as Windows PowerShell writes it: save it as ASCII",
		},
		"UTF-16, big": {
			"\xfe\xff\x00h\x00v\x00s\x00.",
			fileToken{},
			"vault.token_file begins with a byte-order mark, as Windows PowerShell writes it: save it as ASCII",
		},
		"two words":          {"token hvs.canary", fileToken{}, "vault.token_file must have a token and nothing else"},
		"two lines":          {"hvs.canary\nhvs.canary", fileToken{}, "vault.token_file must have a token and nothing else"},
		"not ASCII":          {"hvs.canary\u00a0", fileToken{text: "hvs.canary"}, ""},
		"invisible":          {"hvs.canary\u200b", fileToken{}, "vault.token_file must have a token and nothing else"},
		"a string of JSON":   {`"hvs.canary"`, fileToken{}, notAgents},
		"a login":            {`{"auth":{"client_token":"hvs.canary"}}`, fileToken{}, notAgents},
		"another document":   {`{"token":"hvs.canary"}`, fileToken{}, notAgents},
		"JSON of two words":  {fmt.Sprintf(wrappedFile, "hvs canary", "sys/wrapping/wrap"), fileToken{}, notAgents},
		"half a wrapped one": {wrappedFile[:40], fileToken{}, notAgents},
		"encrypted, by Agent": {
			`{"curve25519_public_key":"a2V5","nonce":"bm9uY2U=","encrypted_payload":"Y2FuYXJ5"}`,
			fileToken{},
			"vault.token_file is encrypted: use a sink without dh_type; wrap_ttl is supported",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseToken([]byte(row.content))
			require.Equal(t, row.want, got)
			if row.fault == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, row.fault)
			_, is := err.(*client.Failure) //nolint:errorlint // it is answered as one
			require.True(t, is)
		})
	}
}

// -check refuses what the file has now, and not that it is not there yet. It calls nobody.
func TestCheckReadsTheTokensFile(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ content, want string }{
		"a token":         {"hvs.canary", ""},
		"nothing yet":     {"", ""},
		"a wrapped token": {fmt.Sprintf(wrappedFile, "hvs.canary", "sys/wrapping/wrap"), ""},
		"no token":        {"\ufeffhvs.canary", "vault.token_file begins with a byte-order mark"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory := t.TempDir()
			config, token := filepath.Join(directory, "proxy.yml"), filepath.Join(directory, "token")
			check := func() error {
				return run([]string{"-check", "-config", config})
			}
			content := "listen: 127.0.0.1:1\nvault: {address: \"http://127.0.0.1:1\", token_file: \"" + token +
				"\"}\nroutes: {/a: {creds: m/creds/pave/x, allow: [GET /]}}"
			require.NoError(t, os.WriteFile(config, []byte(content), 0o600))
			require.NoError(t, check(), "Agent may write it later")
			require.NoError(t, os.WriteFile(token, []byte(row.content), 0o600))
			if row.want == "" {
				require.NoError(t, check())
				return
			}
			require.ErrorContains(t, check(), row.want)
		})
	}
}

// wrappingVault unwraps a token once, as Vault does, and answers a creds path.
type wrappingVault struct {
	*httptest.Server
	mu      sync.Mutex
	wrapped map[string]string // answers by wrapping token
	seen    []string          // token, namespace and path of requests
	down    bool
	waits   chan struct{} // what unwrapping waits for; nil: nothing
	denies  string        // a token
}

func newWrappingVault(t *testing.T) *wrappingVault {
	t.Helper()
	v := &wrappingVault{wrapped: map[string]string{}}
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("X-Vault-Token")
		unwraps := r.URL.Path == "/v1/sys/wrapping/unwrap"
		v.mu.Lock()
		waits := v.waits
		v.mu.Unlock()
		if unwraps && waits != nil {
			<-waits
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		path := strings.TrimPrefix(r.URL.Path, "/v1/")
		v.seen = append(v.seen, fmt.Sprint(token, " ", r.Header.Get("X-Vault-Namespace"), " ", path))
		answer, is := v.wrapped[token]
		switch {
		case v.down:
			w.WriteHeader(http.StatusServiceUnavailable)
			answer = `{"errors": ["Vault is sealed"]}`
		case unwraps && !is:
			w.WriteHeader(http.StatusBadRequest)
			answer = `{"errors": ["wrapping token is not valid or does not exist"]}`
		case unwraps:
			delete(v.wrapped, token)
		case token == v.denies:
			w.WriteHeader(http.StatusForbidden)
			answer = `{"errors": ["permission denied"]}`
		default:
			answer = headers
		}
		_, _ = fmt.Fprint(w, answer)
	}))
	t.Cleanup(v.Close)
	return v
}

func (v *wrappingVault) took() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]string(nil), v.seen...)
}

// A wrapped token is unwrapped once, for all calls that wait for it, and kept at a reload. Another one takes its place.
func TestWrappedTokenIsUnwrappedOnce(t *testing.T) {
	t.Parallel()
	v := newWrappingVault(t)
	v.wrapped["wrapping-one"] = `{"data": {"token": "one"}}`                 // by a sink
	v.wrapped["wrapping-two"] = `{"auth": {"client_token": "two"}}`          // by a method
	v.wrapped["wrapping-three"] = `{"data": {"token": "{\"token\":\"x\"}"}}` // by both
	v.waits = make(chan struct{})
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, wrappedFile, "wrapping-one", "sys/wrapping/wrap"), 0o600))
	now := time.Now()
	kept := &unwrapper{now: func() time.Time { return now }}
	config := proxy.Vault{Address: v.URL, TokenFile: file, Namespace: "team"}
	backendOf := func() (*backend, signing.Signer) {
		made, err := connect(config, kept)
		require.NoError(t, err)
		made.now = later()
		return made, made.Signer(creds, nil)
	}
	_, signer := backendOf()
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			if _, err := signer.Sign(t.Context(), client.Call{}); err != nil {
				t.Error(err)
			}
		})
	}
	close(v.waits)
	calls.Wait()
	want := []string{"wrapping-one team sys/wrapping/unwrap", "one team apisig/creds/pave/main"}
	require.Equal(t, want, v.took())

	_, signer = backendOf() // as a reload does
	_, err := signer.Sign(t.Context(), client.Call{})
	require.NoError(t, err)
	want = append(want, "one team apisig/creds/pave/main")
	require.Equal(t, want, v.took())

	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, wrappedFile, "wrapping-two", "auth/approle/login"), 0o600))
	again, signer := backendOf()
	_, err = signer.Sign(t.Context(), client.Call{})
	require.NoError(t, err)
	want = append(want, "wrapping-two team sys/wrapping/unwrap", "two team apisig/creds/pave/main")
	require.Equal(t, want, v.took())

	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, wrappedFile, "wrapping-three", "sys/wrapping/wrap"), 0o600))
	require.EqualError(t, again.renew(t.Context()), "what vault.token_file wraps is not a token")
	_, err = signer.Sign(t.Context(), client.Call{})
	require.NoError(t, err, "the last token is used")
	require.Equal(t, "two", again.vault.Token())
}

// A token that was not unwrapped is tried again a second later, and the last one is used meanwhile.
func TestFailedUnwrappingIsTriedAgainLater(t *testing.T) {
	t.Parallel()
	v := newWrappingVault(t)
	v.down = true
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, wrappedFile, "wrapping", "sys/wrapping/wrap"), 0o600))
	var mu sync.Mutex
	now := time.Now()
	made, err := connect(proxy.Vault{Address: v.URL, TokenFile: file}, &unwrapper{now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	require.NoError(t, err)
	signer := made.Signer(creds, nil)
	for range 3 {
		_, err = signer.Sign(t.Context(), client.Call{})
		require.EqualError(t, err, "Vault answered with status 503: "+
			"the wrapped token in vault.token_file was not unwrapped, which works once and until its ttl ends: Vault is sealed")
	}
	require.Len(t, v.took(), 1)
	v.mu.Lock()
	v.down = false
	v.mu.Unlock()
	mu.Lock()
	now = now.Add(unwrapAgain)
	mu.Unlock()
	_, err = signer.Sign(t.Context(), client.Call{})
	require.EqualError(t, err, "Vault answered with status 400: "+
		"the wrapped token in vault.token_file was not unwrapped, which works once and until its ttl ends: "+
		"wrapping token is not valid or does not exist")
	v.mu.Lock()
	v.wrapped["wrapping"] = `{"data": {"token": "one"}}`
	v.mu.Unlock()
	mu.Lock()
	now = now.Add(unwrapAgain)
	mu.Unlock()
	_, err = signer.Sign(t.Context(), client.Call{})
	require.NoError(t, err)
}

// If Vault denies the last token, the error says also why there is no other.
func TestDeniedTokenWithoutAnotherSaysWhy(t *testing.T) {
	t.Parallel()
	v := newWrappingVault(t)
	v.denies = "one"
	file := filepath.Join(t.TempDir(), "token")
	made, signer := signerFor(t, proxy.Vault{Address: v.URL, TokenFile: file})
	require.NoError(t, os.WriteFile(file, []byte("one"), 0o600))
	require.NoError(t, made.look(t.Context()))
	require.NoError(t, os.WriteFile(file, []byte("\ufefftwo"), 0o600))
	_, err := signer.Sign(t.Context(), client.Call{})
	require.EqualError(t, err, "Vault answered with status 403: permission denied; "+
		"vault.token_file begins with a byte-order mark, as Windows PowerShell writes it: save it as ASCII")
	require.NoError(t, os.WriteFile(file, []byte("one"), 0o600))
	_, err = signer.Sign(t.Context(), client.Call{})
	require.EqualError(t, err, "Vault answered with status 403: permission denied")
}

// A call whose client goes away does not end the unwrapping, and does not wait for it.
func TestCallThatGivesUpDoesNotEndTheUnwrapping(t *testing.T) {
	t.Parallel()
	v := newWrappingVault(t)
	v.wrapped["wrapping"] = `{"data": {"token": "one"}}`
	v.waits = make(chan struct{})
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, wrappedFile, "wrapping", "sys/wrapping/wrap"), 0o600))
	made, signer := signerFor(t, proxy.Vault{Address: v.URL, TokenFile: file})
	underWay, err := made.refresh()
	require.NoError(t, err)
	require.NotNil(t, underWay)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = signer.Sign(ctx, client.Call{})
	require.ErrorIs(t, err, ctx.Err())
	close(v.waits)
	_, err = signer.Sign(t.Context(), client.Call{})
	require.NoError(t, err)
}
